"""Route that takes what users saw."""

import msgspec
from fastapi import APIRouter, Request, Response

from api.access import caller_of
from api.answers import JSON, SCHEMA_REF, documented
from api.body import read_object
from api.params import checked_text
from api.services import services_of
from schemas.requests import SeenList
from schemas.responses import AcceptedImpressions

router = APIRouter(tags=["events"])

_BODY = {"$ref": SCHEMA_REF.format(name="SeenList")}


@router.post(
    "/v1/impressions",
    status_code=202,
    responses=documented(AcceptedImpressions, 401, 403, 413, 422, 503, status=202),
    openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": _BODY}}}},
)
async def post_impressions(request: Request) -> Response:
    """What a user saw of a list: items that were on the screen, with their places.

    202 after the broker's acknowledgement. It goes to the topic `recommendation-log` and moves no
    taste.
    """
    seen = await read_object(request, SeenList)
    user_id = checked_text("user_id", seen.user_id)
    checked_text("request_id", seen.request_id)
    for place, item in enumerate(seen.items):
        checked_text(f"items[{place}].item_id", item.item_id)
    caller_of(request).require_user(user_id)
    services = services_of(request)
    await services.lists.seen([seen])
    services.metrics.lists["seen"].add()
    return Response(msgspec.json.encode(AcceptedImpressions(len(seen.items))), 202, media_type=JSON)
