"""What every call of gRPC goes through: errors as status codes, and the metrics."""

import asyncio
import logging
import time
from types import TracebackType
from typing import Any, Self

import grpc

from api.access import Rule, admitted
from api.callers import Caller, Credentials
from api.services import Services
from schemas import recommender_pb2 as pb
from vane.errors import InvalidEvent, InvalidRequest, VaneError

OK, CLIENT_GONE, DEFECT = 200, 499, 500
PROBLEM = "vane-problem-bin"
"""Trailing metadata of an error: a `Problem` message."""
CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
}
SERVICE = pb.DESCRIPTOR.services_by_name["Recommender"].full_name

Context = grpc.aio.ServicerContext[Any, Any]

_log = logging.getLogger(__name__)


class Call:
    """One call: what it raises ends it with a status code, what it took is measured."""

    def __init__(self, services: Services, method: str, context: Context) -> None:
        self.route = f"/{SERVICE}/{method}"
        self._services, self._context = services, context
        self._began = time.perf_counter()

    async def __aenter__(self) -> Self:
        return self

    async def caller(self, rule: Rule) -> Caller:
        """Who calls, where the rule lets that one pass; errors as `admitted`."""
        return await admitted(self._services.callers, rule, _credentials(self._context))

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        status, seconds = http_status(error), time.perf_counter() - self._began
        self._services.metrics.request("POST", self.route, status, seconds)
        if isinstance(error, VaneError):
            code = CODES.get(status, grpc.StatusCode.INTERNAL)
            await self._context.abort(code, str(error), ((PROBLEM, _problem(error)),))
        elif status == DEFECT:
            _log.error("%s failed", self.route, exc_info=error)
            detail = "a defect of Vane; the log has the details"
            await self._context.abort(grpc.StatusCode.INTERNAL, detail)


def http_status(error: BaseException | None) -> int:
    """How a call ended, as HTTP would say it: one scale for all metrics."""
    if error is None:
        return OK
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return CLIENT_GONE
    return error.http_status if isinstance(error, VaneError) else DEFECT


def _credentials(context: Context) -> Credentials:
    given: dict[str, str | bytes] = dict(context.invocation_metadata() or ())
    key, authorization = (given.get(name) for name in ("x-api-key", "authorization"))
    return Credentials(_bytes(key), _bytes(authorization))


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _problem(error: VaneError) -> bytes:
    problem = pb.Problem(detail=str(error))
    if isinstance(error, InvalidRequest | InvalidEvent):
        problem.field, problem.reason = error.field, error.reason
    return problem.SerializeToString()
