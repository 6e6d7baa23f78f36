"""`vane erase` and `vane export`: what a user may ask for."""

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from api.recommend import profile as build_profile
from schemas.events import PreferenceHint
from schemas.responses import Profile
from vane.bus import PREFERENCES, Publisher
from vane.cli.ask import ask_store, checked_id
from vane.cli.context import DataDir, Json, command_settings
from vane.cli.output import print_json
from vane.erase import MergedAway, erase_again, erase_user
from vane.errors import UsageError
from vane.export import export_user
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.serving import ServingStore
from vane.store.tuning import read_tuning

User = Annotated[str, typer.Argument(help="A user's id.")]


def erase(
    user: Annotated[str | None, typer.Argument(help="A user's id.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    again: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--again", help="After a restore: everybody whom Kafka knows as erased.")
    ] = False,
) -> None:
    """Delete all that is known of a user and of the visitors merged into it.

    Events that were sent before count for nobody any more, whenever they are read; later ones begin
    a new user of that name. Popularity keeps what the user added, without a name, until it decays
    or `vane rebuild` takes it out. Once more changes nothing.

    Example: `vane erase alice`
    """
    settings = command_settings(data_dir)
    if again == (user is not None):
        raise UsageError("name a user, or say --again")
    if user is None:
        _erase_again(settings, as_json=as_json)
        return
    user_id = checked_id("user", user)
    try:
        erased = erase_user(settings, user_id)
    except MergedAway as error:
        raise UsageError(f"{user} was merged into {error.account}: erase that one") from None
    hint = PreferenceHint(erased.changes, 0, 0, 0, time.time(), erased=True)
    Publisher(settings.redis_url).publish(PREFERENCES, hint)
    told = erased.of(user_id)
    if as_json:
        print_json(told)
        return
    visitors = f", with {', '.join(told.visitors)}" if told.visitors else ""
    typer.echo(
        f"{user} is erased{visitors}: {told.events:,} events, of which {told.pending:,} waited, "
        f"{told.dead_letters:,} dead letters, {told.accounts} account"
    )


def _erase_again(settings: Settings, *, as_json: bool) -> None:
    """What a restored PostgreSQL has forgotten; flows are not running yet."""
    users = events = 0
    for erased in erase_again(settings):
        users, events = users + 1, events + erased.events
    if as_json:
        print_json({"users": users, "events": events})
    else:
        typer.echo(f"{users:,} users are erased again, with {events:,} events")


def export(
    user: User,
    data_dir: DataDir = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write instead of the terminal.")
    ] = None,
) -> None:
    """Everything that is stored of a user, as JSON.

    Example: `vane export alice --output alice.json`
    """
    settings = command_settings(data_dir, needs=["database_url"])
    user_id = checked_id("user", user)
    with connect(settings, "vane export") as connection:
        half_life_s = read_tuning(connection)[0].half_life_long_s

    async def ask(store: ServingStore) -> Profile:
        return await build_profile(store, user_id, half_life_s)

    pieces = export_user(settings, user_id, ask_store(ask, data_dir))
    try:
        first = next(pieces)
        with output.open("wb") if output else nullcontext(sys.stdout.buffer) as file:
            file.write(first)
            file.writelines(pieces)
    except MergedAway as error:
        raise UsageError(f"{user} was merged into {error.account}: export that one") from None
    except OSError as error:
        raise UsageError(f"{output or 'the output'}: {error.strerror}") from None
