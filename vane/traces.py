"""Spans of a few messages' way, from HTTP to commit and push; none without VANE_OTLP_ENDPOINT.

Process-wide, as logging is: what starts a process calls `begin`, everything else opens spans, which
costs next to nothing while there are none. No id of a user, item or event is ever an attribute.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import urlsplit

from vane.errors import SettingError

if TYPE_CHECKING:
    from opentelemetry import trace

    Span = trace.Span

TRACEPARENT = "traceparent"
"""Header of W3C Trace Context: over HTTP, on Kafka and in hints alike."""

Kind = Literal["internal", "server", "producer", "consumer"]
Attributes = Mapping[str, str | int]
NONE: Attributes = MappingProxyType({})

_NOTHING: AbstractContextManager[None] = nullcontext()


class Tracing(Protocol):
    """What sends spans away: `vane.otlp`, which is imported only where it is wanted."""

    def start(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        attributes: Attributes,
        start_ns: int | None,
    ) -> "Span":
        """A span that is open; its parent is the current one where none is named."""

    def failed(self, span: "Span", reason: str) -> None:
        """Mark a span as one of a failure."""

    def current(self, span: "Span") -> AbstractContextManager["Span"]:
        """Within, the span is the current one of this thread or task."""

    def end(self) -> None:
        """Send what waits, a few seconds long at most."""


_tracing: Tracing | None = None


def begin(endpoint: str, sample: float, process: str) -> None:
    """Send spans from now on; does nothing without an endpoint.

    Args:
        endpoint: URL of an OTLP/HTTP receiver, such as http://alloy:4318; empty: none.
        sample: of the traces that begin here, the part that is kept, 0 to 1.
        process: one of `vane.metrics.PROCESSES`.

    Raises:
        SettingError: the endpoint is no URL.
    """
    global _tracing  # noqa: PLW0603 - one for a process
    end()
    if not endpoint:
        return
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingError("VANE_OTLP_ENDPOINT", endpoint, "a URL such as http://alloy:4318")
    _tracing = import_module("vane.otlp").Otlp(endpoint, sample, process)


def end() -> None:
    """Send what waits, then open no more spans."""
    global _tracing
    tracing, _tracing = _tracing, None
    if tracing is not None:
        tracing.end()


def enabled() -> bool:
    """Whether spans are wanted at all."""
    return _tracing is not None


def span(
    name: str, kind: Kind = "internal", parent: str | None = None, attributes: Attributes = NONE
) -> AbstractContextManager["Span | None"]:
    """A span around a block, the current one within; None where none are wanted.

    Args:
        name: what is done, never with an id.
        kind: as OpenTelemetry has it.
        parent: a `traceparent`; without one the current span, and where there is none, a new trace.
        attributes: of the span, named as OpenTelemetry's conventions have it.
    """
    return _NOTHING if _tracing is None else _opened(_tracing, name, kind, parent, attributes)


def stage(
    name: str, kind: Kind = "internal", attributes: Attributes = NONE
) -> AbstractContextManager["Span | None"]:
    """A span within the current one; None, and no new trace, where there is none."""
    if _tracing is None or _context() is None:
        return _NOTHING
    return _opened(_tracing, name, kind, None, attributes)


def lap(name: str, since_s: float, until_s: float) -> str | None:
    """A stage that is over, in seconds of `time.perf_counter`; `current_trace_id`."""
    if _tracing is None or (trace_id := current_trace_id()) is None:
        return None
    until_ns = time.time_ns() - round((time.perf_counter() - until_s) * 1e9)
    start_ns = until_ns - round((until_s - since_s) * 1e9)
    _tracing.start(name, "internal", None, NONE, start_ns).end(until_ns)
    return trace_id


def start(
    name: str,
    kind: Kind,
    parent: str | None = None,
    attributes: Attributes = NONE,
    start_ns: int | None = None,
) -> "Span | None":
    """A span that its owner ends; `start_ns` since 1970, None: now. None where none are wanted."""
    if _tracing is None:
        return None
    return _tracing.start(name, kind, parent, attributes, start_ns)


def using(span: "Span | None") -> AbstractContextManager["Span | None"]:
    """Within, the span is the current one."""
    return _NOTHING if _tracing is None or span is None else _tracing.current(span)


def failed(span: "Span", reason: str) -> None:
    """Mark a span as one of a failure; the reason names nobody."""
    if _tracing is not None:
        _tracing.failed(span, reason)


def is_sampled(traceparent: str) -> bool:
    """Whether its sender keeps this trace."""
    return len(traceparent) >= len("00-") + 32 + 1 + 16 + 3 and traceparent[-1] in "13579bdf"


def current_trace_id() -> str | None:
    """The trace of what this thread or task does now, 32 hex digits; None where it is not kept."""
    context = _context()
    return None if context is None else f"{context.trace_id:032x}"


def current_ids() -> tuple[str, str] | None:
    """`current_trace_id` with the span's id, 16 hex digits."""
    context = _context()
    return None if context is None else (f"{context.trace_id:032x}", f"{context.span_id:016x}")


def current_traceparent() -> str | None:
    """What a message carries so that its way goes on under the current span."""
    context = _context()
    return None if context is None else f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def headers() -> list[tuple[str, bytes]] | None:
    """What a Kafka message carries beside its value; None where its trace is not kept."""
    carried = current_traceparent()
    return None if carried is None else [(TRACEPARENT, carried.encode())]


def traceparent_of(span: "Span") -> str:
    """As `current_traceparent`, of this span."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


@contextmanager
def _opened(
    tracing: Tracing, name: str, kind: Kind, parent: str | None, attributes: Attributes
) -> Iterator["Span"]:
    opened = tracing.start(name, kind, parent, attributes, None)
    try:
        with tracing.current(opened):
            yield opened
    finally:
        opened.end()


def _context() -> "trace.SpanContext | None":
    """Of the current span where its trace is kept, also one that a client's own program opened."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    context: trace.SpanContext = api.get_current_span().get_span_context()
    return context if context.is_valid and context.trace_flags.sampled else None
