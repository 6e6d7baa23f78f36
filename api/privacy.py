"""Routes for what a user may ask for: everything that is stored, and that it goes."""

import asyncio
import time
from collections.abc import Iterator

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from api.answers import JSON, documented
from api.params import UserId
from api.recommend import profile
from api.services import services_of
from schemas.events import PreferenceHint
from schemas.responses import ErasedUser, UserExport
from vane.bus import PREFERENCES
from vane.erase import erase_user
from vane.export import export_user

router = APIRouter(tags=["users"])


@router.get("/v1/users/{user_id:path}/export", responses=documented(UserExport, 401, 403, 422, 503))
async def get_export(request: Request, user_id: UserId) -> Response:
    """Everything that is stored of a user, in one document; it may be long and is streamed."""
    services = services_of(request)
    half_life_s = services.knowledge.tuning.half_life_long_s
    known = await profile(services.store, user_id, half_life_s)
    pieces = export_user(services.settings, user_id, known)
    first = await asyncio.to_thread(next, pieces)  # what is wrong shows before anything is sent
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(_with(first, pieces), 200, headers, JSON)


# No slash as it stands: DELETE …/USER/profile must not erase the user "USER/profile".
@router.delete("/v1/users/{user_id}", responses=documented(ErasedUser, 401, 403, 422, 503))
async def delete_user(request: Request, user_id: UserId) -> Response:
    """Erase a user with all visitors merged into it: state, events, account.

    Events that were sent before count for nobody any more, whenever they are read; later ones begin
    a new user of that name. Once more changes nothing. 422 where the user was merged into another.
    """
    services = services_of(request)
    erased = await asyncio.to_thread(erase_user, services.settings, user_id)
    hint = PreferenceHint(erased.changes, 0, 0, 0, time.time(), erased=True)
    services.take_hint(hint)
    await asyncio.to_thread(services.publisher.publish, PREFERENCES, hint)
    return Response(msgspec.json.encode(erased.of(user_id)), media_type=JSON)


def _with(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces
