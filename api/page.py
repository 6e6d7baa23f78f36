"""The page at `/`, and its styles and scripts: read once, served from memory."""

from importlib.resources import files
from importlib.resources.abc import Traversable

import xxhash
from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from api.answers import has_tag

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self' data: https:; "  # a catalogue's pictures may lie on a site of their own
    "connect-src 'self'; "
    "base-uri 'none'; "
    "form-action 'self'; "
    "frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Asset:
    """A file of the page, with its headers."""

    def __init__(self, file: Traversable, suffix: str) -> None:
        self._body = file.read_bytes()
        self._etag = f'"{xxhash.xxh3_128_hexdigest(self._body)}"'
        self._headers = {**HEADERS, "ETag": self._etag, "Content-Type": CONTENT_TYPES[suffix]}

    def response(self, request: Request) -> Response:
        """The file, or 304 where the client has it."""
        if has_tag(request.headers.get("if-none-match", "").encode(), self._etag.encode()):
            return Response(status_code=304, headers=self._headers)
        return Response(self._body, headers=self._headers)


def page_router() -> APIRouter:
    """Routes of the page; they are not part of the API and its description."""
    assets = dict(_assets(files("web")))
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def get_page(request: Request) -> Response:
        return assets["index.html"].response(request)

    @router.get("/web/{name:path}")
    async def get_asset(request: Request, name: str) -> Response:
        if name not in assets:
            raise HTTPException(404, "there is no such file")
        return assets[name].response(request)

    return router


def _assets(folder: Traversable, prefix: str = "") -> list[tuple[str, Asset]]:
    """Every file below a folder that a browser may have, by its path."""
    found = []
    for entry in folder.iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if entry.is_dir():
            found += _assets(entry, f"{prefix}{entry.name}/")
        elif suffix in CONTENT_TYPES:
            found.append((prefix + entry.name, Asset(entry, suffix)))
    return found
