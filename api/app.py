"""The HTTP API as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from itertools import chain
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import (
    admin,
    basket,
    commands,
    events,
    feed,
    health,
    impressions,
    items,
    keys,
    merge,
    neighbours,
    pictures,
    privacy,
    problems,
    search,
    sessions,
    stream,
    suggestions,
    tuning,
    users,
)
from api.access import allow_origins, guarded
from api.answers import DOCUMENTED, SCHEMA_REF
from api.callers import Callers
from api.examples import EXAMPLES
from api.front import Application, Front
from api.page import page_router
from api.services import open_services
from vane.meter import serve_metrics
from vane.settings import Settings

FILLED_IN = ("event_id", "ts")
"""Of an event that is posted; one on a topic must have them."""


def create_app(settings: Settings, metrics_port: int = 0) -> FastAPI:
    """The API; nothing connects before its start, and no server need answer at its start.

    Raises:
        SettingError: the settings of users' tokens do not go together.
    """
    callers = Callers(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, callers) as services:
            app.state.services = services
            if metrics_port:
                serve_metrics(services.metrics.numbers, settings.metrics_host, metrics_port)
            yield

    app = Application(
        title="Vane",
        version=version("vane"),
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
    )
    app.add_middleware(Front)
    if settings.cors_origins:
        allow_origins(app, settings.cors_origins)
    problems.install(app)
    for module in (
        users,
        neighbours,
        basket,
        feed,
        stream,
        items,
        search,
        suggestions,
        events,
        impressions,
        sessions,
        merge,
        privacy,
        admin,
        tuning,
        commands,
        keys,
        health,
        pictures,
    ):
        app.router.routes += module.router.routes
    app.router.routes += page_router().routes
    app.router.routes[:] = guarded(app.router.routes)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with the schemas of the msgspec types."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _, schemas = msgspec.json.schema_components(DOCUMENTED, ref_template=SCHEMA_REF)
        posted = schemas["InteractionEvent"]
        posted["required"] = [n for n in posted["required"] if n not in FILLED_IN]
        for name, example in EXAMPLES.items():
            schemas[name]["examples"] = [example]
        document.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
        for operation in chain.from_iterable(map(dict.values, document["paths"].values())):
            for parameter in operation.get("parameters", ()):
                _never_null(parameter)
        app.openapi_schema = document
    return app.openapi_schema


def _never_null(parameter: dict[str, Any]) -> None:
    """A parameter can be left out, and cannot be null, as FastAPI says of an optional one."""
    kinds = parameter["schema"].pop("anyOf", [])
    for kind in kinds:
        if kind != {"type": "null"}:
            parameter["schema"].update(kind)
