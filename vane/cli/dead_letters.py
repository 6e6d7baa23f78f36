"""`vane dead-letters`: look at messages that could not be applied, bring them back, forget them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import typer

from schemas.events import Retry
from vane.cli.context import DataDir, Json, command_settings
from vane.cli.output import print_json, print_table, table
from vane.client.topic import Keyed, TopicWriter
from vane.errors import NotFound, UsageError
from vane.interaction import parse_retry
from vane.store.connection import Connection, connect, translated
from vane.store.dead_letters import (
    Letter,
    LetterKey,
    Retryable,
    find_letter,
    list_letters,
    purge_letters,
    retryable,
)

app = typer.Typer(no_args_is_help=True)

TOPIC = "user-interactions"
PAGE_LETTERS = 1_000
ENVELOPE_BYTES = 1_024

Place = Annotated[str, typer.Argument(metavar="KEY", help="log/partition/offset, as in the list.")]
Reason = Annotated[str | None, typer.Option(help="Only with this text in field or reason.")]


@app.command("list")
def list_command(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    flow: Annotated[str | None, typer.Option(help="interactions or catalog")] = None,
    reason: Reason = None,
    retried: Annotated[bool, typer.Option("--retried", help="Also those brought back.")] = False,  # noqa: FBT002
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
) -> None:
    """The newest dead letters with topic, partition, offset and reason.

    Example: `vane dead-letters list --reason "unknown action"`
    """
    with _connection(data_dir) as connection, translated():
        letters = list_letters(connection, flow=flow, reason=reason, retried=retried, limit=limit)
    if as_json:
        print_json([_document(letter) for letter in letters])
        return
    rows = table("key", "topic", "field", "reason", "recorded", "retried")
    for letter in letters:
        back = f"{letter.retried_at:%F %T}" if letter.retried_at else ""
        row = (str(letter.place), letter.topic, letter.field, letter.reason)
        rows.add_row(*row, f"{letter.recorded_at:%F %T}", back)
    print_table(rows, empty="no dead letters")


@app.command()
def show(
    place: Place,
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """One dead letter with the whole message.

    Example: `vane dead-letters show 1/0/4711`
    """
    with _connection(data_dir) as connection, translated():
        letter = _find(connection, place)
    document = _document(letter)
    document["payload"] = (
        None if letter.payload is None else letter.payload.decode(errors="replace")
    )
    if as_json:
        print_json(document)
    else:
        for name, value in document.items():
            typer.echo(f"{name:12} {'' if value is None else value}")


@app.command()
def retry(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    place: Annotated[str | None, typer.Option("--key", help="Only this letter.")] = None,
    reason: Reason = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,  # noqa: FBT002
) -> None:
    """Bring interactions back: produced again, applied once however often this is called.

    For messages that were refused by a setting or an error that is mended now. The letter is marked
    in the transaction that applies it; what is still refused becomes a new dead letter. Product
    updates are not brought back: produce the item as it is now.

    Example: `vane dead-letters retry --reason "unknown action"`
    """
    if sum((place is not None, reason is not None, everything)) != 1:
        raise UsageError("name the letters by one of --key, --reason and --all")
    settings = command_settings(data_dir, needs=["database_url", "kafka_bootstrap"])
    writer = TopicWriter(
        settings.kafka_bootstrap, TOPIC, 2 * settings.event_bytes_max + ENVELOPE_BYTES
    )
    with connect(settings, "vane dead-letters") as connection, translated():
        letters = _letters(connection, place, reason)
        for _ in writer.write(_message(letter) for letter in letters):
            pass
    if as_json:
        print_json({"produced": writer.acknowledged})
    else:
        typer.echo(f"{writer.acknowledged:,} dead letters produced again")


@app.command()
def purge(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    days: Annotated[int, typer.Option(min=0, help="Only letters older than this.")] = 30,
) -> None:
    """Forget the contents of old dead letters; where they were and why they died stays.

    Example: `vane dead-letters purge --days 90`
    """
    with _connection(data_dir) as connection, translated():
        purged = purge_letters(connection, datetime.now(UTC) - timedelta(days=days))
    if as_json:
        print_json({"purged": purged})
    else:
        typer.echo(f"the contents of {purged:,} dead letters are forgotten")


def _connection(data_dir: Any) -> Connection:
    settings = command_settings(data_dir, needs=["database_url"])
    return connect(settings, "vane dead-letters")


def _find(connection: Connection, place: str) -> Letter:
    try:
        key = LetterKey.parse(place)
    except ValueError:
        raise UsageError(f"{place!r} is not log/partition/offset, such as 1/0/4711") from None
    letter = find_letter(connection, key)
    if letter is None:
        raise NotFound(f"there is no dead letter {place}")
    return letter


def _letters(connection: Connection, place: str | None, reason: str | None) -> Iterator[Retryable]:
    if place is not None:
        letter = _find(connection, place)
        if letter.flow != "interactions" or letter.payload is None or letter.retried_at:
            raise UsageError(f"{place} is not an interaction with contents that still waits")
        yield Retryable(letter.place, letter.key, letter.payload)
        return
    after = LetterKey(0, 0, -1)
    while page := retryable(connection, reason, after, PAGE_LETTERS):
        yield from page
        after = page[-1].place


def _message(letter: Retryable) -> Keyed:
    """The message in an envelope that names the letter; one that came back already is unwrapped."""
    inner = parse_retry(letter.payload)
    raw = inner.data_base64 if inner else letter.payload
    envelope = Retry(specversion="1.0", vaneretry=str(letter.place), data_base64=raw)
    return Keyed(letter.key or b"", msgspec.json.encode(envelope))


def _document(letter: Letter) -> dict[str, Any]:
    document = letter._asdict()
    del document["payload"], document["key"]
    return {"key": str(letter.place), **document}
