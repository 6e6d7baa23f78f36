import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from google.protobuf.json_format import MessageToDict
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from api.grpc_calls import PROBLEM, SERVICE
from api.grpc_server import serve_services
from schemas import recommender_pb2 as pb
from schemas import responses
from schemas.events import PreferenceHint
from schemas.recommender_pb2_grpc import RecommenderStub
from tests.api.conftest import Api, running, wait_until
from tests.api.seed import Seed
from vane.bus import PREFERENCES
from vane.embedded.broker import free_port
from vane.settings import Settings
from vane.store.keys import create_key

EVENT: dict[str, Any] = {"user_id": "ada", "item_id": "cars-1", "action": "view"}


@dataclass
class Rpc:
    """A gRPC server on the services of a running API, and a client."""

    api: Api
    channel: grpc.Channel
    stub: Any

    def refused(
        self, call: Any, request: Any, **options: Any
    ) -> tuple[grpc.StatusCode, pb.Problem]:
        """Code and problem of a call that must fail."""
        with pytest.raises(grpc.RpcError) as failed:
            call(request, timeout=5, **options)
        trailing: dict[str, Any] = dict(failed.value.trailing_metadata())  # type: ignore[arg-type]
        return failed.value.code(), pb.Problem.FromString(trailing.get(PROBLEM, b""))


@contextmanager
def serving(api: Api, credentials: grpc.ChannelCredentials | None = None) -> Iterator[Rpc]:
    """gRPC on the services of a running API until the end of the block."""
    address, stop = f"localhost:{free_port()}", asyncio.Event()
    work = asyncio.run_coroutine_threadsafe(
        serve_services(api.services, address, lambda: None, stop), api.loop
    )
    if credentials is None:
        opened = grpc.insecure_channel(address)
    else:
        opened = grpc.secure_channel(address, credentials)
    with opened as channel:
        grpc.channel_ready_future(channel).result(10)
        yield Rpc(api, channel, RecommenderStub(channel))
    api.loop.call_soon_threadsafe(stop.set)
    work.result(10)


@pytest.fixture
def rpc(api: Api) -> Iterator[Rpc]:
    with serving(api) as started:
        yield started


def over_http(api: Api, path: str) -> dict[str, Any]:
    """The answer as a message says it: without what is null."""
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    return {**answer.json(), "items": [without_null(item) for item in answer.json()["items"]]}


def without_null(value: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in value.items() if part not in (None, [])}


def plain(message: pb.Recommendations) -> dict[str, Any]:
    found = MessageToDict(message, preserving_proto_field_name=True)
    found["version"] = int(found.get("version", 0))  # JSON of protobuf: int64 is text
    return {"items": [], **found}


def test_messages_have_the_fields_of_the_http_answers() -> None:
    for message, body, more in (
        (pb.Recommendations, responses.Recommendations, {"applied"}),
        (pb.ListedItem, responses.ListedItem, set()),
        (pb.Reason, responses.Reason, set()),
        (pb.RejectedEvent, responses.RejectedEvent, set()),
        (pb.TrackResponse, responses.AcceptedEvents, set()),
    ):
        names = {spec.name for spec in msgspec.structs.fields(body)}
        assert set(message.DESCRIPTOR.fields_by_name) == names | more


QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("limit=4", {"limit": 4}),
    ("", {}),
    ("limit=5&explain=true", {"limit": 5, "explain": True}),
    ("limit=5&exclude_seen=false", {"limit": 5, "exclude_seen": False}),
    ("limit=5&category=films", {"limit": 5, "category": ["films"]}),
    ("limit=5&kind=car&kind=x", {"limit": 5, "kind": ["car", "x"]}),
    (
        "price_max=4&exclude=cars-9&boost=category:films:2",
        {
            "price_max": 4,
            "exclude": ["cars-9"],
            "boosts": [{"field": "category", "value": "films", "factor": 2}],
        },
    ),
]


def test_grpc_gives_the_lists_of_http(rpc: Rpc, seed: Seed) -> None:
    cars = seed.items(20, kind="car", price=3.5, url="https://shop/1")
    seed.items(20, "films", seed=1)
    seed.user("ada", cars[:3])
    rpc.api.sync()
    for query, options in QUERIES:
        for user in ("ada", "nobody"):
            request = pb.RecommendRequest(user_id=user, selection=options)
            found = rpc.stub.Recommend(request, timeout=5)
            http = over_http(rpc.api, f"/v1/users/{user}/recommendations?{query}")
            assert plain(found) == http
            assert rpc.stub.Recommend(request, timeout=5) == found
    assert rpc.api.services.metrics.cache["hit"].value >= len(QUERIES)


def test_a_hint_drops_the_ready_answer(rpc: Rpc, seed: Seed) -> None:
    cars = seed.items(20)
    seed.user("ada", cars[:3])
    rpc.api.sync()
    request = pb.RecommendRequest(user_id="ada")
    assert rpc.stub.Recommend(request, timeout=5).version == 1
    version = seed.bump("ada")
    rpc.api.hint(PREFERENCES, PreferenceHint([("ada", version)], 1, 0, 9, 0.0))
    assert rpc.stub.Recommend(request, timeout=5).version == version


BAD_REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"user_id": ""}, "user_id"),
    ({"user_id": "x" * 129}, "user_id"),
    ({"user_id": "a\0b"}, "user_id"),
    ({"selection": {"limit": 0}}, "limit"),
    ({"selection": {"limit": 101}}, "limit"),
    ({"selection": {"category": ["x" * 257]}}, "category[0]"),
    ({"selection": {"kind": ["a\nb"]}}, "kind"),
    ({"selection": {"price_min": float("nan")}}, "price_min"),
    (
        {"selection": {"boosts": [{"field": "kind", "value": "x", "factor": 99}]}},
        "boosts[0].factor",
    ),
    ({"after": "no token"}, "after"),
    ({"after": "MS4wLTE", "wait_ms": 10_001}, "wait_ms"),
]


def test_a_bad_request_is_refused_by_its_field(rpc: Rpc) -> None:
    for options, field in BAD_REQUESTS:
        request = pb.RecommendRequest(**{"user_id": "ada", **options})
        code, problem = rpc.refused(rpc.stub.Recommend, request)
        assert (code, problem.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
        assert problem.detail == f"{field}: {problem.reason}"


def test_a_stream_gives_the_list_at_once_and_after_an_event(rpc: Rpc, seed: Seed) -> None:
    cars = seed.items(20)
    seed.user("ada", cars[:3])
    rpc.api.sync()
    request = pb.StreamRecommendationsRequest(user_id="ada", selection={"limit": 4})
    stream = rpc.stub.StreamRecommendations(request, timeout=20)
    first = next(stream)
    selection = pb.Selection(limit=4)
    recommend = pb.RecommendRequest(user_id="ada", selection=selection)
    assert first == rpc.stub.Recommend(recommend, timeout=5)
    version = seed.bump("ada")
    rpc.api.hint(PREFERENCES, PreferenceHint([("ada", version)], 1, 0, 9, 0.0))
    assert next(stream).version == version
    stream.cancel()


def test_a_stream_does_not_send_what_the_caller_has(rpc: Rpc, seed: Seed) -> None:
    cars = seed.items(20)
    seed.user("ada", cars[:3])
    rpc.api.sync()
    known = rpc.stub.Recommend(pb.RecommendRequest(user_id="ada"), timeout=5).request_id
    request = pb.StreamRecommendationsRequest(user_id="ada", last_request_id=known)
    with pytest.raises(grpc.RpcError) as ended:
        next(rpc.stub.StreamRecommendations(request, timeout=0.5))
    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: rpc.api.services.streams.readers == 0)


def test_events_are_taken_and_bad_ones_named(rpc: Rpc) -> None:
    events = [pb.Event(**EVENT), pb.Event(**EVENT | {"action": "dance"})]
    answer = rpc.stub.Track(pb.TrackRequest(events=events), timeout=5)
    assert (answer.accepted, [(bad.index, bad.field) for bad in answer.rejected]) == (
        1,
        [(1, "action")],
    )
    request = pb.RecommendRequest(user_id="ada", after=answer.token, wait_ms=0)
    assert not rpc.stub.Recommend(request, timeout=5).applied


BAD_EVENTS: list[tuple[list[pb.Event], str]] = [
    ([], "events"),
    ([pb.Event(**EVENT)] * 1_001, "events"),
    ([pb.Event(item_id="i", action="view")], "user_id"),
    ([pb.Event(**EVENT, ts_ms=1)], "ts"),
    ([pb.Event(**EVENT, position=-1)], "position"),
    ([pb.Event(**EVENT | {"action": "rating"}, value=9)], "value"),
]


def test_events_that_cannot_be_are_refused(rpc: Rpc) -> None:
    for events, field in BAD_EVENTS:
        code, problem = rpc.refused(rpc.stub.Track, pb.TrackRequest(events=events))
        assert (code, problem.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)


def test_the_token_of_an_event_is_that_of_http(rpc: Rpc, seed: Seed) -> None:
    seed.items(3)
    rpc.api.sync()
    token = rpc.stub.Track(pb.TrackRequest(events=[pb.Event(**EVENT)]), timeout=5).token
    answer = rpc.api.get(f"/v1/users/ada/recommendations?after={token}&wait_ms=0")
    assert answer.headers["vane-applied"] == "false"
    posted = rpc.api.client.post("/v1/events", content=json.dumps(EVENT)).json()["token"]
    request = pb.RecommendRequest(user_id="ada", after=posted, wait_ms=0)
    assert not rpc.stub.Recommend(request, timeout=5).applied


def test_a_deadline_ends_the_call_and_waiting_ends_before_it(rpc: Rpc, seed: Seed) -> None:
    seed.items(3)
    rpc.api.sync()
    token = rpc.stub.Track(pb.TrackRequest(events=[pb.Event(**EVENT)]), timeout=5).token
    request = pb.RecommendRequest(user_id="ada", after=token, wait_ms=10_000)
    assert not rpc.stub.Recommend(request, timeout=0.6).applied
    with pytest.raises(grpc.RpcError) as late:
        rpc.stub.Recommend(request, timeout=0.0001)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_health_and_reflection(rpc: Rpc) -> None:
    health: Any = health_pb2_grpc.HealthStub(rpc.channel)

    def healthy(name: str) -> bool:
        request = health_pb2.HealthCheckRequest(service=name)
        status: int = health.Check(request, timeout=5).status
        return status == health_pb2.HealthCheckResponse.SERVING

    wait_until(lambda: healthy(SERVICE) and healthy(""))
    database = ProtoReflectionDescriptorDatabase(rpc.channel)
    assert SERVICE in database.get_services()
    described = database.FindFileContainingSymbol(SERVICE)
    assert [method.name for method in described.service[0].method] == [
        "Recommend",
        "StreamRecommendations",
        "Track",
    ]


def test_keys_and_tokens_are_asked_for_as_over_http(api_settings: Settings, seed: Seed) -> None:
    seed.items(3)
    key = create_key(seed.connection, "shop", ["read"], None).secret
    with running(replace(api_settings, access="keys")) as api, serving(api) as rpc:
        request = pb.RecommendRequest(user_id="ada")
        code, _ = rpc.refused(rpc.stub.Recommend, request)
        assert code is grpc.StatusCode.UNAUTHENTICATED
        read = {"metadata": [("x-api-key", key)]}
        assert rpc.stub.Recommend(request, timeout=5, **read).items
        track = pb.TrackRequest(events=[pb.Event(**EVENT)])
        code, problem = rpc.refused(rpc.stub.Track, track, **read)
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert "ingest" in problem.detail
        token = api.services.callers.tokens.session("ada", time.time())
        own = {"metadata": [("authorization", f"Bearer {token}")]}
        assert rpc.stub.Recommend(request, timeout=5, **own).items
        assert rpc.stub.Track(track, timeout=5, **own).accepted == 1
        other = pb.RecommendRequest(user_id="bob")
        stream = pb.StreamRecommendationsRequest(user_id="bob")
        event = pb.TrackRequest(events=[pb.Event(**EVENT | {"user_id": "bob"})])
        for call, foreign in ((rpc.stub.Recommend, other), (rpc.stub.Track, event)):
            assert rpc.refused(call, foreign, **own)[0] is grpc.StatusCode.PERMISSION_DENIED
        with pytest.raises(grpc.RpcError) as refused:
            next(rpc.stub.StreamRecommendations(stream, timeout=5, **own))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_tls_where_there_is_a_key(api_settings: Settings, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    ).public_bytes(Encoding.PEM)
    (tmp_path / "cert").write_bytes(certificate)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key").write_bytes(secret)
    files = str(tmp_path / "cert"), str(tmp_path / "key")
    settings = replace(api_settings, grpc_tls_cert=files[0], grpc_tls_key=files[1])
    credentials = grpc.ssl_channel_credentials(certificate)
    with running(settings) as api, serving(api, credentials) as rpc:
        answer = rpc.stub.Track(pb.TrackRequest(events=[pb.Event(**EVENT)]), timeout=5)
        assert answer.accepted == 1
