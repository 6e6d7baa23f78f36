"""Requests over connections that are kept, and answers that say no as Vane's own errors."""

import http.client
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from schemas.responses import Problem
from vane.errors import (
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthenticated,
    Unavailable,
    UsageError,
    VaneError,
)
from vane.traces import TRACEPARENT, current_traceparent

IDLE_CONNECTIONS_MAX = 8
ERRORS = {401: Unauthenticated, 403: Forbidden, 404: NotFound}
LATER = frozenset({429, 502, 503, 504})
"""Answers that may be others in a moment."""
UNPROCESSABLE = 422
ERROR_FROM = 400


class Reply(NamedTuple):
    """An answer that is no error."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Transport:
    """Connections to one API; threads may share it.

    Args:
        url: of the API, such as http://localhost:8000.
        headers: sent with every request.
        timeout_s: longest silence of the API.

    Raises:
        UsageError: `url` is none.
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(f"{url!r} is not the URL of an API: http://host:port is one")
        secure = parts.scheme == "https"
        self._connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._headers, self._timeout_s = dict(headers), timeout_s
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        expected: Collection[int] = (),
    ) -> Reply:
        """One request; a kept connection that the API has closed meanwhile is replaced.

        Every call of this API may be repeated: reading changes nothing, events carry their ids.
        Errors with an `expected` status are returned.

        Raises:
            VaneError: what the answer says; `Unavailable` where there is none.
        """
        while True:
            connection, kept = self._take()
            try:
                response = self._send(connection, method, target, body, headers or {})
                reply = Reply(response.status, response.headers, response.read())
            except (http.client.HTTPException, OSError) as error:
                connection.close()
                if not kept or isinstance(error, TimeoutError):
                    raise Unavailable(f"Vane does not answer: {error or type(error)}") from error
                continue
            self._keep(connection, closed=response.will_close)
            if reply.status >= ERROR_FROM and reply.status not in expected:
                raise error_of(reply)
            return reply

    def open(self, target: str, headers: Mapping[str, str], timeout_s: float) -> "OpenReply":
        """A request whose answer is read line by line, on a connection of its own.

        Raises:
            VaneError: as `request`.
        """
        connection = self._connect(self._host, self._port, timeout=timeout_s)
        try:
            response = self._send(connection, "GET", target, None, headers)
            if response.status >= ERROR_FROM:
                raise error_of(Reply(response.status, response.headers, response.read()))
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise Unavailable(f"Vane does not answer: {error or type(error)}") from error
        except VaneError:
            connection.close()
            raise
        return OpenReply(connection, response)

    def close(self) -> None:
        """Close the connections that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        carried = current_traceparent()
        trace = {} if carried is None else {TRACEPARENT: carried}
        connection.request(
            method, self._prefix + target, body, {**self._headers, **trace, **headers}
        )
        return connection.getresponse()

    def _take(self) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it was used before."""
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        return self._connect(self._host, self._port, timeout=self._timeout_s), False

    def _keep(self, connection: http.client.HTTPConnection, *, closed: bool) -> None:
        with self._lock:
            if not closed and len(self._idle) < IDLE_CONNECTIONS_MAX:
                self._idle.append(connection)
                return
        connection.close()


class OpenReply:
    """An answer that comes in lines."""

    def __init__(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        self._connection, self._response = connection, response

    def line(self) -> bytes:
        """The next line with its end; empty behind the last one.

        Raises:
            Unavailable: the connection broke, or was silent for too long.
        """
        try:
            return self._response.readline()
        except (http.client.HTTPException, OSError, AttributeError) as error:
            raise Unavailable(f"the stream broke: {error or type(error)}") from error

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self._response.close()
        self._connection.close()


def error_of(reply: Reply) -> VaneError:
    """What an answer says that is an error."""
    try:
        problem = msgspec.json.decode(reply.body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = Problem(title="", status=reply.status, detail=f"HTTP status {reply.status}")
    if reply.status in LATER:
        return Unavailable(problem.detail)
    if reply.status == UNPROCESSABLE and problem.errors:
        return InvalidRequest(problem.errors[0].field, problem.errors[0].reason)
    return ERRORS.get(reply.status, VaneError)(problem.detail)
