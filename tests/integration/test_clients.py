"""What docs/clients.md tells callers to run does what it says, beside a whole `vane up`."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.integration.test_readme import FILM, shop
from tests.running import VANE, RunningUp, wait_until
from vane.embedded.broker import free_port

__all__ = ["shop"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(text: str, up: RunningUp, grpc: str = "") -> str:
    """Output of a block, with the addresses of a running `vane up`."""
    text = text.replace("http://localhost:8000", up.endpoints.api)
    text = text.replace("localhost:9092", up.endpoints.kafka).replace("localhost:50051", grpc)
    program = [sys.executable, "-c", text]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def vane_grpc(up: RunningUp) -> Iterator[str]:
    """`vane grpc` beside a `vane up`; its end must be clean."""
    port = free_port()
    command = [*VANE, "grpc", "--port", str(port), "--data-dir", str(up.data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"serving gRPC on 127.0.0.1:{port}\n"
        yield f"127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_the_examples_run(shop: RunningUp) -> None:
    called, remote, produced = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    *films, now = run(called, shop).splitlines()
    assert len(films) == 3
    assert now.startswith("now ")
    with vane_grpc(shop) as address:
        assert run(remote, shop, address).startswith("True [")
    run(produced, shop)
    found = f"{shop.endpoints.api}/v1/users/ada/profile"
    wait_until(
        lambda: (
            [item["item_id"] for item in httpx.get(found).json()["recent_items"]][:2]
            == ["p1", FILM]
        ),
        30,
    )
