"""Route that takes events."""

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec.structs import replace

from api.access import caller_of
from api.answers import JSON, SCHEMA_REF, documented
from api.body import read_body
from api.ingest import BODY_BYTES_MAX, parse_events
from api.problems import problem, problem_response
from api.services import services_of
from schemas.responses import AcceptedEvents, FieldError

router = APIRouter(tags=["events"])

_EVENT = {"$ref": SCHEMA_REF.format(name="InteractionEvent")}
_BATCH = {"type": "object", "properties": {"events": {"type": "array", "items": _EVENT}}}


@router.post(
    "/v1/events",
    status_code=202,
    responses=documented(AcceptedEvents, 401, 403, 413, 422, 503, status=202),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"anyOf": [_EVENT, _BATCH]}}},
        }
    },
)
async def post_events(request: Request) -> Response:
    """One event, or `{"events": [...]}`; `event_id` and `ts` are filled in where absent.

    202 after the broker's acknowledgement, also where some of a batch are rejected. The token is
    for `after=` of recommendations.
    """
    services = services_of(request)
    stamp = services.settings.clock == "wall"
    events, rejected = parse_events(
        await read_body(request, BODY_BYTES_MAX), services.knowledge.tuning, stamp=stamp
    )
    for user_id in {event.user_id for event in events}:
        caller_of(request).require_user(user_id)
    services.metrics.events["rejected"].add(len(rejected))
    if not events:
        errors = [FieldError(event.field, event.reason) for event in rejected]
        detail = f"{errors[0].field}: {errors[0].reason}"
        return problem_response(
            replace(problem(422, detail, *errors), accepted=0, rejected=rejected)
        )
    token = await services.events.append(events)
    services.metrics.events["accepted"].add(len(events))
    body = AcceptedEvents(len(events), rejected, token.encode())
    return Response(msgspec.json.encode(body), 202, media_type=JSON)
