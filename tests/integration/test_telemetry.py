"""A whole Vane that tells what it does: logs, traces and reports of errors, none with an id."""

import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.receivers import Receiver, Spanned, receiving
from tests.running import VANE, RunningUp, wait_until
from vane.client.topic import Keyed, TopicWriter
from vane.metrics import PARTS

SECRET = f"secret-{uuid.uuid4().hex[:12]}"
"""In every id that is sent."""
PARENT = "00f067aa0ba902b7"


@dataclass
class Observed:
    """A running Vane, and where its traces and reports go."""

    up: RunningUp
    received: Receiver

    @property
    def api(self) -> str:
        return self.up.endpoints.api

    def post(self, user: str, **headers: str) -> int:
        body = {"user_id": user, "item_id": f"{SECRET}-item", "action": "view"}
        return httpx.post(f"{self.api}/v1/events", json=body, headers=headers).status_code

    def lists(self, user: str, **headers: str) -> int:
        path = f"{self.api}/v1/users/{user}/recommendations?category={SECRET}"
        return httpx.get(path, headers=headers, timeout=20).status_code

    def lines(self, process: str) -> list[str]:
        return (self.up.data_dir / "logs" / f"{process}.log").read_text().splitlines()


@pytest.fixture(scope="module")
def observed() -> Iterator[Observed]:
    with receiving() as received:
        environ = {
            "VANE_LOG_FORMAT": "json",
            "VANE_OTLP_ENDPOINT": received.url,
            "VANE_TRACE_SAMPLE": "0",
            "VANE_SENTRY_DSN": received.dsn,
            "VANE_SEARCH_MEANING": "off",
        }
        with RunningUp("--no-demo", "--flows", "interactions", environ=environ) as up:
            up.wait_ready()
            yield Observed(up, received)
            assert up.stop() == 0, up.output()


def traceparent(trace_id: str, flags: str = "01") -> str:
    return f"00-{trace_id}-{PARENT}-{flags}"


@contextmanager
def watching(observed: Observed, user: str) -> Iterator[list[str]]:
    """The ids of the lists that are pushed to a user's stream."""
    pushed: list[str] = []

    thread = threading.Thread(target=_collect, args=(observed, user, pushed), daemon=True)
    thread.start()
    wait_until(lambda: pushed, 20, "no first list")
    yield pushed


def _collect(observed: Observed, user: str, pushed: list[str]) -> None:
    path = f"{observed.api}/v1/users/{user}/recommendations/stream"
    try:
        with httpx.stream("GET", path, timeout=60) as answer:
            pushed.extend(line for line in answer.iter_lines() if line.startswith("id:"))
    except httpx.HTTPError:
        pass  # Vane has stopped


def spans_with(observed: Observed, trace_id: str, *names: str) -> dict[str, Spanned]:
    """The newest span of each name, once all these names are there."""

    def found() -> dict[str, Spanned]:
        return {each.name: each for each in observed.received.spans(trace_id)}

    wait_until(lambda: set(names) <= found().keys(), 20, f"no spans {names} in {trace_id}")
    return found()


def assert_tree(spans: dict[str, Spanned]) -> None:
    """Each span is within another one of the trace, or under the caller's."""
    known = {each.span_id for each in spans.values()} | {PARENT}
    for each in spans.values():
        assert each.parent_id in known, each.name
        assert each.span.end_time_unix_nano >= each.span.start_time_unix_nano


def test_one_trace_goes_from_the_request_to_the_commit_and_the_push(observed: Observed) -> None:
    user, trace_id = f"{SECRET}-watched", uuid.uuid4().hex
    with watching(observed, user):
        assert observed.post(user, traceparent=traceparent(trace_id)) == 202
        parts = set(PARTS["interactions"]) - {"wait"}
        ways = {"POST /v1/events", "send user-interactions", "process interactions", "push"}
        spans = spans_with(observed, trace_id, *ways, *parts, "publish vane:preferences")
    assert_tree(spans)
    services = {name: spans[name].service for name in ways}
    assert services.pop("process interactions") == "vane-interactions"
    assert set(services.values()) == {"vane-api"}
    assert spans["process interactions"].parent_id == spans["send user-interactions"].span_id
    assert spans["push"].parent_id == spans["process interactions"].span_id
    assert {spans[part].parent_id for part in parts} == {spans["process interactions"].span_id}
    sent = b"".join(body for path, body in observed.received.bodies if path == "/v1/traces")
    assert trace_id in {each.trace_id for each in observed.received.spans(trace_id)}
    assert SECRET.encode() not in sent


def test_the_stages_of_a_list_are_spans(observed: Observed) -> None:
    trace_id = uuid.uuid4().hex
    assert observed.lists(f"{SECRET}-asking", traceparent=traceparent(trace_id)) == 200
    route = "GET /v1/users/{user_id:path}/recommendations"
    spans = spans_with(observed, trace_id, route, "user", "candidates", "ranking", "encoding")
    assert_tree(spans)
    assert spans[route].span.status.code != Status.STATUS_CODE_ERROR


def test_what_is_not_sampled_upstream_is_not_traced(observed: Observed) -> None:
    left_out, kept = uuid.uuid4().hex, uuid.uuid4().hex
    assert observed.post(f"{SECRET}-quiet", traceparent=traceparent(left_out, "00")) == 202
    assert observed.post(f"{SECRET}-loud", traceparent=traceparent(kept)) == 202
    spans_with(observed, kept, "process interactions")
    assert observed.received.spans(left_out) == []


def test_a_producer_of_others_may_set_the_header(observed: Observed) -> None:
    from opentelemetry import trace  # noqa: PLC0415 - as a program does that has spans of its own

    trace_id = uuid.uuid4().hex
    context = trace.SpanContext(int(trace_id, 16), int(PARENT, 16), True, trace.TraceFlags(1))  # noqa: FBT003
    event = {"event_id": f"{SECRET}-p", "user_id": SECRET, "item_id": SECRET, "action": "view"}
    writer = TopicWriter(observed.up.endpoints.kafka, "user-interactions", 1 << 20)
    with trace.use_span(trace.NonRecordingSpan(context)):
        writer.send([Keyed(SECRET.encode(), json.dumps(event | {"ts": time.time()}).encode())])
    list(writer.flush())
    spans = spans_with(observed, trace_id, "process interactions")
    assert spans["process interactions"].parent_id == PARENT


def test_logs_under_load_are_json_and_name_nobody(observed: Observed) -> None:
    writer = TopicWriter(observed.up.endpoints.kafka, "user-interactions", 1 << 20)
    good = {"user_id": f"{SECRET}-u", "item_id": f"{SECRET}-i", "action": "view"}
    bad = ["{", json.dumps({"user_id": SECRET}), json.dumps({**good, "action": SECRET})]
    fail_postgres(observed)
    for number in range(600):
        event = {**good, "event_id": f"{SECRET}-{number}", "ts": time.time()}
        value = bad[number % 3] if number % 5 == 0 else json.dumps(event)
        writer.send([Keyed(SECRET.encode(), value.encode())])
    list(writer.flush())
    trace_id = uuid.uuid4().hex
    for number in range(20):
        user = f"{SECRET}-{number}"
        httpx.get(f"{observed.api}/v1/users/{user}/nothing/{SECRET}")
        observed.lists(user, traceparent=traceparent(trace_id))
    wait_until(lambda: dead_letters(observed) >= 100, 60, "the flow does not come back")
    for process in ("api", "interactions", "monitor"):
        lines = observed.lines(process)
        assert SECRET not in "\n".join(lines)
        for line in lines:
            told = json.loads(line)
            assert {"time", "level", "process", "logger", "message"} <= told.keys(), line
            assert told["process"] == process
    told = [json.loads(line) for line in observed.lines("interactions")]
    assert "warning" in {line["level"] for line in told}, told


def fail_postgres(observed: Observed) -> None:
    """PostgreSQL ends without warning, and is started again by `vane up`."""
    pid = (observed.up.data_dir / "postgres" / "postmaster.pid").read_text().split()[0]
    os.kill(int(pid), signal.SIGQUIT)


def dead_letters(observed: Observed) -> int:
    try:
        with psycopg.connect(observed.up.endpoints.postgres) as connection:
            found = connection.execute("select count(*) from dead_letter").fetchone()
    except psycopg.OperationalError:
        return 0
    return int(found[0]) if found else 0


def test_an_error_in_flow_and_api_is_reported_without_ids(observed: Observed) -> None:
    before = len(observed.received.reports())
    with psycopg.connect(observed.up.endpoints.postgres, autocommit=True) as connection:
        connection.execute("alter table user_preference rename to user_preference_away")
        try:
            assert observed.lists(f"{SECRET}-broken") == 500
            assert observed.post(f"{SECRET}-broken") == 202
            wait_until(
                lambda: {"api", "interactions"} <= processes(observed, before), 60, "no reports"
            )
        finally:
            connection.execute("alter table user_preference_away rename to user_preference")
    for report in observed.received.reports()[before:]:
        said = json.dumps(report)
        assert SECRET not in said
        assert not {"vars", "request", "user", "breadcrumbs"} & set(keys_of(report))
        assert "UndefinedTable" in said
        assert any(each["stacktrace"]["frames"] for each in report["exception"]["values"])
    assert SECRET not in "\n".join(observed.lines("api") + observed.lines("interactions"))
    wait_until(lambda: observed.post(f"{SECRET}-mended") == 202, 60)


def processes(observed: Observed, before: int) -> set[str]:
    return {each["tags"]["process"] for each in observed.received.reports()[before:]}


def keys_of(value: Any) -> Iterator[str]:
    """Every key at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def test_a_wrong_address_stops_the_start() -> None:
    environ = {**os.environ, "VANE_LOG_FORMAT": "json", "VANE_SENTRY_DSN": "https://sentry.example"}
    environ |= {"VANE_KAFKA_BOOTSTRAP": "x:1", "VANE_DATABASE_URL": "x", "VANE_REDIS_URL": "x"}
    command = [*VANE, "monitor", "--metrics-port", "1"]
    done = subprocess.run(command, env=environ, capture_output=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert (told["level"], told["process"]) == ("error", "monitor")
    for part in ("VANE_SENTRY_DSN", "'https://sentry.example'", "https://KEY@HOST/PROJECT"):
        assert part in told["message"]
