"""What the API is measured beside, on the same server and the same database.

    python -m benchmarks.api_floor 8001

`GET /hello` answers a few ready bytes: the floor of a warm request. `GET /near/USER` asks pgvector
for what is nearest to a user's vector, as ids: the floor of a cold one.
"""

import os
import sys
from typing import Any

import msgspec
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from api.server import BACKLOG
from vane.settings import load_settings
from vane.store.serving import ServingStore, open_store

NEAR = (
    "select item_id from item order by content <#>"
    " (select long::halfvec(384) from user_preference where user_id = %(user_id)s) limit 40"
)
HELLO, USER = "/hello", "/near/"


class Floor:
    """A plain ASGI application."""

    def __init__(self) -> None:
        self.store: ServingStore | None = None

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer."""
        body = b'{"hello":"world"}'
        if scope["path"].startswith(USER):
            assert self.store is not None
            fields = {"user_id": scope["path"].removeprefix(USER)}
            (rows,) = await self.store.read((NEAR, fields), prepare=True)
            body = msgspec.json.encode([item for (item,) in rows])
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def main(port: int) -> None:
    """Serve for ever."""
    floor = Floor()
    async with open_store(load_settings(os.environ), "floor") as floor.store:
        server = Server(
            floor,
            "127.0.0.1",
            port,
            interface=Interfaces.ASGINL,
            backlog=BACKLOG,
            websockets=False,
            log_enabled=False,
        )
        await server.serve()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
