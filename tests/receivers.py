"""Where Vane sends traces and reports of errors: a real HTTP server that keeps what comes."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Spanned(NamedTuple):
    """A span as it was received; ids in hex, empty where there is no parent."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    span: Span


class Receiver:
    """An OTLP/HTTP receiver and a Sentry in one.

    Attributes:
        url: of the OTLP receiver.
        dsn: of the Sentry.
        bodies: everything that was received, unpacked.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.dsn = f"http://key@127.0.0.1:{port}/1"
        self.bodies: list[tuple[str, bytes]] = []

    def spans(self, trace_id: str) -> list[Spanned]:
        """The spans of a trace so far."""
        return [each for each in self._spans() if each.trace_id == trace_id]

    def reports(self) -> list[dict[str, Any]]:
        """What Sentry got: one event each."""
        envelopes = [body for path, body in list(self.bodies) if path == "/api/1/envelope/"]
        lines = [line for body in envelopes for line in body.splitlines() if line]
        read = [json.loads(line) for line in lines]
        return [line for line in read if "event_id" in line and "level" in line]

    def _spans(self) -> Iterator[Spanned]:
        for path, body in list(self.bodies):
            if path != "/v1/traces":
                continue
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                named = {each.key: each.value.string_value for each in resource.resource.attributes}
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                    yield Spanned(named["service.name"], span.name, *ids, span)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "gzip"
            receiver.bodies.append((self.path, gzip.decompress(body) if packed else body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
