"""Open streams on one API worker: memory a stream, and from a click to the pushed list.

    python -m benchmarks.streams --streams 2000 --clicks 500

Runs `vane up` on a scratch folder and opens the streams, each of a user of its own, from a process
of its own. A click is a POST of a random one of these users; the push is the first event on that
user's stream with a newer version. The floor is a poll with `after=` that waits for the same click.
"""

import argparse
import asyncio
import json
import random
import resource
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from benchmarks.click_to_change import Endpoints, load_items, shares, vane_up
from benchmarks.report import machine, table

ITEMS = 500
CONNECTING_MAX = 50
PATIENCE_S = 120.0
SETTLE_S = 5.0


class Watcher:
    """One open stream; `versions` holds when each version of the list came."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.changed = asyncio.Event()
        self.version = -1
        self.came_s = 0.0

    async def watch(self, host: str, port: int, turn: asyncio.Semaphore) -> None:
        """Read for ever."""
        async with turn:
            reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
            path = f"/v1/users/{self.user}/recommendations/stream?limit=10"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: vane\r\n\r\n".encode())
            await self._read(reader)
        while True:
            await self._read(reader)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Up to the next list."""
        while True:
            line = await reader.readline()
            assert line, "the stream ended"
            if line.startswith(b"data: "):
                self.came_s = time.perf_counter()
                self.version = json.loads(line[6:])["version"]
                self.changed.set()
                return


def memory_mib(pid: int) -> float:
    """RSS of a process."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def api_pid(port: int) -> int:
    """The process that listens on a port."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            return int(connection.pid)
    raise LookupError(port)


async def click(client: httpx.AsyncClient, watcher: Watcher, item: str) -> float:
    """Milliseconds from the POST of an event to the push that shows it."""
    before = watcher.version
    watcher.changed.clear()
    began = time.perf_counter()
    event = {"user_id": watcher.user, "item_id": item, "action": "like"}
    (await client.post("/v1/events", json=event)).raise_for_status()
    async with asyncio.timeout(PATIENCE_S):
        while watcher.version <= before:
            await watcher.changed.wait()
            watcher.changed.clear()
    return 1e3 * (watcher.came_s - began)


async def poll(client: httpx.AsyncClient, user: str, item: str) -> float:
    """Milliseconds from the POST of an event to the answer of a poll that waits for it."""
    began = time.perf_counter()
    event = {"user_id": user, "item_id": item, "action": "like"}
    token = (await client.post("/v1/events", json=event)).json()["token"]
    parameters = {"after": token, "wait_ms": 10_000}
    answer = await client.get(f"/v1/users/{user}/recommendations", params=parameters)
    assert answer.headers["Vane-Applied"] == "true"
    return 1e3 * (time.perf_counter() - began)


async def measure(endpoints: Endpoints, streams: int, clicks: int, rate: float) -> None:
    """Open all streams, then click; prints the figures."""
    port = int(endpoints["api"].rpartition(":")[2])
    pid, rng, turn = api_pid(port), random.Random(1), asyncio.Semaphore(CONNECTING_MAX)
    async with asyncio.TaskGroup() as group, httpx.AsyncClient(base_url=endpoints["api"]) as client:
        await poll(client, "warm", "i0")
        before = memory_mib(pid)
        watchers = [Watcher(f"visitor{number}") for number in range(streams)]
        began = time.perf_counter()
        watching = [group.create_task(one.watch("127.0.0.1", port, turn)) for one in watchers]
        await asyncio.gather(*(one.changed.wait() for one in watchers))
        opened_s = time.perf_counter() - began
        await asyncio.sleep(SETTLE_S)
        grown = 1024 * (memory_mib(pid) - before) / streams
        print(f"{streams:,} streams opened in {opened_s:.1f} s; {grown:.1f} kB each in the API\n")
        pushes, polls = [], []
        for _ in range(clicks):
            chosen, item = rng.choice(watchers), f"i{rng.randrange(ITEMS)}"
            pushes.append(await click(client, chosen, item))
            polls.append(await poll(client, f"poller{rng.randrange(streams)}", item))
            await asyncio.sleep(rng.expovariate(rate))
        for task in watching:
            task.cancel()
    rows = [
        [name, " / ".join(f"{value:,.0f}" for value in shares(column))]
        for name, column in (("pushed to the stream", pushes), ("poll with after=", polls))
    ]
    print(table(["from a click to", "p50 / p99 / max, ms"], rows))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--streams", type=int, default=2_000)
    parser.add_argument("--clicks", type=int, default=500)
    parser.add_argument("--rate", type=float, default=20.0, help="clicks and polls a second, each")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * options.streams + 1_000,) * 2)
    print(f"{machine()}; {options.clicks} clicks\n")
    with tempfile.TemporaryDirectory(prefix="vane-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with vane_up(folder, "interactions,catalog,trends") as endpoints:
            load_items(folder, ITEMS)
            asyncio.run(measure(endpoints, options.streams, options.clicks, options.rate))


if __name__ == "__main__":
    main()
