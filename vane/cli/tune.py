"""`vane tune` and `vane retrain`: learned models from the site's own log."""

import time
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress, TaskID

from schemas.events import SettingsHint
from vane.bus import SETTINGS, Publisher
from vane.cli.context import DataDir, Json, command_settings
from vane.cli.output import print_json
from vane.cli.progress import progress
from vane.features import FEATURES
from vane.learning import (
    LISTS_FOR_LINEAR,
    LISTS_FOR_NETWORK,
    Learner,
    Split,
    Verdict,
    challenge,
    fresh,
)
from vane.linear import LinearRanker
from vane.ranking import Model
from vane.rehearsal import History, read_history, rehearse
from vane.settings import Settings
from vane.store.connection import Connection, connect
from vane.store.models import publish_model, publish_network, read_model
from vane.store.retention import history_from
from vane.study import Study

Events = Annotated[
    int | None,
    typer.Option(
        min=1_000,
        help="Newest events to replay.",
        show_default="VANE_LEARNING_EVENTS_MAX",
        metavar="COUNT",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="The same log and seed give the same model.")]


def tune(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    events: Events = None,
    seed: Seed = 1,
) -> None:
    """Learn to rank from the log; activated only if better.

    Linear weights and network are learned from the beginning: the newest events are replayed in the
    order of time as if live, each predicted from what came before it and then learned from. The
    model is activated only if it ranks the newest fifth, which its network did not see, better than
    the active one. Serving and flows go on meanwhile.

    Example: `vane tune --data-dir ~/shop`
    """
    _run(data_dir, events, seed, anew=True, as_json=as_json)


def retrain(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    events: Events = None,
    seed: Seed = 1,
) -> None:
    """Fit the network of the ranking again.

    It learns from the newest lists; the linear weights stay as flow learning has them.
    It is activated only if it ranks the newest fifth, which its fit did not see, better than the
    active model.

    Example: `vane retrain`
    """
    _run(data_dir, events, seed, anew=False, as_json=as_json)


def _run(data_dir: DataDir, events: int | None, seed: int, *, anew: bool, as_json: bool) -> None:
    settings = command_settings(data_dir, needs=["database_url", "redis_url"])
    started = time.monotonic()
    with connect(settings, "vane tune") as connection, progress() as bars:
        active = read_model(connection).model
        study = Study.begin(connection, settings)
        history = read_history(connection, study, events or settings.learning_events_max)
        begins = history_from(connection)
        model = Model(LinearRanker(FEATURES)) if anew else active
        learner = _replayed(study, history, model, seed, anew=anew, bars=bars)
        split = learner.lists.split()
        reason = _too_little(history, split, begins, anew=anew)
        verdict = None if reason else _judged(active, learner, split, seed, bars)
        if verdict and verdict.better:
            _activate(connection, settings, verdict, history, anew=anew)
    found = {
        "activated": bool(verdict and verdict.better),
        "reason": reason or ("better" if verdict and verdict.better else "not better"),
        "events": len(history.events),
        **_period(history),
        "log_begins": begins and f"{begins:%Y-%m-%d}",
        "lists": len(split),
        "before": verdict and msgspec.to_builtins(verdict.before),
        "after": verdict and msgspec.to_builtins(verdict.after),
        "seconds": round(time.monotonic() - started, 1),
    }
    if as_json:
        print_json(found)
    else:
        typer.echo(_told(found))


def _replayed(
    study: Study, history: History, model: Model, seed: int, *, anew: bool, bars: Progress
) -> Learner:
    task = bars.add_task("events replayed", total=len(history.events))
    advance = partial(_completed, bars, task)
    return rehearse(
        study.replica,
        history.events,
        history.wanted,
        model,
        seed=seed,
        learns=anew,
        advance=advance,
    )


def _judged(active: Model, learner: Learner, split: Split, seed: int, bars: Progress) -> Verdict:
    """The new model against the active one."""
    task = bars.add_task("network fitted", total=1, visible=len(split) >= LISTS_FOR_NETWORK)
    return challenge(
        learner.linear,
        split,
        partial(fresh, active),
        seed=seed,
        grown=partial(_completed, bars, task),
    )


def _completed(bars: Progress, task: TaskID, count: float) -> None:
    bars.update(task, completed=count)


def _period(history: History) -> dict[str, str | None]:
    """Days of the first and the last event."""
    if not len(history.events):
        return {"events_from": None, "events_to": None}
    first, last = (
        f"{datetime.fromtimestamp(ts_us / 1e6, UTC):%Y-%m-%d}"
        for ts_us in history.events.ts_us[[0, -1]].tolist()
    )
    return {"events_from": first, "events_to": last}


def _too_little(history: History, split: Split, begins: datetime | None, *, anew: bool) -> str:
    """Why there is nothing to compare; empty where there is."""
    if not len(history.events):
        return "no events are left in the log" if begins else "the log has no events yet"
    needed = LISTS_FOR_LINEAR if anew else LISTS_FOR_NETWORK
    if len(split) < needed:
        return f"too few lists to learn from: {len(split):,} of {needed:,}"
    return ""


def _activate(
    connection: Connection, settings: Settings, verdict: Verdict, history: History, *, anew: bool
) -> None:
    metrics = {name: msgspec.to_builtins(getattr(verdict, name)) for name in ("before", "after")}
    if anew:
        publish_model(connection, verdict.model, metrics, history.positions)
    elif verdict.model.network:
        publish_network(connection, verdict.model.network, metrics)
    publisher = Publisher(settings.redis_url)
    publisher.publish(SETTINGS, SettingsHint("model", time.time()))
    publisher.close()


def _told(found: dict[str, Any]) -> str:
    before, after = found["before"], found["after"]
    gone = f"The log begins with {found['log_begins']}: older months were dropped (vane retain)"
    if before is None:
        lines = [f"Nothing was activated: {found['reason']}"]
        return "\n".join([*lines, gone] if found["log_begins"] else lines)
    names = {"ndcg_10": "nDCG@10", "hr_10": "hit rate@10", "hr_20": "hit rate@20", "mrr_20": "MRR"}
    lines = [f"{'':12} {'before':>8} {'after':>8}"]
    lines += [f"{said:12} {before[name]:8.4f} {after[name]:8.4f}" for name, said in names.items()]
    lines.append(
        f"on the newest {after['targets']:,} targets, which the fit did not see; "
        f"{found['lists']:,} lists of {found['events']:,} events from {found['events_from']} to "
        f"{found['events_to']} in {found['seconds']:.0f} s"
    )
    if found["log_begins"]:
        lines.append(gone)
    lines.append("Activated" if found["activated"] else "Not better: kept the old model")
    return "\n".join(lines)
