"""Routes for operators; `api.front` lets only the admin key pass."""

import msgspec
from fastapi import APIRouter, Request, Response

from api.answers import JSON, documented
from api.services import services_of
from schemas.responses import Status
from vane.store.status import read_status

router = APIRouter(prefix="/v1/admin", tags=["admin"])


@router.get("/status", responses=documented(Status, 401, 403, 503))
async def get_status(request: Request) -> Response:
    """How far each flow is, and what waits."""
    status = await read_status(services_of(request).store)
    return Response(msgspec.json.encode(status), media_type=JSON)
