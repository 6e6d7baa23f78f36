"""`vane migrate`, `accept-log`, `accept-gap`: what an operator does to the database."""

from functools import partial
from typing import Annotated

import typer

from vane.cli.context import DataDir, Json, command_settings
from vane.cli.output import print_json
from vane.errors import UsageError
from vane.kafka_admin import describe_topic, log_bounds
from vane.store.connection import connect
from vane.store.migrate import migrate as apply_migrations
from vane.store.migrate import pending_migrations
from vane.store.migration_files import Phase, migrations
from vane.store.positions import Stream, accept_gap, find_log, open_log

Before = Annotated[
    bool, typer.Option("--before-deploy", help="Only what the code that runs now can live with.")
]
After = Annotated[
    bool, typer.Option("--after-deploy", help="Only what has waited until the old code is gone.")
]


def migrate(
    before: Before = False,  # noqa: FBT002 - a flag
    after: After = False,  # noqa: FBT002
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Bring the database schema up to date; does nothing where it is. Flows and API may go on.

    A release that changes the schema is rolled out in three steps: --before-deploy, the new
    version everywhere, --after-deploy. Without either, everything is applied.

    Example: `VANE_DATABASE_URL=postgresql://vane@db/vane vane migrate`
    """
    if before and after:
        raise UsageError("--before-deploy and --after-deploy: leave both out to apply everything")
    phase: Phase | None = "before-deploy" if before else "after-deploy" if after else None
    settings = command_settings(data_dir, needs=["database_url"])
    told = partial(typer.echo, err=True) if as_json else typer.echo
    with connect(settings, "vane migrate") as connection:
        applied = apply_migrations(connection, phase, told=told)
        waiting = [migration.label for migration in pending_migrations(connection, migrations())]
    if as_json:
        print_json({"applied": applied, "waiting": waiting})
    elif waiting:
        typer.echo(f"waiting for the deploy: {', '.join(waiting)}")
    elif not applied:
        typer.echo("the schema is up to date")


def accept_log(
    topic: Annotated[str, typer.Argument(help="Name of the topic, such as user-interactions.")],
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Start on a topic that was deleted and created again, from its beginning.

    A flow stops at such a topic, as its old positions mean nothing there; what it has learned
    stays. Start the flow again afterwards.

    Example: `vane accept-log user-interactions`
    """
    settings = command_settings(data_dir, needs=["kafka_bootstrap", "database_url"])
    identity, _ = describe_topic(settings.kafka_bootstrap, topic)
    with connect(settings, "vane accept-log") as connection:
        log_id = open_log(connection, identity)
    if as_json:
        print_json({"topic": topic, "log_id": log_id, "topic_id": identity.topic_id})
    else:
        typer.echo(f"{topic} is log {log_id} now (topic id {identity.topic_id})")


def accept_lost(
    flow: Annotated[str, typer.Argument(help="Name of the flow: interactions or catalog.")],
    topic: Annotated[str, typer.Argument(help="Name of the topic, such as user-interactions.")],
    partition: Annotated[int, typer.Argument(min=0, help="Number of the partition.")],
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Let a flow go on behind messages that Kafka has deleted before they were read.

    A flow stops at such a gap. The lost offsets are counted as skipped, so that the counts go on
    adding up. Start the flow again afterwards.

    Example: `vane accept-gap interactions user-interactions 0`
    """
    settings = command_settings(data_dir, needs=["kafka_bootstrap", "database_url"])
    identity, _ = describe_topic(settings.kafka_bootstrap, topic)
    low, high = log_bounds(settings.kafka_bootstrap, topic, partition)
    with connect(settings, "vane accept-gap") as connection:
        stream = Stream(flow, find_log(connection, identity), partition)
        skipped = accept_gap(connection, stream, low)
    if not skipped:
        raise UsageError(f"{flow} has no gap in {topic} partition {partition} ({low} to {high})")
    if as_json:
        print_json(
            {"flow": flow, "topic": topic, "partition": partition, "offset": low, "lost": skipped}
        )
    else:
        typer.echo(
            f"{flow} goes on at offset {low:,} of {topic} partition {partition}: {skipped:,} lost"
        )
