"""Files of items and events, JSON Lines or CSV, as messages: every row is checked."""

import codecs
import csv
import gzip
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import msgspec
import xxhash
from msgspec import structs

from schemas.events import InteractionEvent
from vane.catalogue import convert_update
from vane.client.topic import Keyed
from vane.errors import InputFileError, InvalidEvent, UsageError
from vane.interaction import convert_interaction, timestamp_us, validate_interaction
from vane.tuning import Tuning

GZIP_MAGIC = b"\x1f\x8b"
LIST_SEPARATOR = "|"
"""Between the tags of a CSV cell."""

FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
COUNTERS = ("plays", "likes", "comments", "shares")

Row = dict[str, Any]


def item_messages(path: Path, bytes_max: int) -> Iterator[Keyed]:
    """The product updates in a file.

    Raises:
        InputFileError: names line, field and reason.
    """

    def convert(row: Row) -> Keyed:
        update = convert_update(row)
        return Keyed(update.item_id.encode(), msgspec.json.encode(update))

    return _messages(path, bytes_max, convert)


def event_messages(path: Path, bytes_max: int, tuning: Tuning) -> Iterator[Keyed]:
    """The events in a file; `timestamp` stands for `ts`, and ids are derived where absent.

    A derived id is a hash of user, item, action and time, and the number of the event among equal
    ones: a file that is loaded twice brings the same ids.

    Raises:
        InputFileError: names line, field and reason.
    """
    occurrences: Counter[str] = Counter()

    def convert(row: Row) -> Keyed:
        if "timestamp" in row:
            row.setdefault("ts", row["timestamp"])
        named = "event_id" in row or "specversion" in row
        event = convert_interaction(row if named else {**row, "event_id": "derived"})
        validate_interaction(event, tuning)
        if not named:
            digest = event_digest(event)
            event = structs.replace(event, event_id=f"{digest}-{occurrences[digest]}")
            occurrences[digest] += 1
        return Keyed(event.user_id.encode(), msgspec.json.encode(event))

    return _messages(path, bytes_max, convert)


def event_digest(event: InteractionEvent) -> str:
    """Equal for events that agree in user, item, action and time."""
    identity = [event.user_id, event.item_id, event.action, timestamp_us(event.ts)]
    return xxhash.xxh3_128_hexdigest(msgspec.json.encode(identity))


def _messages(path: Path, bytes_max: int, convert: Callable[[Row], Keyed]) -> Iterator[Keyed]:
    with closing(_rows(path)) as rows:
        for line, row in rows:
            try:
                message = convert(row)
            except InvalidEvent as error:
                raise InputFileError(str(path), line, error.field, error.reason) from None
            if len(message.value) > bytes_max:
                raise InputFileError(str(path), line, "$", f"larger than {bytes_max} bytes")
            yield message


def _rows(path: Path) -> Generator[tuple[int, Row], None, None]:
    line = 0
    try:
        with _opened(path) as file:
            first = file.peek(1)[:1]
            read = _json_lines if first == b"{" else _csv_rows
            for line, row in read(path, file):
                yield line, row
    except UnicodeDecodeError:
        raise InputFileError(str(path), line + 1, "$", "is not UTF-8 text") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputFileError(str(path), line + 1, "$", f"broken gzip file: {error}") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if not line:
        raise InputFileError(str(path), 1, "$", "the file has no rows")


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    with path.open("rb") as file:
        if file.peek(2)[:2] == GZIP_MAGIC:
            with gzip.open(file) as unpacked:
                yield BufferedReader(unpacked)
        else:
            yield file


def _json_lines(path: Path, file: BufferedReader) -> Iterator[tuple[int, Row]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for line, text in enumerate(file, start=1):
        if text.isspace():
            continue
        try:
            yield line, decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise InputFileError(str(path), line, "$", f"not a JSON object: {error}") from None


def _csv_rows(path: Path, file: BufferedReader) -> Iterator[tuple[int, Row]]:
    lines = codecs.iterdecode(file, "utf-8-sig")
    reader = csv.DictReader(lines, restval=None, strict=True)
    try:
        _check_header(reader.fieldnames)
        for cells in reader:
            yield reader.line_num, _typed(cells)
    except InvalidEvent as error:
        line = max(1, reader.line_num)
        raise InputFileError(str(path), line, error.field, error.reason) from None
    except csv.Error as error:
        reason = f"broken CSV: {error}"
        raise InputFileError(str(path), reader.reader.line_num, "$", reason) from None


def _check_header(names: Sequence[str] | None) -> None:
    if "item_id" not in (names or ()):
        raise InvalidEvent("item_id", "neither JSON Lines nor a CSV header with this column")


def _typed(cells: dict[str | None, str | None]) -> Row:
    """A CSV row with typed values; an empty cell is an absent field."""
    if None in cells or None in cells.values():
        raise InvalidEvent("$", "another number of cells than the header has")
    row: Row = {}
    for name, text in cells.items():
        if name is None or not text:
            continue
        value = CELL_TYPES[name](name, text) if name in CELL_TYPES else text
        if name in COUNTERS:
            row.setdefault("stats", {})[name] = value
        else:
            row[name] = value
    return row


def _number(name: str, text: str) -> float:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        raise InvalidEvent(name, f"expected a number, got {text[:64]!r}") from None


def _time(_name: str, text: str) -> float | str:
    """A number, or the text of a date."""
    try:
        return _number("", text)
    except InvalidEvent:
        return text


def _list(_name: str, text: str) -> list[str]:
    return text.split(LIST_SEPARATOR)


def _flag(name: str, text: str) -> bool:
    if text.lower() not in FLAGS:
        raise InvalidEvent(name, f"expected true or false, got {text[:64]!r}")
    return FLAGS[text.lower()]


def _object(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidEvent(name, f"not JSON: {error}") from None


CELL_TYPES: dict[str, Callable[[str, str], Any]] = {
    "ts": _time,
    "timestamp": _time,
    "published_at": _time,
    "value": _number,
    "position": _number,
    "price": _number,
    **dict.fromkeys(COUNTERS, _number),
    "tags": _list,
    "embeds": _list,
    "available": _flag,
    "attributes": _object,
}
"""How the cells of a column are read; those of the others are text."""
