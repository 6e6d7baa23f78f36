"""Route of the pictures that are drawn for the demo catalogue."""

from threading import Lock

import xxhash
from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from api.answers import has_tag
from vane.demo import picture

HEADERS = {
    "Content-Type": "image/svg+xml",
    "Cache-Control": "public, max-age=604800",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(include_in_schema=False)
_drawing = Lock()
"""Python draws no faster in several threads, and the first one makes the catalogue for all."""


@router.get("/pictures/{item_id}.svg")
def get_picture(request: Request, item_id: str) -> Response:
    """The picture of a demo item; a plain function, so that drawing blocks no other request."""
    with _drawing:
        drawn = picture(item_id)
    if drawn is None:
        raise HTTPException(404, "there is no such picture")
    body = drawn.encode()
    etag = f'"{xxhash.xxh3_128_hexdigest(body)}"'
    headers = {**HEADERS, "ETag": etag}
    if has_tag(request.headers.get("if-none-match", "").encode(), etag.encode()):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers)
