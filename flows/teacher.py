"""Who learns in flow learning, publishes the weights, and has networks fitted in a thread."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import msgspec
import numpy as np
from numpy.typing import NDArray

from flows.meter import FlowMeter
from schemas.events import SettingsHint
from vane.bus import SETTINGS, Publisher
from vane.evaluation import LENGTH, rank
from vane.learning import (
    HELD_OUT_MAX,
    HELD_OUT_SHARE,
    LISTS_FOR_NETWORK,
    LISTS_KEPT,
    Learner,
    Observed,
    Verdict,
    challenge,
    served,
)
from vane.linear import LinearRanker
from vane.meter import Meter
from vane.metrics import LEARNING_STEP, LEARNING_TARGETS
from vane.network import NetworkRanker
from vane.ranking import Model
from vane.replica import Events
from vane.settings import Settings
from vane.store.connection import Connection
from vane.store.history import Acts
from vane.store.models import Positions, publish_learned, publish_network, read_model
from vane.study import Study

log = logging.getLogger(__name__)

BEHIND_SHARE = 0.05
"""While behind, this share of the events is learned from, whatever the pace."""

CATALOGUE_PAUSE_S = 60.0
UNKNOWN_PAUSE_S = 2.0
"""The catalogue is followed this often where events name items that are not in the replica's."""

RECALLED_AT_ONCE = 5_000
SEED = 1


class TargetsMeter:
    """Where the list that was predicted had the item that the user chose."""

    def __init__(self, numbers: Meter) -> None:
        self._places = {
            place: numbers.counter(LEARNING_TARGETS, place)
            for place in LEARNING_TARGETS.labels[0].values
        }

    def observed(self, target: Observed) -> None:
        """A target with its list."""
        if target.positive < 0:
            place = "missed"
        else:
            place = "top" if rank(target.scores, target.positive) <= LENGTH else "lower"
        self._places[place].add()


class _StoppedError(Exception):
    """The process ends before the network is fitted."""


class Teacher:
    """Learns from batches of the log, in the order of the calls.

    Attributes:
        connection: of this process.
        learned_before: where the stored weights have come to.
    """

    def __init__(
        self, settings: Settings, connection: Connection, stop: Event, meter: FlowMeter
    ) -> None:
        """Args: servers and pace, an own connection, what cuts a fit short, the numbers."""
        self.connection = connection
        self._settings, self._stop = settings, stop
        self._publisher = Publisher(settings.redis_url)
        self._active, self.learned_before = read_model(connection)
        self._study = Study.begin(connection, settings)
        self._learner = Learner(self._study.replica, Model(*_rankers(self._active)), SEED)
        self._learner.on_observed = TargetsMeter(meter.numbers).observed
        meter.numbers.gauge(LEARNING_STEP).follow(lambda: self._learner.linear.step_length)
        self._rng = np.random.default_rng(SEED)
        self._applied = 0
        self._published = self._begun = self._learner.linear.lists
        self._fitter = ThreadPoolExecutor(1, "fit")
        self._fit: Future[Verdict] | None = None
        self._fitted = self._served_lists or LISTS_FOR_NETWORK // 2
        self._adopted = 0
        now = time.monotonic()
        self._publish_due = now + settings.learning_publish_ms / 1_000
        self._fit_due = now + settings.learning_fit_s
        self._catalogue_read = now

    @property
    def full(self) -> bool:
        """Whether the replica holds so many events that it should be made anew."""
        return self._applied > 2 * self._settings.learning_events_max

    @property
    def _served_lists(self) -> int:
        """What the network that serves has learned from, as far as it counts; 0 without one."""
        network = self._learner.network
        return min(network.lists, LISTS_KEPT) if network else 0

    def forget(self) -> None:
        """Begin with an empty replica; what was learned stays."""
        self._study = Study.begin(self.connection, self._settings)
        self._learner.replica = self._study.replica
        self._applied = 0

    def recall(self, blocks: Sequence[Acts]) -> None:
        """Apply events that were learned from before."""
        events, _ = self._study.events(blocks)
        self._applied += len(events)
        for low in range(0, len(events), RECALLED_AT_ONCE):
            if self._stop.is_set():
                return
            self._learner.replica.apply(events.between(low, low + RECALLED_AT_ONCE))

    def learn(self, blocks: Sequence[Acts], positions: Positions, *, behind: bool) -> None:
        """Learn from some of these events, and see to weights and fits when they are due.

        Args:
            blocks: of the log; maybe none.
            positions: behind them.
            behind: whether more were committed already.
        """
        if blocks:
            events, wanted = self._study.events(blocks)
            self._follow_catalogue(events)
            self._applied += len(events)
            self._learner.take(events, self._sample(wanted, behind=behind))
        now = time.monotonic()
        if now >= self._publish_due:
            self._publish(positions)
            self._publish_due = now + self._settings.learning_publish_ms / 1_000
        self._see_to_fit(now)

    def close(self, positions: Positions) -> None:
        """Publish the weights, give up a fit, and leave the servers."""
        self._fitter.shutdown(wait=True, cancel_futures=True)
        self._publish(positions)
        self._publisher.close()
        self.connection.close()

    def _follow_catalogue(self, events: Events) -> None:
        table = self._learner.replica.table
        unknown = not table.filled[events.item].all()
        pause_s = UNKNOWN_PAUSE_S if unknown else CATALOGUE_PAUSE_S
        if time.monotonic() >= self._catalogue_read + pause_s:
            self._study.follow_catalogue()
            self._catalogue_read = time.monotonic()

    def _sample(self, wanted: NDArray[np.bool_], *, behind: bool) -> NDArray[np.int64]:
        """Rows to learn from: a batch is a second of a site's life, unless it is behind."""
        pace = self._settings.learning_targets_per_s
        most = max(pace, round(BEHIND_SHARE * len(wanted))) if behind and pace else pace
        rows = np.flatnonzero(wanted)
        return np.sort(self._rng.choice(rows, most, replace=False)) if len(rows) > most else rows

    def _publish(self, positions: Positions) -> None:
        """Let the weights serve; where others were activated meanwhile, go on from these."""
        learner = self._learner
        if learner.linear.lists == self._published:
            return
        linear, network = _rankers(learner.model)
        learned = replace(self._active, linear=linear, network=network)
        active = publish_learned(self.connection, learned, positions)
        if active is None:
            self._adopt()
        else:
            self._active = active
            self._publisher.publish(SETTINGS, SettingsHint("model", time.time()))
        self._published = learner.linear.lists

    def _adopt(self) -> None:
        """Go on from what others activated; a fit was held against what served before."""
        log.info("learning: goes on from another model that was activated")
        learner = self._learner
        self._adopted = learner.linear.lists - self._begun
        self._active = read_model(self.connection, self._active).model
        learner.linear, learner.network = _rankers(self._active)
        self._begun = learner.linear.lists - self._adopted
        self._fit, self._fitted = None, max(self._fitted, self._served_lists)

    def _see_to_fit(self, now: float) -> None:
        if self._fit is not None:
            if self._fit.done():
                fit, self._fit = self._fit, None
                self._judge(fit)
            return
        lists = self._learner.linear.lists - self._begun
        doubled = lists >= 2 * self._fitted and self._fitted < LISTS_KEPT
        if self._may_gain(lists) and (doubled or now >= self._fit_due):
            self._fitted, self._fit_due = lists, now + self._settings.learning_fit_s
            linear, _ = _rankers(self._learner.model)
            split = self._learner.lists.split()
            self._fit = self._fitter.submit(
                challenge, linear, split, served, seed=SEED, grown=self._stop_if_asked
            )

    def _may_gain(self, lists: int) -> bool:
        """Whether a network of so many lists may be better than what serves, and can be judged.

        One of far fewer lists than that has learned from would take its place by chance, and where
        another model ranked the held-out targets says nothing of this one.
        """
        held_out = min(HELD_OUT_SHARE * lists, HELD_OUT_MAX)
        enough = max(LISTS_FOR_NETWORK, self._served_lists / 2)
        return lists >= enough and lists - self._adopted >= held_out

    def _judge(self, fit: "Future[Verdict]") -> None:
        """Let the new network serve if it is better, and learn on."""
        try:
            verdict = fit.result()
        except _StoppedError:
            return
        before, after = msgspec.to_builtins(verdict.before), msgspec.to_builtins(verdict.after)
        said = f"nDCG@10 {verdict.before.ndcg_10:.4f} -> {verdict.after.ndcg_10:.4f}"
        network = verdict.model.network
        if network is None or not verdict.better:
            log.info("learning: a new network is not better, kept what serves: %s", said)
            return
        version = publish_network(
            self.connection,
            network,
            {"before": before, "after": after},
            instead_of=self._active.network_version,
        )
        if version is None:
            log.info("learning: a new network is left out, another was activated meanwhile")
            return
        self._active = replace(self._active, network=network, network_version=version)
        _, self._learner.network = _rankers(self._active)
        self._publisher.publish(SETTINGS, SettingsHint("model", time.time()))
        log.info("learning: a new network of %d lists serves: %s", network.lists, said)

    def _stop_if_asked(self, _share: float) -> None:
        if self._stop.is_set():
            raise _StoppedError


def _rankers(model: Model) -> tuple[LinearRanker, NetworkRanker | None]:
    """Copies that learn on while these serve."""
    linear, network = model.linear, model.network
    return (
        LinearRanker.from_bytes(linear.to_bytes(), linear.features),
        network and NetworkRanker.from_bytes(network.to_bytes(), network.features),
    )
