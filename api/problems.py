"""Every error as problem details (RFC 9457)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from schemas.responses import FieldError, Problem
from vane.errors import (
    InvalidEvent,
    InvalidRequest,
    InvalidSettings,
    NeedsRebuild,
    TooMany,
    Unauthenticated,
    Unavailable,
    VaneError,
)

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 1

_log = logging.getLogger(__name__)


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for a problem."""
    return Response(msgspec.json.encode(problem), problem.status, dict(headers or {}), PROBLEM_JSON)


def problem(status: int, detail: str, *errors: FieldError) -> Problem:
    """Problem details of a status code."""
    return Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        field=errors[0].field if errors else None,
        errors=list(errors),
    )


def error_response(error: VaneError) -> Response:
    """The answer for one of Vane's own errors."""
    errors = []
    if isinstance(error, InvalidSettings):
        errors = [FieldError(field, reason) for field, reason in error.errors]
    elif isinstance(error, InvalidRequest | InvalidEvent):
        errors = [FieldError(error.field, error.reason)]
    elif isinstance(error, NeedsRebuild):
        errors = [FieldError(error.field, str(error))]
    return problem_response(problem(error.http_status, str(error), *errors), _headers(error))


def _headers(error: VaneError) -> Mapping[str, str]:
    match error:
        case Unavailable():
            return {"Retry-After": str(RETRY_AFTER_S)}
        case TooMany():
            return {"Retry-After": str(error.wait_s)}
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer, ApiKey"}
        case _:
            return {}


def install(app: FastAPI) -> None:
    """Answer all errors of `app` as problem details."""
    app.add_exception_handler(VaneError, _vane_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _defect)


async def _vane_error(_request: Request, error: Any) -> Response:
    return error_response(error)


async def _validation_error(_request: Request, error: Any) -> Response:
    errors = [
        FieldError(".".join(str(part) for part in item["loc"][1:]) or "$", item["msg"])
        for item in error.errors()
    ]
    return problem_response(problem(422, f"{errors[0].field}: {errors[0].reason}", *errors))


async def _http_exception(request: Request, error: Any) -> Response:
    detail = f"{request.method} {request.url.path}: {error.detail}"
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(sorted(_methods(request)))}
    return problem_response(problem(error.status_code, detail), headers)


def _methods(request: Request) -> set[str]:
    """All methods of the path: Starlette names those of the first route alone."""
    return {
        method
        for route in request.app.router.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in getattr(route, "methods", None) or ()
    }


async def _defect(request: Request, error: Any) -> Response:
    route = getattr(request.scope.get("route"), "path", "unmatched")
    told = {"method": request.method, "route": route}
    _log.error("%s %s failed", request.method, route, exc_info=error, extra=told)
    return problem_response(problem(500, "a defect of Vane; the log has the details"))
