"""`vane migrate`, `accept-log`, `accept-gap`: what an operator does to the database."""

from typing import Annotated

import typer

from vane.cli.context import DataDir, Json, command_settings
from vane.cli.output import print_json
from vane.errors import UsageError
from vane.kafka_admin import describe_topic, log_bounds
from vane.store.connection import connect
from vane.store.migrate import migrate as apply_migrations
from vane.store.positions import Stream, accept_gap, find_log, open_log


def migrate(data_dir: DataDir = None, as_json: Json = False) -> None:  # noqa: FBT002 - a flag
    """Bring the database schema up to date; does nothing where it is.

    Example: `VANE_DATABASE_URL=postgresql://vane@db/vane vane migrate`
    """
    settings = command_settings(data_dir, needs=["database_url"])
    with connect(settings, "vane migrate") as connection:
        applied = apply_migrations(connection)
    if as_json:
        print_json({"applied": applied})
    else:
        typer.echo("\n".join(f"applied {name}" for name in applied) or "the schema is up to date")


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
