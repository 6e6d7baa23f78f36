"""Routes for those who run it: liveness, readiness, metrics."""

import asyncio
from collections.abc import Awaitable

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from api.answers import JSON, documented
from api.services import Services, services_of
from api.waiting import bounded
from schemas.responses import Health
from vane.errors import Unavailable

router = APIRouter(tags=["health"])

READY_TIMEOUT_S = 2.0
NEEDED = ("postgres", "kafka")
"""Without Redis answers are up to a time-out older, and otherwise right."""


@router.get("/livez", responses=documented(Health))
async def livez() -> Response:
    """Whether the process answers; depends on nothing else."""
    return Response(msgspec.json.encode(Health("ok", {})), media_type=JSON)


@router.get("/readyz", responses=documented(Health, 503))
async def readyz(request: Request) -> Response:
    """Whether all that is needed answers; names each dependency."""
    ready, found = await readiness(services_of(request))
    body = Health("ok" if ready else "unavailable", found)
    return Response(msgspec.json.encode(body), 200 if ready else 503, media_type=JSON)


async def readiness(services: Services) -> tuple[bool, dict[str, str]]:
    """Whether all that is needed answers, and "ok" or what is wrong for each dependency."""
    postgres, kafka = await asyncio.gather(
        _state(services.store.ping(), "PostgreSQL"), _state(services.events.ping(), "Kafka")
    )
    redis = "ok" if services.subscription.connected else "no subscription"
    found = {"postgres": postgres, "kafka": kafka, "redis": redis}
    if services.ending:
        return False, {**found, "process": "ends soon"}
    return all(found[name] == "ok" for name in NEEDED), found


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Prometheus' text format, or OpenMetrics with exemplars for a scraper that accepts it."""
    accept = request.headers.get("accept", "")
    text, media_type = services_of(request).metrics.numbers.exposed(accept)
    return Response(text, media_type=media_type)


async def _state(ping: Awaitable[None], who: str) -> str:
    try:
        await bounded(ping, READY_TIMEOUT_S, who)
    except Unavailable as error:
        return str(error)
    return "ok"
