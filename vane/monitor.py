"""What no single process knows: lag from outside, health of tables and servers, audits."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vane import installation_metrics as names
from vane import server_metrics as servers
from vane.audit import audit_user
from vane.bus import count_shown, redis_health
from vane.drift import WINDOWS_S, Floats, History, moved, turned
from vane.errors import Unavailable, UnusableTuning
from vane.kafka_admin import Bounds, TopicEnds
from vane.lag_watch import LagWatch
from vane.meter import Gauge, Meter
from vane.settings import Settings
from vane.store import health
from vane.store.connection import Connection, connect
from vane.store.models import default_model, read_model
from vane.store.retention import log_state
from vane.store.tuning import read_tuning
from vane.store.verification import open_snapshot
from vane.tuning import Tuning

AUDIT_USERS = 20
"""Users of one audit."""

_log = logging.getLogger(__name__)


class Monitor:
    """Readings of one installation, taken into the cells of a meter.

    Every method takes one kind of reading and tells by `vane_dependency_up` where a server does not
    answer; none raises for that. Not thread-safe.
    """

    def __init__(
        self, settings: Settings, numbers: Meter, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings, self._numbers, self._clock = settings, numbers, clock
        self._ends = TopicEnds(settings.kafka_bootstrap)
        self._lags: dict[tuple[str, str], LagWatch] = {}
        self._database: Connection | None = None
        self._rows: list[health.StreamRow] = []
        self._bounds: dict[tuple[str, int], Bounds] = {}
        self._users = self._shown_most = 0
        self._model = default_model()
        self._histories: dict[tuple[str, str], History] = {}
        self._audited = {
            result: numbers.counter(names.AUDITED_USERS, result)
            for result in ("equal", "different")
        }
        self._half_lives_s = Tuning().half_lives_s
        self._gauge(names.AUDIT_TIME, clock())

    def close(self) -> None:
        """Close all connections."""
        self._ends.close()
        self._forget_database()

    def look_at_streams(self) -> None:
        """Positions and the ends of the logs; where PostgreSQL is away, the logs still grow."""
        with self._probing("postgres"):
            self._rows = health.streams(self._connected())
            self._outcomes()
            self._readers()
        with self._probing("kafka"):
            self._gauge(servers.KAFKA_BROKERS, self._ends.brokers())
            self._bounds = self._ends.bounds([(row.topic, row.partition) for row in self._rows])
        for row in self._rows:
            self._stream(row, *self._bounds.get((row.topic, row.partition), (0, 0)))

    def look_at_servers(self) -> None:
        """Redis, and the sessions of PostgreSQL."""
        with self._probing("redis"):
            found = redis_health(self._settings.redis_url)
            self._gauge(servers.REDIS_MEMORY, found.memory_bytes)
            self._gauge(servers.REDIS_CLIENTS, found.clients)
            self._numbers.counter(servers.REDIS_COMMANDS).value = found.commands
        with self._probing("postgres"):
            sessions = health.sessions(self._connected())
            for state in ("active", "idle", "idle_in_transaction"):
                self._gauge(servers.POSTGRES_CONNECTIONS, getattr(sessions, state), state)
            self._gauge(servers.POSTGRES_WAITING, sessions.waiting)
            self._gauge(servers.POSTGRES_LONGEST, sessions.longest_s)

    def survey(self) -> None:
        """What changes slowly and costs more to read: contents, tables, index, models."""
        with self._probing("postgres", timed=False):
            connection = self._connected()
            items = self._contents(connection)
            self._tables(connection)
            self._index(connection, items)
            self._server(connection)
            self._tastes(connection, items)
            self._ranking(connection)
            log, now_s = log_state(connection), self._clock()
            self._gauge(names.LOG_AGE, now_s - (log.oldest_s or now_s))
            self._gauge(names.LOG_CHECKPOINT_AGE, now_s - (log.checkpoint_s or now_s))
        with self._probing("redis", timed=False):
            for window, span_s in WINDOWS_S.items():
                shown = count_shown(self._settings.redis_url, round(span_s), self._clock())
                self._gauge(names.COVERAGE, min(1.0, shown / max(self._shown_most, 1)), window)

    def audit(self) -> None:
        """Recompute the state of some users from the log, as `vane verify --user` does."""
        with self._probing("postgres", timed=False):
            connection = self._connected()
            self._take_tuning(connection)
            users = health.sample_users(connection, self._users, AUDIT_USERS)
            for user in users:
                with open_snapshot(connection) as snapshot:
                    report = audit_user(snapshot, self._half_lives_s, user)
                self._audited["different" if report.mismatches else "equal"].add()
                if report.mismatches:
                    _log.error("the state of a user differs from the log: vane verify names it")
            self._gauge(names.AUDIT_TIME, self._clock())

    def _take_tuning(self, connection: Connection) -> None:
        """Broken settings have an alert of their own; the last good ones go on."""
        try:
            self._half_lives_s = read_tuning(connection)[0].half_lives_s
        except UnusableTuning as error:
            _log.warning("%s; the last good ones go on", error)

    def _stream(self, row: health.StreamRow, low: int, high: int) -> None:
        labels = row.flow, str(row.partition)
        lag = self._lags.setdefault(labels, LagWatch())
        end = max(row.end_offset, high)
        lag.look(self._clock(), row.next_offset, end)
        self._gauge(names.LOG_LAG_EVENTS, lag.events, *labels)
        self._gauge(names.LOG_LAG_SECONDS, lag.seconds, *labels)
        self._gauge(names.LOG_STALLED_SECONDS, lag.stalled_s, *labels)
        self._gauge(names.LOG_EPOCH, row.epoch, *labels)
        self._numbers.counter(names.LOG_FENCED, *labels).value = row.fenced
        self._gauge(names.LOG_GAP_EVENTS, max(low - row.next_offset, 0), *labels)
        self._numbers.counter(servers.KAFKA_END, *labels).value = end

    def _outcomes(self) -> None:
        for flow, counts in health.outcomes(self._connected()).items():
            for outcome, count in zip(names.OUTCOMES, counts, strict=True):
                self._numbers.counter(names.LOG_MESSAGES, flow, outcome).value = count

    def _readers(self) -> None:
        for row in health.readers(self._connected()):
            labels = row.table, str(row.partition)
            lag = self._lags.setdefault(labels, LagWatch())
            lag.look(self._clock(), row.next_offset, row.end_offset)
            self._gauge(names.READER_LAG_EVENTS, lag.events, *labels)
            self._gauge(names.READER_LAG_SECONDS, lag.seconds, *labels)

    def _contents(self, connection: Connection) -> int:
        """Returns how many items have text and may be shown."""
        found = health.contents(connection)
        self._users, self._shown_most = found.users, found.available + found.without_text
        self._gauge(names.TRENDS_LAG, found.trends_lag)
        self._gauge(names.PENDING, found.pending)
        self._gauge(names.PENDING_SECONDS, found.oldest_s)
        self._gauge(names.USERS, found.users)
        for state in ("available", "unavailable", "without_text"):
            self._gauge(names.ITEMS, getattr(found, state), state)
        return found.available

    def _tastes(self, connection: Connection, items: int) -> None:
        found = health.tastes(connection, self._users)
        self._gauge(names.TASTE_DRIFT, found.drift)
        self._gauge(names.VECTOR_LENGTH, found.long_length, "long")
        self._gauge(names.VECTOR_LENGTH, found.short_length, "short")
        means = {"long": found.long, "short": found.short}
        for which, mean in (means | {"items": health.item_direction(connection, items)}).items():
            if mean is not None:
                self._moved(names.VECTOR_SHIFT, which, mean, turned)

    def _ranking(self, connection: Connection) -> None:
        for part, age_s in health.model_ages_s(connection).items():
            self._gauge(names.MODEL_AGE, age_s, part)
        self._model = read_model(connection, self._model).model
        self._moved(names.MODEL_SHIFT, "linear", self._model.linear.flat, moved)
        if self._model.network is not None:
            self._moved(names.MODEL_SHIFT, "network", self._model.network.flat, moved)

    def _moved(
        self, metric: Gauge, which: str, value: Floats, distance: Callable[[Floats, Floats], float]
    ) -> None:
        """How far something is from where it was, for each window."""
        history, now_s = self._histories.setdefault((metric.name, which), History()), self._clock()
        history.put(now_s, value)
        for window, span_s in WINDOWS_S.items():
            self._gauge(metric, distance(value, history.before(now_s, span_s)), which, window)

    def _tables(self, connection: Connection) -> None:
        for row in health.tables(connection):
            if row.name not in servers.TABLES:
                continue
            self._gauge(servers.TABLE_ROWS, row.live, row.name, "live")
            self._gauge(servers.TABLE_ROWS, row.dead, row.name, "dead")
            self._gauge(servers.TABLE_BYTES, row.bytes, row.name)
            if row.vacuum_s is not None:
                self._gauge(servers.TABLE_VACUUM_SECONDS, row.vacuum_s, row.name)
            self._numbers.counter(servers.TABLE_UPDATES, row.name, "hot").value = row.hot
            self._numbers.counter(servers.TABLE_UPDATES, row.name, "indexed").value = row.indexed

    def _index(self, connection: Connection, items: int) -> None:
        scans, entries, size = health.hnsw_index(connection)
        self._numbers.counter(servers.INDEX_SCANS).value = scans
        self._numbers.counter(servers.INDEX_TUPLES).value = entries
        self._gauge(servers.INDEX_BYTES, size)
        found = health.probe_index(connection, items)
        if found is not None:
            self._gauge(servers.PROBE_ROWS, found.kept, "kept")
            self._gauge(servers.PROBE_ROWS, found.removed, "removed")
            self._gauge(servers.PROBE_PAGES, found.pages_hit, "hit")
            self._gauge(servers.PROBE_PAGES, found.pages_read, "read")
            self._gauge(servers.PROBE_INDEXED, found.indexed)

    def _server(self, connection: Connection) -> None:
        found = health.database(connection)
        for metric, label, value in (
            (servers.POSTGRES_TRANSACTIONS, "commit", found.xact_commit),
            (servers.POSTGRES_TRANSACTIONS, "rollback", found.xact_rollback),
            (servers.POSTGRES_BLOCKS, "hit", found.blks_hit),
            (servers.POSTGRES_BLOCKS, "read", found.blks_read),
        ):
            self._numbers.counter(metric, label).value = value
        self._numbers.counter(servers.POSTGRES_DEADLOCKS).value = found.deadlocks
        self._numbers.counter(servers.POSTGRES_WAL).value = found.wal_bytes
        self._gauge(servers.POSTGRES_BYTES, found.bytes)
        self._gauge(servers.POSTGRES_FROZEN, found.wraparound)
        self._gauge(servers.POSTGRES_CONNECTIONS_MAX, found.connections_max)

    def _gauge(self, metric: Gauge, value: float, *labels: str) -> None:
        self._numbers.gauge(metric, *labels).set(value)

    @contextmanager
    def _probing(self, server: str, *, timed: bool = True) -> Iterator[None]:
        """Tell whether the server answers, and how soon."""
        up, began = self._numbers.gauge(names.DEPENDENCY_UP, server), time.perf_counter()
        try:
            yield
        except Unavailable as error:
            if up.value:
                _log.warning("%s", error)
            up.set(0)
            if server == "postgres":
                self._forget_database()
        else:
            up.set(1)
            if timed:
                self._gauge(names.PROBE_SECONDS, time.perf_counter() - began, server)

    def _connected(self) -> Connection:
        if self._database is None:
            self._database = connect(self._settings, "vane monitor")
        return self._database

    def _forget_database(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
