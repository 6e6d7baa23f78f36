"""Sends spans over OTLP/HTTP: the only module that knows OpenTelemetry's SDK."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from vane.traces import TRACEPARENT, Attributes, Kind

SEND_S_MAX = 3.0
"""For one batch, and at the end of a process for all that waits."""
WAITING_MAX = 2_048
"""Spans; more are dropped, so that a receiver that hangs costs spans and nothing else."""
BATCH_SPANS = 512
PACE_MS = 1_000

_PROPAGATOR = TraceContextTextMapPropagator()


class Otlp:
    """A tracer of this process; what is sampled upstream is sampled here."""

    def __init__(self, endpoint: str, sample: float, process: str) -> None:
        resource = Resource.create(
            {
                "service.namespace": "vane",
                "service.name": f"vane-{process}",
                "service.version": version("vane"),
                "process.pid": os.getpid(),
            }
        )
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_S_MAX)
        self._batches = BatchSpanProcessor(
            exporter,
            max_queue_size=WAITING_MAX,
            max_export_batch_size=BATCH_SPANS,
            schedule_delay_millis=PACE_MS,
        )
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(sample)),
            resource=resource,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(self._batches)
        self._tracer = self._provider.get_tracer("vane")

    def start(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        attributes: Attributes,
        start_ns: int | None,
    ) -> Span:
        """A span that is open; its parent is the current one where none is named."""
        context = None if parent is None else _PROPAGATOR.extract({TRACEPARENT: parent}, Context())
        return self._tracer.start_span(
            name, context, SpanKind[kind.upper()], dict(attributes), start_time=start_ns
        )

    def failed(self, span: Span, reason: str) -> None:
        """Mark a span as one of a failure."""
        span.set_status(Status(StatusCode.ERROR, reason))

    @contextmanager
    def current(self, span: Span) -> Iterator[Span]:
        """Within, the span is the current one; an error that leaves the block marks it."""
        with use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except Exception as error:
                self.failed(span, type(error).__name__)
                raise

    def end(self) -> None:
        """Send what waits, a few seconds long at most."""
        self._batches.force_flush(round(SEND_S_MAX * 1_000))
        self._provider.shutdown()
