"""Draw docs/images/dashboards/ from a real Vane under simulated load and a real Prometheus.

Grafana cannot be had everywhere, so the panels are drawn here: layout, titles, units, limits and
queries are those of the committed dashboards. `make ops-tools`, then, in the repository's root,
`python -m scripts.dashboard_pictures [MINUTES]`; six minutes unless told otherwise.
"""

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import httpx
from confluent_kafka import Producer

from grafana.dashboards import DASHBOARDS
from grafana.drawing import draw
from grafana.generate import RULES
from grafana.scraper import scraping
from tests.running import VANE, RunningUp, wait_until
from vane.client import Vane
from vane.embedded.broker import LOOPBACK, free_port
from vane.errors import VaneError

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images" / "dashboards"
EVENTS_PER_S = 30
ASKS_PER_S = 5.0
USERS = 300
ITEMS = 1_900
CATALOGUE_S_MAX = 1_200.0
SCRAPE_S = 2
WARM_UP_S = 45.0
"""Left out at the beginning: rates need some scrapes."""
ODD_EVERY = 60
"""Every so many questions an event comes that is wrong, ahead of its item, or of tomorrow."""
ENVIRON = {
    "VANE_MONITOR_INTERVAL_MS": "2000",
    "VANE_CANARY_INTERVAL_MS": "5000",
    "VANE_LEARNING_PUBLISH_MS": "5000",
}
WORDS = ("skoda", "space", "estate", "comedy", "electric", "travel", "football", "recipe")


def ask(api: str, kafka: str, stop: threading.Event) -> None:
    """Callers of the API, as a front end makes them, until told to stop."""
    rng, producer, asked = random.Random(1), Producer({"bootstrap.servers": kafka}), 0
    with Vane(api) as vane:
        while not stop.wait(rng.expovariate(ASKS_PER_S)):
            user, asked = f"sim-{rng.randrange(USERS)}", asked + 1
            try:
                items = vane.recommend(user, limit=rng.choice((10, 20))).items
                if items and asked % 3 == 0:
                    event = {"user_id": user, "item_id": rng.choice(items).item_id}
                    vane.send([{**event, "action": rng.choice(("click", "like", "view"))}])
                if asked % 5 == 0:
                    vane.search(rng.choice(WORDS), user_id=user)
            except VaneError as error:
                sys.stderr.write(f"{error}\n")
            if asked % ODD_EVERY == 0:
                odd(producer, user, asked)
    producer.flush(5)


def odd(producer: Producer, user: str, number: int) -> None:
    """An event with something about it."""
    now = time.time()
    event = {"event_id": f"odd-{number}", "user_id": user, "item_id": "film-unknown", "ts": now}
    kinds = [{"action": "blink"}, {"action": "view"}, {"action": "view", "ts": now + 86_400}]
    event |= kinds[number // ODD_EVERY % len(kinds)]
    producer.produce("user-interactions", json.dumps(event), user)
    producer.poll(0)


def watch(api: str, stop: threading.Event) -> None:
    """Somebody whose list follows."""
    with Vane(api) as vane:
        for _ in vane.stream("sim-1"):
            if stop.is_set():
                return


def catalogue_is_there(api: str, admin_key: str) -> bool:
    """Whether all items of the demo are embedded."""
    reply = httpx.get(f"{api}/v1/admin/status", headers={"X-API-Key": admin_key}, timeout=30)
    status = reply.raise_for_status().json()
    return bool(status["items"] >= ITEMS and status["flows"]["catalog"]["lag"] == 0)


def simulate(up: RunningUp) -> "subprocess.Popen[bytes]":
    """Users who look around, click and buy."""
    rate, users = ("--rate", str(EVENTS_PER_S)), ("--users", str(USERS))
    place = ("--data-dir", str(up.data_dir))
    return subprocess.Popen(
        [*VANE, "simulate", *rate, *users, "--duration", "forever", "--seed", "1", *place],
        stdout=subprocess.DEVNULL,
    )


def main() -> None:
    """Run everything for some minutes, then draw."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0
    IMAGES.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    with (
        RunningUp(environ=ENVIRON) as up,
        tempfile.TemporaryDirectory() as folder,
    ):
        found = up.wait_ready()
        there = partial(catalogue_is_there, found.api, found.admin_key)
        wait_until(there, CATALOGUE_S_MAX, "the catalogue")
        address = f"{LOOPBACK}:{free_port()}"
        users = simulate(up)
        for target, arguments in ((ask, (found.api, found.kafka)), (watch, (found.api,))):
            threading.Thread(target=target, args=(*arguments, stop), daemon=True).start()
        with scraping(
            found.metrics,
            Path(folder),
            address,
            scrape_s=SCRAPE_S,
            rules=RULES,
            window=f"{round(60 * minutes)}s",
        ) as prometheus:
            time.sleep(WARM_UP_S)
            began = time.time()
            time.sleep(60 * minutes)
            ended = time.time()
            for page in DASHBOARDS:
                draw(page, prometheus, began, ended, IMAGES / f"{page.uid}.png")
        stop.set()
        users.terminate()
        users.wait()


if __name__ == "__main__":
    main()
