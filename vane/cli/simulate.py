"""`vane simulate`: believable traffic, produced to Kafka as any service upstream would."""

import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from random import SystemRandom
from typing import Annotated

import msgspec
import typer

from vane.child import announce_ready, watch_parent
from vane.cli.context import (
    FOREVER,
    DataDir,
    Json,
    command_settings,
    parse_duration,
    refuse_event_clock,
)
from vane.cli.output import console, print_json, table
from vane.cli.progress import progress
from vane.cli.up import StopSignals
from vane.client.topic import Keyed, TopicWriter
from vane.errors import NotFound, Unavailable
from vane.kafka_admin import describe_topic
from vane.pace import Pace
from vane.settings import Settings
from vane.simulation import CatalogueItem, Step
from vane.simulation import simulate as simulate_users
from vane.store.accounts import DEMO_ACCOUNTS
from vane.store.connection import connect
from vane.store.simulation import read_simulation_items
from vane.store.tuning import read_tuning

TOPIC = "user-interactions"
EVENTS_AT_ONCE = 1_000
ACTIONS_SHOWN = 3
ITEMS_POLL_S = 1.0
ITEMS_REFRESH_S = 30.0


class Summary(msgspec.Struct):
    """What was sent; the shape of `--json`."""

    events: int
    seconds: float
    events_per_second: float
    behind_ms_max: float
    """How late the latest event was sent."""
    users: int
    sessions: int
    seed: int
    actions: dict[str, int]


def simulate(
    rate: Annotated[
        float, typer.Option(min=0.01, max=1e6, help="Events a second, of all users together.")
    ] = 20.0,
    users: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many there are.")] = 50,
    duration: Annotated[str, typer.Option(help=f"Such as 90s, 10m, or {FOREVER}.")] = "60s",
    seed: Annotated[
        int | None, typer.Option(help="For the same behaviour again.", show_default="random")
    ] = None,
    include_demo_accounts: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--include-demo-accounts", help="john1 and the others take part.")
    ] = False,
    wait_for_items: Annotated[  # noqa: FBT002
        bool, typer.Option("--wait-for-items", help="Begin when there are any.")
    ] = False,
    as_json: Json = False,  # noqa: FBT002
    data_dir: DataDir = None,
) -> None:
    """Believable traffic, for demos, load and tests.

    Users with tastes that drift come, look around, click, buy and leave. Their events go to Kafka
    as those of any other service, for users named `sim-1` and so on, at the asked rate
    however slow the receiver is. Ctrl-C ends it.

    Example: `vane simulate --rate 100 --users 500 --duration 5m`
    """
    watch_parent()
    total = None if duration == FOREVER else round(rate * parse_duration("--duration", duration))
    settings = command_settings(data_dir, needs=["kafka_bootstrap", "database_url"])
    refuse_event_clock(settings)
    describe_topic(settings.kafka_bootstrap, TOPIC)
    signals = StopSignals()
    announce_ready()
    with connect(settings, "vane simulate") as connection:
        tuning, _ = read_tuning(connection)
    seed = SystemRandom().getrandbits(32) if seed is None else seed
    names = user_ids(users, with_demo_accounts=include_demo_accounts)
    items = _first_items(settings, signals.stop, wait=wait_for_items)
    steps = (s for s in _steps(settings, items, names, seed) if s.action in tuning.action_weights)
    traffic = Traffic(steps if total is None else islice(steps, total), rate)
    writer = TopicWriter(settings.kafka_bootstrap, TOPIC, settings.event_bytes_max)
    _send(traffic, writer, total, signals)
    _report(traffic.summary(seed), as_json=as_json)


def user_ids(number: int, *, with_demo_accounts: bool) -> list[str]:
    """That many ids, those of the demo accounts first where they take part."""
    demo = [account.user_id for account in DEMO_ACCOUNTS] if with_demo_accounts else []
    return [*demo, *(f"sim-{place}" for place in range(1, number + 1))][:number]


@dataclass(slots=True)
class Traffic:
    """Steps as messages at their time, and what has become of them."""

    steps: Iterator[Step]
    rate: float
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    """Makes ids of events and sessions unique, also with a seed that was used before."""
    started_ms: float = field(default_factory=lambda: time.time() * 1e3)
    pace: Pace = field(init=False)
    sent: int = 0
    finished: bool = False
    behind_s_max: float = 0.0
    actions: Counter[str] = field(default_factory=Counter)
    users: set[str] = field(default_factory=set)
    sessions: int = 0

    def __post_init__(self) -> None:
        self.pace = Pace(self.rate)

    def due(self) -> list[Keyed]:
        """What is due now, after a wait of a tick at most; `finished` is set behind the last."""
        wanted = self.pace.wait(self.sent, EVENTS_AT_ONCE)
        self.behind_s_max = max(self.behind_s_max, self.pace.behind_s(self.sent))
        messages = [
            self._message(number, step)
            for number, step in zip(count(self.sent), islice(self.steps, wanted))
        ]
        self.sent += len(messages)
        self.finished = len(messages) < wanted
        return messages

    def _message(self, number: int, step: Step) -> Keyed:
        self.actions[step.action] += 1
        self.users.add(step.user_id)
        self.sessions = max(self.sessions, step.session)
        event = {
            "event_id": f"{self.run}-{number}",
            "user_id": step.user_id,
            "item_id": step.item_id,
            "action": step.action,
            "ts": round(self.started_ms + 1e3 * self.pace.due_s(number)),
            "session_id": f"{self.run}-{step.session}",
            "position": step.position,
        }
        if step.value is not None:
            event["value"] = step.value
        return Keyed(step.user_id.encode(), msgspec.json.encode(event))

    def shares(self) -> str:
        """As "view 82 %, click 13 %, like 1 %", the most frequent actions."""
        most = self.actions.most_common(ACTIONS_SHOWN)
        return ", ".join(f"{action} {100 * number / self.sent:.0f} %" for action, number in most)

    def summary(self, seed: int) -> Summary:
        """What has happened until now."""
        seconds = self.pace.elapsed_s()
        return Summary(
            events=self.sent,
            seconds=round(seconds, 3),
            events_per_second=round(self.sent / seconds, 1),
            behind_ms_max=round(1e3 * self.behind_s_max, 1),
            users=len(self.users),
            sessions=self.sessions,
            seed=seed,
            actions=dict(self.actions.most_common()),
        )


def _first_items(
    settings: Settings, stop: Callable[[], bool], *, wait: bool
) -> Sequence[CatalogueItem]:
    """The items that users meet; none where it was stopped before there were any."""
    while not (items := _items(settings)) and not stop():
        if not wait:
            raise NotFound("the catalogue has no items: vane load items FILE brings some")
        time.sleep(ITEMS_POLL_S)
    return items


def _steps(
    settings: Settings, items: Sequence[CatalogueItem], users: Sequence[str], seed: int
) -> Iterator[Step]:
    """Steps without end; where the catalogue has changed, users go on with what it has now."""
    numbers = count(1)
    while items:
        look_at = time.monotonic() + ITEMS_REFRESH_S
        for step in simulate_users(items, users, seed, numbers):
            yield step
            if time.monotonic() < look_at:
                continue
            look_at += ITEMS_REFRESH_S
            with contextlib.suppress(Unavailable):  # then the items of before will do
                if (newer := _items(settings)) != items:
                    items = newer
                    break


def _items(settings: Settings) -> Sequence[CatalogueItem]:
    with connect(settings, "vane simulate") as connection:
        return read_simulation_items(connection)


def _send(traffic: Traffic, writer: TopicWriter, total: int | None, signals: StopSignals) -> None:
    with progress() as bars:
        task = bars.add_task("simulating", total=total)
        while not (traffic.finished or signals.stop()):
            writer.send(traffic.due())
            late_s = traffic.pace.behind_s(traffic.sent)
            note = f"{late_s:.1f} s behind, {traffic.shares()}"
            bars.update(task, completed=writer.acknowledged, note=note)
        for acknowledged in writer.flush():
            bars.update(task, completed=acknowledged)
            if signals.hurry():
                break


def _report(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    actions = table("action", ">events", ">share")
    for action, number in summary.actions.items():
        actions.add_row(action, f"{number:,}", f"{100 * number / summary.events:.1f} %")
    screen = console()
    screen.print(actions)
    screen.print(
        f"{summary.events:,} events of {summary.users:,} users in {summary.sessions:,} sessions, "
        f"{summary.seconds:.1f} s ({summary.events_per_second:,.0f}/s, at most "
        f"{summary.behind_ms_max:,.0f} ms behind); seed {summary.seed}"
    )
