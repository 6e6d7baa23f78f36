"""Route that joins an anonymous visitor to an account, when the visitor has logged in."""

import asyncio
import time

import msgspec
from fastapi import APIRouter, Request, Response

from api.answers import JSON, SCHEMA_REF, documented
from api.body import read_object
from api.params import UserId, checked_text
from api.services import services_of
from schemas.events import PreferenceHint
from schemas.requests import MergeRequest
from schemas.responses import MergedUser
from vane.bus import PREFERENCES
from vane.merge import merge_users
from vane.rebuild import Changes
from vane.settings import Settings
from vane.store.connection import connect

router = APIRouter(tags=["sessions"])

_BODY = {"$ref": SCHEMA_REF.format(name="MergeRequest")}


@router.post(
    "/v1/users/{user_id:path}/merge",
    responses=documented(MergedUser, 401, 403, 413, 422, 503),
    openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": _BODY}}}},
)
async def post_merge(request: Request, user_id: UserId) -> Response:
    """Give a user what an anonymous visitor did, once; call it when the visitor has logged in.

    Events under the visitor's id that come later count for the user, too. The same merge again
    changes nothing. 422 where the visitor was merged into somebody else or has an account. Where
    access is by keys, both must agree: the user by its token or a key with scope ingest, the
    visitor by `visitor_token`, as there is no way back.
    """
    wanted = await read_object(request, MergeRequest)
    visitor = checked_text("visitor", wanted.visitor)
    services = services_of(request)
    services.callers.require_consent(visitor, wanted.visitor_token or "")
    changes = await asyncio.to_thread(_merge, services.settings, visitor, user_id)
    hint = PreferenceHint(changes, 0, 0, 0, time.time())
    services.take_hint(hint)
    await asyncio.to_thread(services.publisher.publish, PREFERENCES, hint)
    _, (_, version) = changes
    return Response(msgspec.json.encode(MergedUser(user_id, version)), media_type=JSON)


def _merge(settings: Settings, visitor: str, account: str) -> Changes:
    with connect(settings, "vane api merge") as connection:
        return merge_users(connection, visitor, account)
