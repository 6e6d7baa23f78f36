"""Routes for work that takes long: asked for through `admin-commands`, done by flow commands."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response

from api.answers import JSON, documented
from api.body import SMALL_BODY_BYTES_MAX, read_body
from api.params import path_id
from api.services import services_of
from schemas.events import AdminCommand
from schemas.responses import Commands, CommandStatus
from vane.client.topic import Keyed, TopicWriter
from vane.commands import arguments_of
from vane.errors import InvalidEvent, InvalidRequest, NotFound
from vane.settings import Settings
from vane.store.commands import list_commands, note_sent
from vane.store.connection import connect, translated

router = APIRouter(prefix="/v1/admin", tags=["admin"])

APPLICATION = "vane api commands"
TOPIC = "admin-commands"
LISTED_MAX = 1_000
COMMANDS = ("tune", "retrain", "rebuild")

_EXAMPLES: dict[str, dict[str, Any]] = {
    "tune": {"events": 50_000},
    "retrain": {},
    "rebuild": {"half_life_short": "3h"},
}
_SUMMARIES = {
    "tune": "Learn to rank from the log; activated only if better.",
    "retrain": "Fit the network of the ranking again; activated only if better.",
    "rebuild": "Compute vectors and trends again from the log; half-lives change here alone.",
}


def _add_route(command: str) -> None:
    body = {"required": False, "content": {JSON: {"example": _EXAMPLES[command]}}}

    async def post(request: Request) -> Response:
        return await _send(request, command)

    post.__doc__ = (
        f"{_SUMMARIES[command]}\n\nThe body has the options of `vane {command}`. 202 once it is in "
        f"`{TOPIC}`; `Location` tells what became of it."
    )
    router.add_api_route(
        f"/{command}",
        post,
        methods=["POST"],
        name=f"post_{command}",
        status_code=202,
        responses=documented(CommandStatus, 401, 403, 413, 422, 503, status=202),
        openapi_extra={"requestBody": body},
    )


for _command in COMMANDS:
    _add_route(_command)


@router.get("/commands", responses=documented(Commands, 401, 403, 422, 503))
async def get_commands(
    request: Request, limit: Annotated[int, Query(ge=1, le=LISTED_MAX)] = 100
) -> Response:
    """What operators asked for and what became of it, newest first."""
    found = await asyncio.to_thread(_read, services_of(request).settings, None, limit)
    return Response(msgspec.json.encode(Commands(found)), media_type=JSON)


@router.get(
    "/commands/{command_id:path}", responses=documented(CommandStatus, 401, 403, 404, 422, 503)
)
async def get_command(request: Request, command_id: Annotated[str, Path()]) -> Response:
    """What became of a command."""
    wanted = path_id("command_id", command_id)
    found = await asyncio.to_thread(_read, services_of(request).settings, wanted, 1)
    if not found:
        raise NotFound(f"no command {wanted!r}")
    return Response(msgspec.json.encode(found[0]), media_type=JSON)


async def _send(request: Request, name: str) -> Response:
    args = await _args(request)
    try:
        arguments_of(name, args)
    except InvalidEvent as error:
        raise InvalidRequest(error.field.removeprefix("args."), error.reason) from None
    now = datetime.now(UTC)
    command = AdminCommand(uuid.uuid4().hex, name, now, args)  # type: ignore[arg-type]
    await asyncio.to_thread(_produce, services_of(request).settings, command)
    status = CommandStatus(command.command_id, name, args, "sent", now)
    headers = {"Location": f"/v1/admin/commands/{quote(command.command_id)}"}
    return Response(msgspec.json.encode(status), 202, headers, JSON)


async def _args(request: Request) -> dict[str, Any]:
    raw = await read_body(request, SMALL_BODY_BYTES_MAX) or b"{}"
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise InvalidRequest("$", f"expected an object of options: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest("$", f"not JSON: {error}") from None


def _produce(settings: Settings, command: AdminCommand) -> None:
    writer = TopicWriter(settings.kafka_bootstrap, TOPIC, SMALL_BODY_BYTES_MAX)
    message = Keyed(command.command.encode(), msgspec.json.encode(command))
    for _ in writer.write([message]):
        pass
    with connect(settings, APPLICATION) as connection, translated():
        note_sent(connection, command)


def _read(settings: Settings, command_id: str | None, limit: int) -> list[CommandStatus]:
    with connect(settings, APPLICATION) as connection:
        return list_commands(connection, command_id, limit)
