"""`vane load`: items or events from a file into Kafka."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from vane.cli.applied import Target, wait_applied
from vane.cli.context import DataDir, Json, command_settings
from vane.cli.input_file import event_messages, item_messages
from vane.cli.output import print_json
from vane.cli.progress import progress
from vane.client.topic import Keyed, TopicWriter
from vane.interaction import TREND_SLOTS
from vane.kafka_admin import describe_topic
from vane.settings import Settings
from vane.store.connection import connect, translated
from vane.store.positions import find_log
from vane.store.slot_log import PARTS, slot_flow
from vane.store.tuning import read_tuning

app = typer.Typer(no_args_is_help=True)

CHECK_STEP_ROWS = 1_000

File = Annotated[Path, typer.Argument(help="JSON Lines or CSV, also with gzip.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when everything is applied.")]


@app.command()
def items(
    file: File, *, data_dir: DataDir = None, wait: Wait = False, as_json: Json = False
) -> None:
    """Load items (product updates). CSV: tags separated by |.

    With `--wait` it returns when the items are embedded and visible.

    Example: `vane load items items.jsonl.gz --wait`
    """
    settings = command_settings(data_dir, needs=["kafka_bootstrap", "database_url"])
    _load(
        settings,
        "product-updates",
        lambda: item_messages(file, settings.event_bytes_max),
        flows=["catalog"] if wait else [],
        noun="items",
        as_json=as_json,
    )


@app.command()
def events(
    file: File, *, data_dir: DataDir = None, wait: Wait = False, as_json: Json = False
) -> None:
    """Load events. `timestamp` stands for `ts`; ids are derived where absent.

    With `--wait` it returns when the events are in the users' vectors and in the trends.

    Example: `vane load events events.csv.gz --wait`
    """
    settings = command_settings(data_dir, needs=["kafka_bootstrap", "database_url"])
    with connect(settings, "vane load") as connection:
        tuning, _ = read_tuning(connection)
    slots = [slot_flow(part, slot) for part in PARTS for slot in range(TREND_SLOTS)]
    _load(
        settings,
        "user-interactions",
        lambda: event_messages(file, settings.event_bytes_max, tuning),
        flows=["interactions", *slots] if wait else [],
        noun="events",
        as_json=as_json,
    )


def _load(
    settings: Settings,
    topic: str,
    read: Callable[[], Iterator[Keyed]],
    *,
    flows: list[str],
    noun: str,
    as_json: bool,
) -> None:
    """Check the whole file first, so that a wrong one leaves nothing behind; then produce it."""
    with progress() as bars:
        count = _check(read(), bars)
        identity, _ = describe_topic(settings.kafka_bootstrap, topic)
        started = time.monotonic()
        writer = TopicWriter(settings.kafka_bootstrap, topic, settings.event_bytes_max)
        task = bars.add_task(f"producing {noun}", total=count)
        for acknowledged in writer.write(read()):
            bars.update(task, completed=acknowledged)
        bars.update(task, completed=count)
        if flows:
            with connect(settings, "vane load") as connection:
                with translated():
                    target = Target(find_log(connection, identity), writer.ends)
                task = bars.add_task(f"applying {noun}", total=count)
                for missing in wait_applied(connection, target, flows):
                    bars.update(task, completed=max(0, count - missing))
    seconds = time.monotonic() - started
    _report(noun, writer.acknowledged, seconds, applied=bool(flows), as_json=as_json)


def _check(messages: Iterator[Keyed], bars: Progress) -> int:
    task = bars.add_task("checking the file", total=None)
    count = 0
    for count, _ in enumerate(messages, start=1):
        if count % CHECK_STEP_ROWS == 0:
            bars.update(task, completed=count)
    bars.update(task, completed=count, total=count)
    return count


def _report(noun: str, count: int, seconds: float, *, applied: bool, as_json: bool) -> None:
    rate = count / max(seconds, 1e-9)
    if as_json:
        summary = {
            noun: count,
            "seconds": round(seconds, 3),
            f"{noun}_per_second": round(rate, 1),
            "applied": applied,
        }
        print_json(summary)
        return
    done = "loaded and applied" if applied else "written to Kafka"
    typer.echo(f"{count:,} {noun} {done} in {seconds:.1f} s ({rate:,.0f} {noun}/s)")
