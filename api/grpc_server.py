"""Serves gRPC in this process: the service, health, reflection, TLS where there is a key."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from api.callers import Callers
from api.ending import bound_the_end
from api.grpc_calls import SERVICE
from api.grpc_service import RecommenderService
from api.health import readiness
from api.services import Services, open_services
from schemas.recommender_pb2_grpc import add_RecommenderServicer_to_server
from vane.errors import UsageError
from vane.settings import Settings, with_access

GRACE_S = 5.0
"""Calls in flight are finished so long; streams end at once."""
MESSAGE_BYTES_MAX = 4 << 20
CALLS_MAX = 1_024
HEALTH_EVERY_S = 2.0
NAMES = (SERVICE, "")
"""Whose health is told; the empty name is the server's."""


async def serve_grpc(settings: Settings, host: str, port: int, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish the calls in flight.

    Args:
        settings: of the services.
        host: address to listen on.
        port: a free one.
        ready: called once calls are answered.

    Raises:
        UsageError: the address cannot be had, certificate or key cannot be read, or the settings of
            users' tokens do not go together.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    settings = with_access(settings, host)
    async with open_services(settings, Callers(settings)) as services:
        if settings.metrics_port:
            numbers = services.metrics.numbers
            start_http_server(settings.metrics_port, settings.metrics_host, numbers.registry)
        await serve_services(services, f"{host}:{port}", ready, stop)
        bound_the_end()


async def serve_services(
    services: Services, address: str, ready: Callable[[], None], stop: asyncio.Event
) -> None:
    """Serve open services until `stop` is set; errors as `serve_grpc`."""
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ],
        maximum_concurrent_rpcs=CALLS_MAX,
    )
    service, states = RecommenderService(services), health.aio.HealthServicer()
    add_RecommenderServicer_to_server(service, server)
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    _listen(server, address, services.settings)
    await _tell(states, HealthCheckResponse.NOT_SERVING)
    await server.start()
    following = asyncio.create_task(_follow_health(services, states))
    ready()
    try:
        await stop.wait()
    finally:
        following.cancel()
        await states.enter_graceful_shutdown()
        services.streams.close()
        services.applied.end()
        await server.stop(GRACE_S)


def _listen(server: grpc.aio.Server, address: str, settings: Settings) -> None:
    try:
        if settings.grpc_tls_cert:
            pair = (_read(settings.grpc_tls_key), _read(settings.grpc_tls_cert))
            server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        else:
            server.add_insecure_port(address)
    except RuntimeError as error:
        raise UsageError(f"cannot serve gRPC on {address}: {error}") from None


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"TLS of gRPC: {file!r}: {error.strerror}") from None


async def _follow_health(services: Services, states: health.aio.HealthServicer) -> None:
    """What /readyz says, for whoever watches."""
    while True:
        ready, _ = await readiness(services)
        serving = HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
        await _tell(states, serving)
        await asyncio.sleep(HEALTH_EVERY_S)


async def _tell(states: health.aio.HealthServicer, status: Any) -> None:
    for name in NAMES:
        await states.set(name, status)
