"""The span of a request: its route and its outcome, never its path, which names users and items."""

from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.types import Scope

from vane import traces
from vane.api_metrics import METHODS
from vane.meter import OTHER

if TYPE_CHECKING:
    from vane.traces import Span

TRACED = (b"/v1/", b"/recommend/")
STREAM = b"/stream"
"""Ends a path whose request goes on for hours: its pushes have spans instead."""


def request_span(scope: Scope) -> "AbstractContextManager[Span | None]":
    """The span of a request, under the caller's; None where none are wanted."""
    path: bytes = scope["raw_path"]
    if not traces.enabled() or not path.startswith(TRACED) or path.endswith(STREAM):
        return nullcontext()
    name = traces.TRACEPARENT.encode()
    parents = (value for header, value in scope["headers"] if header == name)
    parent = next(parents, b"").decode("latin-1") or None
    return traces.span(_method(scope), "server", parent)


def told(span: "Span | None", scope: Scope, route: str, status: int) -> None:
    """Name the span of a request that is over."""
    if span is None:
        return
    method = _method(scope)
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {"http.request.method": method, "http.route": route, "http.response.status_code": status}
    )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        traces.failed(span, f"HTTP {status}")


def _method(scope: Scope) -> str:
    """Clients may send any method."""
    return scope["method"] if scope["method"] in METHODS else OTHER
