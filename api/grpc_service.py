"""The gRPC service: the same lists, ids and tokens as over HTTP, from the same parts."""

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from msgspec import ValidationError

from api.access import Rule
from api.cache import Answer, Key
from api.grpc_calls import Call, Context
from api.ingest import check_events
from api.params import WAIT_MS_MAX, checked_text
from api.recommender import Query
from api.selection import query_of
from api.services import Services
from api.stream_channel import Closed, Reader
from api.users import list_builder, list_from_memory
from api.waiting import Token
from schemas import recommender_pb2 as pb
from schemas.recommender_pb2_grpc import RecommenderServicer
from schemas.requests import BasketRequest
from vane.errors import InvalidEvent, InvalidRequest, Unauthenticated, Unavailable
from vane.interaction import invalid_event

READ, INGEST = Rule("read", "path"), Rule("ingest", "body")
AGE = "vane-age"
"""Trailing metadata of a list from before PostgreSQL went away: its age in seconds."""
WAIT_MS = 1_000
MARGIN_S = 0.1
"""A caller who waits for events gets the list this long before its deadline."""
LOOK_S = 60.0
"""A stream without news waits so long at a time."""


class RecommenderService(RecommenderServicer):
    """Answers for one process; methods as in `schemas/recommender.proto`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def Recommend(  # noqa: N802 - gRPC's name
        self, request: pb.RecommendRequest, context: Context
    ) -> pb.Recommendations:
        """The list for a user; with `after`, once the events behind the token count."""
        async with Call(self._services, "Recommend", context) as call:
            user_id = checked_text("user_id", request.user_id)
            (await call.caller(READ)).require_user(user_id)
            query = _query(request.selection)
            if not request.after:
                return _message(await self._list(user_id, query, context))
            applied = await self._applied(request, context)
            build = list_builder(self._services, user_id, query, call.route)
            return _message(await self._services.compute(build), applied=applied)

    async def StreamRecommendations(  # noqa: N802
        self, request: pb.StreamRecommendationsRequest, context: Context
    ) -> AsyncIterator[pb.Recommendations]:
        """The list at once and after every change, until the caller or its deadline ends it."""
        async with Call(self._services, "StreamRecommendations", context) as call:
            user_id = checked_text("user_id", request.user_id)
            caller = await call.caller(READ)
            caller.require_user(user_id)
            query = _query(request.selection)
            build = list_builder(self._services, user_id, query, call.route)
            tag = f'"{request.last_request_id}"'.encode() if request.last_request_id else b""
            with self._services.streams.reader(_key(user_id, query), user_id, build) as reader:
                while (left_s := caller.until_s - time.time()) > 0:
                    found = await _newest(reader, tag, min(left_s, LOOK_S))
                    if found is not None:
                        tag = found.etag
                        yield _message(found)
            raise Unauthenticated("the token has expired")

    async def Track(self, request: pb.TrackRequest, context: Context) -> pb.TrackResponse:  # noqa: N802
        """Events into the log; those of a batch that are wrong are named."""
        async with Call(self._services, "Track", context) as call:
            caller, services = await call.caller(INGEST), self._services
            events, rejected = check_events(
                [_event(event) for event in request.events],
                services.knowledge.tuning,
                stamp=services.settings.clock == "wall",
            )
            for user_id in {event.user_id for event in events}:
                caller.require_user(user_id)
            services.metrics.events["rejected"].add(len(rejected))
            if not events:
                raise InvalidEvent(rejected[0].field, rejected[0].reason)
            token = await services.events.append(events)
            services.metrics.events["accepted"].add(len(events))
            return pb.TrackResponse(
                accepted=len(events),
                rejected=[pb.RejectedEvent(**msgspec.to_builtins(event)) for event in rejected],
                token=token.encode(),
            )

    async def _applied(self, request: pb.RecommendRequest, context: Context) -> bool:
        """Wait for the events behind the request's token, no longer than its deadline allows."""
        wait_ms = request.wait_ms if request.HasField("wait_ms") else WAIT_MS
        if not 0 <= wait_ms <= WAIT_MS_MAX:
            raise InvalidRequest("wait_ms", f"expected a whole number from 0 to {WAIT_MS_MAX}")
        wait_s, left_s = wait_ms / 1e3, context.time_remaining()
        if left_s is not None:
            wait_s = max(0.0, min(wait_s, left_s - MARGIN_S))
        return await self._services.applied.wait(Token.decode(request.after), wait_s)

    async def _list(self, user_id: str, query: Query, context: Context) -> Answer:
        """From the cache or computed; the last known or a popular one where that fails."""
        services, key = self._services, _key(user_id, query)
        ready = services.cache.get(key)
        if ready is not None:
            services.metrics.cache["hit"].add()
            return ready
        route = "Recommend"
        try:
            return await services.fill(key, list_builder(services, user_id, query, route))
        except Unavailable:
            known = services.cache.last_known(key)
            if known is None:
                found, age_s = list_from_memory(services, user_id, query, route)
            else:
                found, age_s = known[0], int(known[1])
                services.metrics.fallbacks["last_known"].add()
            context.set_trailing_metadata(((AGE, str(age_s)),))
            return found


async def _newest(reader: Reader, known: bytes, wait_s: float) -> Answer | None:
    try:
        return await reader.newest(known, wait_s)
    except Closed:
        raise Unavailable("the process ends; come back") from None


def _key(user_id: str, query: Query) -> Key:
    """Of a list in the cache; no path of HTTP begins so."""
    return b"grpc", msgspec.msgpack.encode((user_id, query))


def _message(found: Answer, *, applied: bool | None = None) -> pb.Recommendations:
    return pb.Recommendations(**msgspec.json.decode(found.body), applied=applied)


def _query(selection: pb.Selection) -> Query:
    """What a list is asked for by, checked as the body of a request over HTTP."""
    try:
        return query_of(msgspec.convert(_plain(selection), BasketRequest))
    except ValidationError as error:
        invalid = invalid_event(error)
        raise InvalidRequest(invalid.field, invalid.reason) from None


def _plain(message: Message) -> dict[str, Any]:
    """The message as JSON has it: what is absent or empty is not there."""
    return MessageToDict(message, preserving_proto_field_name=True)


def _event(event: pb.Event) -> dict[str, Any]:
    fields = _plain(event)
    if "ts_ms" in fields:
        fields["ts"] = int(fields.pop("ts_ms"))  # JSON of protobuf has int64 as text
    return fields
