"""`vane evaluate`: how good the lists are on a site's own log, beside other recommenders."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import Progress

from vane.baselines import (
    BASE_HALF_LIFE_S,
    DAY_S,
    HOUR_S,
    Bpr,
    Ease,
    ImplicitAls,
    ItemNeighbours,
    Popularity,
    Refitted,
)
from vane.cli.context import DataDir, Json, command_settings, data_folder
from vane.cli.evaluation_report import Report, draw
from vane.cli.live_system import LiveContender, LiveSystem, addressed, scratch_vane
from vane.cli.output import print_json
from vane.cli.progress import progress
from vane.cli.site_log import SiteLog, read_contents, read_site_log
from vane.contest import Contender, Contest
from vane.embedded.folder import Endpoints
from vane.errors import UsageError
from vane.evaluation import targets as draw_targets
from vane.rehearsal import read_history
from vane.replica import Events, Replica
from vane.settings import Settings, load_settings
from vane.store.connection import connect
from vane.study import Study
from vane.trial import Trial
from vane.tuning import Tuning

BASE = "popular, half-life 1 d"
REFITS = 5
"""Fits of each batch model and of the networks: where the last part begins, and at equal steps."""

TARGETS_MIN = 2
OWN_SEED = 1
"""What `vane tune` has by default."""

Rows = NDArray[np.int64]


class Case(NamedTuple):
    """What is replayed.

    Attributes:
        replica: with the catalogue, and nothing applied.
        events: in the order of time.
        positive: (n,) which are worth predicting.
        wanted: (n,) which Vane learns from.
        tuning: of lists and weights.
        log: the same as it was read, where it came from files.
    """

    replica: Replica
    events: Events
    positive: NDArray[np.bool_]
    wanted: NDArray[np.bool_]
    tuning: Tuning
    log: SiteLog | None


EventsFile = Annotated[
    Path | None,
    typer.Option(
        help="What happened, as for `vane load events`.", show_default="the running Vane's log"
    ),
]
ItemsFile = Annotated[
    Path | None,
    typer.Option(
        help="The catalogue, as for `vane load items`.", show_default="what the events name"
    ),
]


def evaluate(
    events: EventsFile = None,
    items: ItemsFile = None,
    targets: Annotated[int, typer.Option(min=TARGETS_MIN, help="Events to predict.")] = 5_000,
    from_share: Annotated[
        float, typer.Option("--from", min=0.05, max=0.99, help="Predict behind this share.")
    ] = 0.8,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of the targets.")] = 7,
    through_api: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--through-api", help="Ask a whole Vane, over Kafka and HTTP.")
    ] = False,
    baselines: Annotated[  # noqa: FBT002
        bool, typer.Option("--baselines", help="Also fit item-kNN, EASE, ALS and BPR.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for table, figures and plot.", show_default="none")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
    data_dir: DataDir = None,
) -> None:
    """How good the lists are on a log, beside other recommenders.

    Each event is predicted first, and learned after. Vane learns from the first part, then predicts
    a sample of the positive events of the rest in turn, each from what came before it: in this
    process, or with `--through-api` by a whole Vane, started for it, or the empty one by the clock
    of the events (VANE_CLOCK=event) that `--data-dir` names.
    Without files it replays the log of the running Vane, which goes on meanwhile.

    Example: `vane evaluate --items items.jsonl.gz --events events.csv.gz --baselines --out quality`
    """
    started = time.monotonic()
    if through_api and events is None:
        raise UsageError("--through-api replays a file: name it with --events")
    with progress() as bars:
        case = _case(items, events, data_dir, from_share, bars, replayed=through_api)
        low, rows = _targets(case, targets, from_share, seed)
        contest = Contest(case.events, len(case.replica.table), case.replica.units)
        refits = [low + (len(case.events) - low) * k // REFITS for k in range(1, REFITS)]
        others = _others(case, contest, refits, seed, all_of_them=baselines)
        with _vane(case, refits, data_dir, bars, through_api=through_api) as vane:
            task = bars.add_task("events predicted", total=len(case.events))
            contest.run([vane, *others], low, rows, lambda done: bars.update(task, completed=done))
    shown = case.replica.table.selectable(np.arange(len(case.replica.table)))
    report = Report(
        mode="through the API" if through_api else "in process",
        events=len(case.events),
        users=len(np.unique(case.events.user)),
        items=int(shown.sum()),
        targets=len(rows),
        from_share=from_share,
        seed=seed,
        base=BASE,
        seconds=round(time.monotonic() - started, 1),
        methods=contest.figures(int(shown.sum()), BASE, seed),
    )
    _give(report, out, as_json=as_json)


def _case(
    items: Path | None,
    events: Path | None,
    data_dir: Path | None,
    share: float,
    bars: Progress,
    *,
    replayed: bool,
) -> Case:
    """From files, or from the database of a running Vane."""
    if events is None:
        if items is not None:
            raise UsageError("--items alone: name what happened with --events")
        return _running_case(command_settings(data_dir, needs=["database_url"]))
    settings, tuning = load_settings(os.environ), Tuning()
    log = read_site_log(items, events, settings, tuning, share)
    task = bars.add_task("items embedded", total=len(log.catalogue))
    vectors = np.zeros((len(log.ids), 1), np.float32)
    contents = read_contents(
        log.catalogue, settings, _cache(), lambda done: bars.update(task, completed=done)
    )
    if contents.any():
        vectors = np.zeros((len(log.ids), contents.shape[1]), np.float32)
        vectors[: len(contents)] = contents
    bars.update(task, completed=len(log.catalogue), visible=not replayed)
    replica = Replica(log.table(), vectors, tuning.half_lives_s)
    return Case(replica, log.events, log.positive, log.wanted, tuning, log)


def _running_case(settings: Settings) -> Case:
    with connect(settings, "vane evaluate") as connection:
        study = Study.begin(connection, settings)
        events, wanted, _ = read_history(connection, study, settings.learning_events_max)
    replica = study.replica
    may_be_shown = replica.table.selectable(np.arange(len(replica.table)))
    return Case(replica, events, wanted & may_be_shown[events.item], wanted, study.tuning, None)


def _targets(case: Case, count: int, share: float, seed: int) -> tuple[int, Rows]:
    """The first row that may be a target, and the targets.

    Raises:
        UsageError: there are too few.
    """
    events = case.events
    low = round(share * len(events))
    rows = draw_targets(events, case.positive, low, len(events), count, seed)
    if len(rows) < TARGETS_MIN:
        raise UsageError(
            f"{len(events):,} events with {len(rows)} to predict behind the first {share:.0%}: "
            "needed are positive events of users with an earlier one, on items new to them"
        )
    return low, rows


def _others(
    case: Case, contest: Contest, refits: list[int], seed: int, *, all_of_them: bool
) -> list[Contender]:
    shown = case.replica.table.selectable(np.arange(len(case.replica.table)))
    events, past = case.events, contest.past
    others: list[Contender] = [
        Popularity(events, past, shown, half_life_s, name)
        for half_life_s, name in (
            (BASE_HALF_LIFE_S, BASE),
            (HOUR_S, "popular, half-life 1 h"),
            (7 * DAY_S, "popular, half-life 7 d"),
            (np.inf, "popular, all time"),
        )
    ]
    if all_of_them:
        others += [
            Refitted(events, past, shown, model, refits, name)
            for model, name in (
                (ItemNeighbours(), "item-kNN, cosine"),
                (Ease(), "EASE"),
                (ImplicitAls(seed), "ALS, user folded in"),
                (Bpr(seed), "BPR"),
            )
        ]
    return others


@contextmanager
def _vane(
    case: Case, refits: list[int], data_dir: Path | None, bars: Progress, *, through_api: bool
) -> Iterator[Contender]:
    if not through_api or case.log is None:
        task = bars.add_task("events learned", total=len(case.events))
        yield Trial(
            case.replica,
            case.events,
            case.wanted,
            rules=case.tuning.diversity,
            refits=refits,
            seed=OWN_SEED,
            advance=lambda done: bars.update(task, completed=done),
        )
        return
    tasks = {name: bars.add_task(name, visible=False) for name in ("items", "events", "tuning")}

    def told(name: str, done: int, total: int) -> None:
        bars.update(tasks[name], completed=done, total=total, visible=True)

    with ExitStack() as opened:
        endpoints = _running(data_dir) or opened.enter_context(scratch_vane())
        settings = addressed(load_settings(os.environ), endpoints)
        connection = opened.enter_context(connect(settings, "vane evaluate"))
        yield LiveContender(case.log, LiveSystem(endpoints, settings, connection, told))


def _running(data_dir: Path | None) -> Endpoints | None:
    """The Vane that the caller names; None where nobody is named."""
    if data_dir is None:
        return None
    endpoints = data_folder(data_dir).read_endpoints()
    if endpoints is None:
        raise UsageError(f"no vane up is running on {data_dir}: start it, or leave --data-dir out")
    return endpoints


def _cache() -> Path:
    """Where vectors of texts stay from one evaluation to the next."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vane"


def _give(report: Report, out: Path | None, *, as_json: bool) -> None:
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / "evaluation.md").write_text(report.markdown(), encoding="utf-8")
            (out / "evaluation.json").write_bytes(
                msgspec.json.format(msgspec.json.encode(report)) + b"\n"
            )
        except OSError as error:
            raise UsageError(f"--out {out}: {error.strerror}") from error
        if not draw(report.methods, out / "evaluation.png"):
            typer.echo("no plot: matplotlib is not installed", err=True)
    if as_json:
        print_json(report)
    else:
        typer.echo(report.markdown(), nl=False)
