"""Bodies of requests: read up to a limit, decoded into a type."""

from typing import TypeVar

import msgspec
from fastapi import Request
from starlette.exceptions import HTTPException

from vane.errors import InvalidRequest
from vane.interaction import invalid_event

SMALL_BODY_BYTES_MAX = 16_384

Body = TypeVar("Body", bound=msgspec.Struct)


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The whole body; 413 for a larger one."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > bytes_max:
            raise HTTPException(413, f"the body is larger than {bytes_max} bytes")
        parts.append(part)
    return b"".join(parts)


async def read_object(
    request: Request, kind: type[Body], bytes_max: int = SMALL_BODY_BYTES_MAX
) -> Body:
    """A small JSON body as an object of its type; an empty body is an object without fields.

    Raises:
        InvalidRequest: names the field and the reason.
    """
    raw = await read_body(request, bytes_max) or b"{}"
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        invalid = invalid_event(error)
        raise InvalidRequest(invalid.field, invalid.reason) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest("$", f"not JSON: {error}") from None
    except RecursionError:
        raise InvalidRequest("$", "nested too deep") from None
