"""Server-sent events, as the HTML standard reads them (section 9.2.6)."""

from collections.abc import Callable, Iterator
from typing import NamedTuple


class ServerEvent(NamedTuple):
    """One event of a stream."""

    name: str
    data: bytes
    event_id: str


def server_events(line: Callable[[], bytes]) -> Iterator[ServerEvent]:
    """The events of a stream until it ends; one that is cut off is none.

    Args:
        line: the next line with its end, empty behind the last one.
    """
    name, data, event_id = "", list[bytes](), ""
    while raw := line():
        field, _, value = raw.rstrip(b"\r\n").partition(b":")
        value = value.removeprefix(b" ")
        if raw in {b"\n", b"\r\n"}:
            if data:
                yield ServerEvent(name or "message", b"\n".join(data), event_id)
            name, data = "", []
        elif field == b"event":
            name = value.decode()
        elif field == b"data":
            data.append(value)
        elif field == b"id":
            event_id = value.decode()
