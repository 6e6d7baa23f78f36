"""Routes for the settings that operators change while everything runs."""

import asyncio
import re
import time
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from api.answers import JSON, documented
from api.body import SMALL_BODY_BYTES_MAX, read_body
from api.services import services_of
from schemas.events import SettingsHint
from schemas.responses import SettingsHistory, TuningSettings
from vane.bus import SETTINGS
from vane.errors import InvalidRequest
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.tuning import change_tuning, read_tuning, tuning_history
from vane.tuning_change import changed, describe

router = APIRouter(prefix="/v1/admin", tags=["admin"])

APPLICATION = "vane api settings"
HISTORY_MAX = 1_000

_TAG = re.compile(r'"(\d{1,18})"')
_EXAMPLE = {"action_weights": {"share": 6}, "diversity.author_share": 0.3}
_BODY = {"requestBody": {"required": True, "content": {JSON: {"example": _EXAMPLE}}}}


@router.get("/settings", responses=documented(TuningSettings, 401, 403, 503))
async def get_settings(request: Request) -> Response:
    """Every setting with value, default, meaning and what is allowed; the version is the `ETag`."""
    return _answer(await asyncio.to_thread(_read, services_of(request).settings))


@router.put(
    "/settings",
    responses=documented(TuningSettings, 401, 403, 409, 412, 413, 422, 503),
    openapi_extra=_BODY,
)
async def put_settings(request: Request) -> Response:
    """Change the settings that the body names; the others stay. API and flows follow at once.

    With `If-Match` only the version that it names is changed, else 412. All that is wrong is named,
    and nothing is changed then. Half-lives change through a rebuild alone: 409.
    """
    services = services_of(request)
    change, version = await _change(request), _version(request.headers.get("if-match"))
    body = await asyncio.to_thread(_write, services.settings, change, version)
    await services.knowledge.refresh()
    hint = SettingsHint("settings", time.time())
    services.take_hint(hint)
    await asyncio.to_thread(services.publisher.publish, SETTINGS, hint)
    return _answer(body)


@router.get("/settings/history", responses=documented(SettingsHistory, 401, 403, 422, 503))
async def get_history(
    request: Request, limit: Annotated[int, Query(ge=1, le=HISTORY_MAX)] = 100
) -> Response:
    """What the settings were, the newest version first; empty before the first change."""
    body = await asyncio.to_thread(_history, services_of(request).settings, limit)
    return Response(msgspec.json.encode(body), media_type=JSON)


def _answer(body: TuningSettings) -> Response:
    return Response(msgspec.json.encode(body), 200, {"ETag": f'"{body.version}"'}, JSON)


async def _change(request: Request) -> dict[str, Any]:
    raw = await read_body(request, SMALL_BODY_BYTES_MAX)
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise InvalidRequest("$", f"expected an object of settings: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest("$", f"not JSON: {error}") from None


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    match = _TAG.fullmatch(if_match.strip())
    if match is None:
        raise InvalidRequest("If-Match", 'expected the ETag of the settings, such as "7"')
    return int(match[1])


def _read(settings: Settings) -> TuningSettings:
    with connect(settings, APPLICATION) as connection:
        tuning, version = read_tuning(connection)
    return TuningSettings(version, describe(tuning))


def _write(settings: Settings, change: dict[str, Any], version: int | None) -> TuningSettings:
    with connect(settings, APPLICATION) as connection:
        wanted = partial(changed, change=change)
        change_tuning(connection, wanted, by="api", version=version)
        tuning, now = read_tuning(connection)
    return TuningSettings(now, describe(tuning))


def _history(settings: Settings, limit: int) -> SettingsHistory:
    with connect(settings, APPLICATION) as connection:
        return SettingsHistory(tuning_history(connection, limit))
