"""Which fault makes each alert fire, and what is done about it: the pages quote the faults."""

from collections.abc import Callable
from typing import NamedTuple

from tests.ops.drill import damage, outages
from tests.ops.drill.site import Site


class Drill(NamedTuple):
    """One fault.

    Attributes:
        fault: what is done, as the pages tell it.
        alerts: which fire for it; their pages are followed.
        inject: does it.
        cure: carries out what the pages say.
    """

    fault: str
    alerts: tuple[str, ...]
    inject: Callable[[Site], None]
    cure: Callable[[Site], None]


BURNS = ("Fast", "Slow", "Leak")
FRESHNESS = tuple(f"VaneFreshness{burn}" for burn in BURNS)
AVAILABILITY = tuple(f"VaneAvailability{burn}" for burn in BURNS)

ROUNDS: dict[str, tuple[Drill, ...]] = {
    "an old server": (
        Drill("`pg_resetwal` set the next transaction id of the stopped server to 1.2 billion, and"
              " a session that held a lock on table `account` kept autovacuum from freezing it.",
              ("VanePostgresWraparound",), damage.age, damage.freeze),
    ),
    "processes": (
        Drill("`kill -9` of `vane monitor`.",
              ("VaneMonitorAbsent",), outages.kill_monitor, outages.start_monitor),
        Drill("`kill -9` of flow interactions, which nobody started again.",
              ("VaneTargetDown",), outages.kill_flow, outages.start_flow),
    ),
    "lag": (
        Drill("Flow interactions stopped in its tracks (SIGSTOP).",
              ("VanePartitionStuck", "VaneLag"), outages.freeze_flow, outages.replace_flow),
    ),
    "scraping": (
        Drill("The jobs of Prometheus' configuration were named anew, without `vane`.",
              ("VaneAbsent",), outages.rename_jobs, outages.name_jobs_back),
    ),
    "Redis": (
        Drill("Redis was stopped.", ("VaneHintsLost",), outages.stop_redis, outages.start_redis),
    ),
    "owners": (
        Drill("A second owner took the partition once a second, as a worker does first; flow"
              " interactions was fenced off for real, and its supervisor started it again.",
              ("VaneFencing",), outages.start_rival, outages.stop_rival),
    ),
    "retention": (
        Drill("Flow interactions was stopped, and Kafka was told to delete 20 messages that it had"
              " not read.", ("VaneLogGap",), outages.open_gap, outages.accept_gap),
    ),
    "producers": (
        Drill("A producer sent events with an action that has no weight, directly to Kafka.",
              ("VaneDeadLetters",), damage.send_unknown_action, damage.weigh_action),
        Drill("A producer's clock was an hour ahead.",
              ("VaneClamped",), damage.run_ahead, damage.set_clock),
        Drill("An event on an item that nobody had sent.",
              ("VanePendingOld",), damage.name_unknown_item, damage.send_item),
        Drill("A user's row was changed by hand: one more in `mass_long`.",
              ("VaneAuditMismatch",), damage.write_by_hand, damage.rebuild_user),
    ),
    "sessions": (
        Drill("An application opened connections up to 90 % of `max_connections` and forgot them.",
              ("VanePostgresConnections",), damage.take_connections, damage.end_forgotten),
        Drill("A session stayed in a transaction while 110,000 rows of `pending` were written and"
              " deleted.", ("VanePostgresLongTransaction", "VanePostgresBloat"),
              damage.hold_transaction, damage.end_transaction),
        Drill("The settings were overwritten by hand with what Vane cannot read.",
              ("VaneSettingsBroken",), damage.break_settings, damage.restore_settings),
    ),
    "callers": (
        Drill("Every call for a list named another user or another `limit`.",
              ("VaneCacheCollapse",), damage.scatter_calls, damage.gather_calls),
        Drill("A replication slot that nobody reads kept 480 MB of WAL. The disk was one by"
              " account: 512 MB for PostgreSQL's folder, told by an exporter of ours under the"
              " names of node_exporter.", ("VaneDiskFull",), damage.fill_disk, damage.drop_slot),
    ),
    "trends": (
        Drill("Flow trends was stopped, and 101,000 events were sent.",
              ("VaneTrendsBehind",), outages.stop_trends, outages.start_trends),
    ),
    "a lock": (
        Drill("A session locked table `interaction`, and stayed in its transaction.",
              ("VaneAuditStale",), damage.lock_log, damage.unlock_log),
    ),
    "PostgreSQL": (
        Drill("PostgreSQL was stopped.", ("VaneDependencyDown", "VaneFallbacks", *FRESHNESS),
              outages.stop_postgres, outages.start_postgres),
    ),
    "Kafka": (
        Drill("Kafka was stopped in its tracks (SIGSTOP).",
              AVAILABILITY, outages.freeze_kafka, outages.thaw_kafka),
    ),
}  # fmt: skip
"""Faults that do not disturb each other, by round."""

QUICK = {"an old server", "processes", "lag", "scraping", "Redis", "retention", "sessions"}
"""Rounds of a few seconds each, which run unasked."""


def drilled() -> list[str]:
    """Alerts of all drills, each as often as it occurs."""
    return [a for drills in ROUNDS.values() for drill in drills for a in drill.alerts]
