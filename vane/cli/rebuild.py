"""`vane rebuild`: vectors and trends from the log, while everything goes on."""

import time
from collections.abc import Iterator
from typing import Annotated

import typer

from schemas.events import PreferenceHint
from vane.bus import PREFERENCES, Publisher
from vane.cli.context import (
    DataDir,
    Json,
    Since,
    command_settings,
    parse_duration,
    parse_moment,
)
from vane.cli.output import print_json
from vane.cli.progress import progress
from vane.errors import NotFound, UsageError
from vane.rebuild import Changes, change_half_lives, rebuild_these, rebuild_users
from vane.store.connection import Connection, connect, translated
from vane.store.replay import count_users, reset_trends
from vane.store.retention import history_from
from vane.store.tuning import read_tuning
from vane.tuning import Tuning

Duration = Annotated[str | None, typer.Option(help="Such as 30d, 6h, 45m.")]


def rebuild(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    user: Annotated[str | None, typer.Option(help="Only this user.")] = None,
    since: Since = None,
    half_life_long: Duration = None,
    half_life_short: Duration = None,
    trends: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--trends/--no-trends", help="Popularity, too, for all items.")
    ] = True,
) -> None:
    """Compute vectors and trends again from the log, while everything goes on.

    Half-lives change only here: states of former ones are replayed, by this command or by the
    flow that meets them first. Trends begin from zero and are made by flows/trends.

    Example: `vane rebuild --half-life-short 3h`
    """
    settings = command_settings(data_dir, needs=["database_url", "redis_url"])
    partly = user is not None or since is not None
    if partly and (half_life_long or half_life_short):
        raise UsageError("half-lives change for all users: leave out --user and --since")
    publisher = Publisher(settings.redis_url)
    rebuilt, started = 0, time.monotonic()
    with connect(settings, "vane rebuild") as connection, translated():
        tuning = _tuning(connection, half_life_long, half_life_short)
        if user is not None:
            batches = _one(connection, tuning, user)
            total = 1
        else:
            moment = parse_moment(since)
            batches = rebuild_users(connection, tuning, moment)
            total = count_users(connection, moment)
        with progress() as bars:
            task = bars.add_task("users", total=total)
            for changes in batches:
                publisher.publish(PREFERENCES, PreferenceHint(changes, 0, 0, 0, time.time()))
                rebuilt += len(changes)
                bars.update(task, completed=rebuilt)
        if trends and not partly:
            reset_trends(connection)
        older = history_from(connection)
    elapsed_s = time.monotonic() - started
    if older is not None and (half_life_long or half_life_short):
        typer.echo(
            f"events before {older:%Y-%m-%d} are one sum for each user: the new half-lives decay "
            "it from its newest event on",
            err=True,
        )
    if as_json:
        print_json({"users": rebuilt, "seconds": round(elapsed_s, 3)})
    else:
        typer.echo(f"{rebuilt:,} users rebuilt in {elapsed_s:.1f} s")


def _tuning(connection: Connection, long: str | None, short: str | None) -> Tuning:
    tuning, _ = read_tuning(connection)
    lives = (
        tuning.half_life_long_s if long is None else parse_duration("--half-life-long", long),
        tuning.half_life_short_s if short is None else parse_duration("--half-life-short", short),
    )
    return tuning if lives == tuning.half_lives_s else change_half_lives(connection, *lives)


def _one(connection: Connection, tuning: Tuning, user: str) -> Iterator[Changes]:
    changes = rebuild_these(connection, tuning, [user])
    if not changes:
        raise NotFound(f"user {user!r} has no state")
    yield changes
