"""The HTTP API from Python: lists, search, profiles, events, streams."""

import logging
import random
import threading
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack
from urllib.parse import quote, urlencode

import msgspec

from schemas.discovery import SearchResults
from schemas.events import InteractionEvent
from schemas.responses import (
    AcceptedEvents,
    Item,
    ItemList,
    ListedItem,
    Problem,
    Profile,
    Recommendations,
)
from vane.client.outbox import PAUSE_S_MAX, PAUSE_S_MIN, OnRefused, Outbox
from vane.client.sse import server_events
from vane.client.transport import Reply, Transport, error_of
from vane.errors import Unavailable, VaneError
from vane.interaction import check_text, convert_interaction
from vane.lru import Lru

KEPT_ANSWERS_MAX = 1_000
"""Asked for again, an answer that has not changed is not sent again."""
STREAM_SILENCE_S = 45.0
"""Three heartbeats: a stream that is silent for longer is opened anew."""
EVENTS_MAX = 1_000
"""In one call of `send`."""
NOT_MODIFIED, UNPROCESSABLE = 304, 422

Body = TypeVar("Body", bound=msgspec.Struct)

_log = logging.getLogger(__name__)


class Selection(TypedDict, total=False):
    """What a list is asked for by; several values mean any of them.

    Attributes:
        boost: such as "tag:sale:1.5".
    """

    limit: int
    kind: str | Sequence[str]
    category: str | Sequence[str]
    tags: str | Sequence[str]
    price_min: float
    price_max: float
    exclude: Sequence[str]
    boost: str | Sequence[str]
    exclude_seen: bool
    explain: bool


class Details(TypedDict, total=False):
    """What an event may say beside who did what with which item."""

    event_id: str
    ts: datetime | float
    value: float
    session_id: str
    request_id: str
    position: int


class Vane:
    """Calls of one API; threads may share it, asyncio calls it by `asyncio.to_thread`.

    Every method raises `vane.errors.InvalidRequest` with field and reason, `Unauthenticated`,
    `Forbidden`, `NotFound`, or `Unavailable` where the API does not answer.

    Args:
        url: such as http://localhost:8000.
        api_key: of a back end.
        token: of a user, instead.
        timeout_s: longest silence of the API.
        on_refused: is told of every tracked event that is refused, and why; default: the log is.

    Example:
        >>> with Vane("http://localhost:8000") as vane:  # doctest: +SKIP
        ...     vane.track("like", "ada", "film-1968-2001-a-space-odyssey")
        ...     [item.title for item in vane.recommend("ada", limit=3).items]
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str = "",
        token: str = "",
        timeout_s: float = 10.0,
        on_refused: OnRefused | None = None,
    ) -> None:
        headers = {"X-API-Key": api_key} if api_key else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._transport = Transport(url, headers, timeout_s)
        self._known: Lru[str, tuple[str, Any]] = Lru(KEPT_ANSWERS_MAX)
        self._lock = threading.Lock()
        self._outbox = Outbox(self.send, on_refused or _log_refused)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def recommend(self, user_id: str, **selection: Unpack[Selection]) -> Recommendations:
        """The list for a user; one that has not changed since the last call is not sent again."""
        return self._get(_list_path(user_id), selection, Recommendations)

    def recommend_after(
        self, user_id: str, token: str, wait_ms: int = 1_000, **selection: Unpack[Selection]
    ) -> tuple[Recommendations, bool]:
        """The list once the events behind a token of `send` count, and whether they do."""
        query = {**selection, "after": token, "wait_ms": wait_ms}
        reply = self._transport.request("GET", _list_path(user_id) + _query(query))
        applied = reply.headers.get("Vane-Applied") == "true"
        return _decoded(reply.body, Recommendations), applied

    def similar(self, item_id: str, limit: int = 10) -> list[ListedItem]:
        """The items most like an item."""
        return self._get(f"{_item_path(item_id)}/similar", {"limit": limit}, ItemList).items

    def trending(self, **selection: Unpack[Selection]) -> list[ListedItem]:
        """What is popular now, then what is new."""
        return self._get("/v1/trending", selection, ItemList).items

    def search(
        self, text: str, user_id: str | None = None, **selection: Unpack[Selection]
    ) -> SearchResults:
        """Items that match some words; the user's taste decides among equals."""
        return self._get("/v1/search", {"q": text, "user_id": user_id, **selection}, SearchResults)

    def profile(self, user_id: str) -> Profile:
        """What is known of a user's taste."""
        return self._get(f"/v1/users/{quote(user_id, safe='')}/profile", {}, Profile)

    def item(self, item_id: str) -> Item:
        """All that is known of an item."""
        return self._get(_item_path(item_id), {}, Item)

    def stream(
        self, user_id: str, **selection: Unpack[Selection]
    ) -> Generator[Recommendations, None, None]:
        """The list at once and after every change, for ever; a broken stream is opened again."""
        target, last, pause_s = f"{_list_path(user_id)}/stream{_query(selection)}", "", PAUSE_S_MIN
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
            try:
                with closing(self._transport.open(target, headers, STREAM_SILENCE_S)) as reply:
                    for event in server_events(reply.line):
                        if event.name == "recommendations":
                            last, pause_s = event.event_id, PAUSE_S_MIN
                            yield _decoded(event.data, Recommendations)
            except Unavailable as error:
                _log.info("%s; the stream is opened again", error)
            time.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, PAUSE_S_MAX)

    def send(self, events: Sequence[InteractionEvent | Mapping[str, Any]]) -> AcceptedEvents:
        """Send 1 to `EVENTS_MAX` events now; `rejected` of the answer names the wrong ones.

        Give each an `event_id` where you may call again after `Unavailable`: it then counts once.
        """
        body = msgspec.json.encode({"events": events})
        headers = {"Content-Type": "application/json"}
        reply = self._transport.request("POST", "/v1/events", body, headers, {UNPROCESSABLE})
        if reply.status == UNPROCESSABLE:
            return _all_refused(reply)
        return _decoded(reply.body, AcceptedEvents)

    def track(self, action: str, user_id: str, item_id: str, **details: Unpack[Details]) -> str:
        """Tell what a user did, without waiting: a thread sends it, until Vane has it.

        Sent again, it has the same id and counts once. Its id is returned.

        Raises:
            InvalidEvent: the event cannot be right; names field and reason.
            Unavailable: too many events wait.
        """
        now = {"event_id": uuid.uuid4().hex, "ts": datetime.now(UTC)}
        who = {"action": action, "user_id": user_id, "item_id": item_id}
        event = convert_interaction({**now, **who, **details})
        check_text(event)
        self._outbox.put(event)
        return event.event_id

    def flush(self, timeout_s: float = 10.0) -> int:
        """Wait until all tracked events are sent; how many are not when the time is over."""
        return self._outbox.flush(timeout_s)

    def close(self, timeout_s: float = 10.0) -> int:
        """Send what waits, then close; how many events were not sent in time and are lost."""
        left = self._outbox.close(timeout_s)
        self._transport.close()
        return left

    def _get(self, path: str, query: Mapping[str, Any], kind: type[Body]) -> Body:
        target = path + _query(query)
        with self._lock:
            known = self._known.find([target]).get(target)
        headers = {} if known is None else {"If-None-Match": known[0]}
        reply = self._transport.request("GET", target, headers=headers)
        if reply.status == NOT_MODIFIED and known is not None:
            found: Body = known[1]
            return found
        body = _decoded(reply.body, kind)
        if tag := reply.headers.get("ETag"):
            with self._lock:
                self._known.put({target: (tag, body)})
        return body


def _list_path(user_id: str) -> str:
    return f"/v1/users/{quote(user_id, safe='')}/recommendations"


def _item_path(item_id: str) -> str:
    return f"/v1/items/{quote(item_id, safe='')}"


def _query(values: Mapping[str, Any]) -> str:
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in values.items()
        if value is not None
    }
    return f"?{urlencode(given, doseq=True)}" if given else ""


def _decoded(body: bytes, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise VaneError(f"not an answer of this version of Vane: {error}") from error


def _all_refused(reply: Reply) -> AcceptedEvents:
    """What a 422 of events says; an error where it is not about single ones."""
    rejected = _decoded(reply.body, Problem).rejected
    if not rejected:
        raise error_of(reply)
    return AcceptedEvents(0, rejected, token="")


def _log_refused(event: InteractionEvent, error: VaneError) -> None:
    _log.warning("an event %s is refused: %s", event.action, error)
