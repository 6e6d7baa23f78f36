"""Faults of processes and servers: gone, frozen, twice, not watched."""

import signal
from threading import Event, Thread

from tests.ops.drill.site import PATIENCE_S, Site
from tests.running import wait_until
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.positions import Stream, take_position

FLOW = "interactions"
FLOOD_EVENTS = 101_000
FLOOD_USERS = 20
RIVAL_PACE_S = 0.8
OPERATOR_NEEDED = 78


def kill_monitor(site: Site) -> None:
    site.kill("monitor")


def start_monitor(site: Site) -> None:
    site.do("VaneMonitorAbsent", PORT=str(site.ports["vane-monitor"]))


def rename_jobs(site: Site) -> None:
    """Somebody names the jobs anew."""
    site.prometheus.configure({name: name.replace("vane", "shop") for name in site.ports})
    site.prometheus.reload()


def name_jobs_back(site: Site) -> None:
    assert "shop-monitor" in site.look("VaneAbsent")
    site.prometheus.configure()
    assert "SUCCESS" in site.do("VaneAbsent")


def kill_flow(site: Site) -> None:
    site.kill(FLOW)


def start_flow(site: Site) -> None:
    site.do("VaneTargetDown", FLOW=FLOW)


def freeze_flow(site: Site) -> None:
    site.freeze(FLOW)


def replace_flow(site: Site) -> None:
    pid = str(site.processes[FLOW].pid)
    assert pid in site.look("VanePartitionStuck")
    assert FLOW in site.look("VaneLag")
    site.do("VanePartitionStuck", PID=pid, FLOW=FLOW)
    site.do("VaneLag")


def stop_postgres(site: Site) -> None:
    site.postgres.stop()


def start_postgres(site: Site) -> None:
    for alert in ("VaneFallbacks", "VaneDependencyDown"):
        assert "postgres" in site.look(alert)
        site.do(alert)
    for burn in ("Fast", "Slow", "Leak"):
        assert "postgres" in site.look(f"VaneFreshness{burn}")
        site.do(f"VaneFreshness{burn}")
    site.postgres.start()


def freeze_kafka(site: Site) -> None:
    """Without PostgreSQL callers still get lists; without Kafka their events get a 503."""
    site.kafka.pause()


def thaw_kafka(site: Site) -> None:
    for burn in ("Fast", "Slow", "Leak"):
        assert "kafka" in site.look(f"VaneAvailability{burn}")
        site.do(f"VaneAvailability{burn}")
    site.kafka.resume()


def stop_redis(site: Site) -> None:
    site.redis.stop()


def start_redis(site: Site) -> None:
    assert "redis" in site.look("VaneHintsLost")
    site.do("VaneHintsLost")
    site.redis.start()


def stop_trends(site: Site) -> None:
    """While flow trends is away, more happens than the alert allows it to miss."""
    site.kill("trends", signal.SIGTERM)
    events = (
        site.view(number, user_id=f"flood-{number % FLOOD_USERS}", item_id=f"i{number % 5}")
        for number in range(FLOOD_EVENTS)
    )
    site.produce("user-interactions", events)


def start_trends(site: Site) -> None:
    assert "trends" in site.look("VaneTrendsBehind")
    site.do("VaneTrendsBehind")


class Rival(Thread):
    """A second deployment of the same share, which begins again and again.

    It does in this process what a worker does first: a Python that starts takes too long.
    """

    def __init__(self, database_url: str) -> None:
        super().__init__(name="rival", daemon=True)
        self._settings, self._over = Settings(database_url=database_url), Event()

    def run(self) -> None:
        with connect(self._settings, "drill") as connection:
            sql = "select max(log_id) from stream_position where flow = %s"
            [(log_id,)] = connection.execute(sql, [FLOW]).fetchall()
            stream = Stream(FLOW, log_id, 0)
            while not self._over.wait(RIVAL_PACE_S):
                take_position(connection, stream, start=0, owner=f"{FLOW} 0/1 elsewhere 1")

    def end(self) -> None:
        """Begin no more."""
        self._over.set()
        self.join()


def start_rival(site: Site) -> None:
    site.kill(FLOW)
    site.supervise(FLOW)
    rival = Rival(site.postgres.uri)
    rival.start()
    site.at_end.append(rival.end)


def stop_rival(site: Site) -> None:
    wait_until(lambda: "elsewhere" in site.look("VaneFencing"), PATIENCE_S, "it has one owner")
    site.at_end.pop()()
    site.stop_supervised()
    site.do("VaneFencing")
    site.launch("vane flow interactions")


def open_gap(site: Site) -> None:
    """Retention is faster than a flow that is away."""
    site.kill(FLOW, signal.SIGTERM)
    stood = site.offset()
    site.produce("user-interactions", (site.view(number) for number in range(50)))
    site.delete_records("user-interactions", stood + 20)


def accept_gap(site: Site) -> None:
    flow = site.launch("vane flow interactions")
    assert flow.wait(PATIENCE_S) == OPERATOR_NEEDED
    said = site.log(FLOW).read_text().rpartition("vane accept-gap ")[2].split()
    names = dict(zip(("FLOW", "TOPIC", "PARTITION"), said, strict=False))
    site.do("VaneLogGap", **names)
    stood = site.offset()
    wait_until(lambda: site.offset() > stood, PATIENCE_S, "the flow does not go on")
