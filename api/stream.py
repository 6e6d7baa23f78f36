"""Route of server-sent events: a user's list at once, and again with every change."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from api.access import caller_of
from api.answers import SCHEMA_REF, documented
from api.cache import Answer, Key
from api.params import UserId
from api.recommender import Query
from api.selection import ListQuery
from api.services import Services, services_of
from api.stream_channel import Closed, Reader
from api.users import LIST_ROUTE, list_builder, list_from_memory, list_key
from schemas.responses import Recommendations
from vane.errors import Unavailable

router = APIRouter(tags=["users"])

HEARTBEAT_S = 15.0
"""A stream without news says that it lives, and so finds out about a client that does not."""
SEND_S_MAX = 10.0
"""A client that takes nothing for this long, all buffers being full, is dropped."""
FIRST_S_MAX = 10.0
"""Longest wait for the first list."""
RETRY_MS = (1_000, 3_000)
"""Pause before a client comes back: each gets its own, so that not all come at once."""

EVENT_STREAM = "text/event-stream"
HEADERS = [
    (b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx holds answers back otherwise
]
HEARTBEAT = b":\n\n"
FAREWELL = b"event: close\ndata: {}\n\n"

_EVENTS = "`event: recommendations`, its `id`, and as `data` the list: " + SCHEMA_REF.format(
    name="Recommendations"
)


def _described() -> dict[int | str, dict[str, Any]]:
    described = documented(Recommendations, 422, 503)
    schema = {"type": "string", "description": _EVENTS}
    described[200] = {"description": "events", "content": {EVENT_STREAM: {"schema": schema}}}
    return described


@router.get("/v1/users/{user_id:path}/recommendations/stream", responses=_described())
async def get_stream(request: Request, user_id: UserId, query: ListQuery) -> Response:
    """Server-sent events: the list at once, and again with every change.

    Each event `recommendations` has the body that polling gives. The first change of a burst comes
    at once, more come at most four times a second. `id` is the list's `request_id`: with it as
    `Last-Event-ID` nothing comes before the list is another one.
    """
    last = request.headers.get("last-event-id", "").strip('"')
    known = f'"{last}"'.encode() if last else b""
    wanted = _Wanted(list_key(request.scope), user_id, query, known, caller_of(request).until_s)
    return _EventStream(services_of(request), wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a client asks for: the list that polls get under `key`; `known` is what it has."""

    key: Key
    user_id: str
    query: Query
    known: bytes
    until_s: float


class _EventStream(Response):
    """Sends until the client goes, does not read, may not any longer, or the process ends."""

    def __init__(self, services: Services, wanted: _Wanted) -> None:
        super().__init__()
        self._services, self._wanted = services, wanted

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        services, wanted = self._services, self._wanted
        build = list_builder(services, wanted.user_id, wanted.query, LIST_ROUTE)
        with services.streams.reader(wanted.key, wanted.user_id, build) as reader:
            first = await self._first(reader)
            gone = asyncio.create_task(_watch(receive, reader))
            try:
                reason = await self._send_all(reader, first, send)
            finally:
                gone.cancel()
        services.metrics.stream_ends[reason].add()

    async def _first(self, reader: Reader) -> Answer:
        """The list now, or the fallbacks that polling has.

        Raises:
            Unavailable: not even these.
        """
        services, wanted = self._services, self._wanted
        try:
            found = await reader.newest(b"", FIRST_S_MAX)
        except Unavailable:
            known = services.last_known(wanted.key)
            if known is not None:
                return known[0]
            return list_from_memory(services, wanted.user_id, wanted.query, LIST_ROUTE)[0]
        if found is None:
            raise Unavailable("the list is not ready")
        return found

    async def _send_all(self, reader: Reader, first: Answer, send: Send) -> str:
        """Send what there is to send; why it ended."""
        retry = f"retry: {random.randint(*RETRY_MS)}\n\n".encode()
        sent = self._wanted.known
        found = None if first.etag == sent else first
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await _send(send, retry)
            while not reader.gone:
                if found is None:
                    await _send(send, HEARTBEAT)
                else:
                    await _send(send, _event(found))
                    reader.sent(found)
                    self._services.metrics.stream_lists.add()
                    sent = found.etag
                left_s = self._wanted.until_s - time.time()
                if left_s <= 0:
                    await _send(send, FAREWELL, more=False)
                    return "expired"
                found = await reader.newest(sent, min(HEARTBEAT_S, left_s))
        except Closed:
            await _send(send, FAREWELL, more=False)
            return "shutdown"
        except TimeoutError:
            return "slow"
        return "client"


async def _watch(receive: Receive, reader: Reader) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    reader.leave()


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    """Raises `TimeoutError` where the client does not take it."""
    async with asyncio.timeout(SEND_S_MAX):
        await send({"type": "http.response.body", "body": body, "more_body": more})


def _event(found: Answer) -> bytes:
    name = found.etag.strip(b'"')
    return b"id: %b\nevent: recommendations\ndata: %b\n\n" % (name, found.body)
