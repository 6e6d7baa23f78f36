"""Routes of the API's own keys; `vane keys` does the same from a shell."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Path, Request, Response

from api.answers import JSON, SCHEMA_REF, documented
from api.body import read_object
from api.params import checked_text
from api.services import Services, services_of
from schemas.events import SettingsHint
from schemas.requests import KEY_NAME_MAX, KeyRequest, RotationRequest
from schemas.responses import ApiKey, ApiKeys, NewApiKey
from vane.bus import SETTINGS
from vane.store.connection import Connection, connect
from vane.store.keys import create_key, list_keys, revoke_key, rotate_key

router = APIRouter(prefix="/v1/admin/keys", tags=["admin"])

NO_STORE = {"Cache-Control": "no-store"}
"""A secret must lie in no cache."""

KeyId = Annotated[int, Path(ge=1, le=(1 << 63) - 1)]
Result = TypeVar("Result")


def _body(name: str) -> dict[str, object]:
    schema = {"$ref": SCHEMA_REF.format(name=name)}
    return {"requestBody": {"content": {JSON: {"schema": schema}}}}


@router.get("", responses=documented(ApiKeys, 401, 403, 503))
async def get_keys(request: Request) -> Response:
    """All keys that were ever made, without their secrets."""
    keys = ApiKeys(await _stored(services_of(request), list_keys))
    return Response(msgspec.json.encode(keys), media_type=JSON)


@router.post(
    "",
    status_code=201,
    responses=documented(NewApiKey, 401, 403, 413, 422, 503, status=201),
    openapi_extra=_body("KeyRequest"),
)
async def post_key(request: Request) -> Response:
    """Make a key; its secret is in this answer and nowhere else."""
    wanted = await read_object(request, KeyRequest)
    checked_text("name", wanted.name, KEY_NAME_MAX)
    lifetime = None if wanted.expires_in_days is None else timedelta(days=wanted.expires_in_days)
    return await _made(
        request, lambda opened: create_key(opened, wanted.name, wanted.scopes, lifetime)
    )


@router.post(
    "/{key_id}/rotate",
    status_code=201,
    responses=documented(NewApiKey, 401, 403, 404, 413, 422, 503, status=201),
    openapi_extra=_body("RotationRequest"),
)
async def post_rotation(request: Request, key_id: KeyId) -> Response:
    """Make the successor of a key; the old one is accepted beside it for the minutes of grace."""
    grace = timedelta(minutes=(await read_object(request, RotationRequest)).grace_minutes)
    return await _made(request, lambda opened: rotate_key(opened, key_id, grace))


@router.delete("/{key_id}", responses=documented(ApiKey, 401, 403, 404, 422, 503))
async def delete_key(request: Request, key_id: KeyId) -> Response:
    """End a key at once; once more changes nothing."""
    services = services_of(request)
    ended = await _stored(services, lambda opened: revoke_key(opened, key_id))
    await _tell(services)
    return Response(msgspec.json.encode(ended), media_type=JSON)


async def _made(request: Request, make: Callable[[Connection], NewApiKey]) -> Response:
    services = services_of(request)
    made = await _stored(services, make)
    await _tell(services)
    return Response(msgspec.json.encode(made), 201, NO_STORE, JSON)


async def _stored(services: Services, work: Callable[[Connection], Result]) -> Result:
    def run() -> Result:
        with connect(services.settings, "vane api keys") as connection:
            return work(connection)

    return await asyncio.to_thread(run)


async def _tell(services: Services) -> None:
    """This process knows at once, the others by a hint."""
    await services.callers.refresh(services.store)
    await asyncio.to_thread(services.publisher.publish, SETTINGS, SettingsHint("keys", time.time()))
