"""Faults of data: wrong events, wrong rows, sessions that hold what others need, a disk."""

import re

from psycopg.types.json import Jsonb

from tests.ops.drill.pace import expression
from tests.ops.drill.site import PATIENCE_S, Site
from tests.ops.drill.traffic import nothing
from tests.running import wait_until
from vane.embedded.postgres import BIN
from vane.embedded.privileges import server_user
from vane.embedded.process import ServerProcess

DEAD_ROWS = 110_000
NEXT_TRANSACTION = 1_145 << 20
"""1.2 billion, where a segment of the commit log begins: 56 % of the limit."""
SEGMENT_BYTES = 1 << 18
SHARE_OF_CONNECTIONS = 0.9
WAL_BYTES = 480 << 20
SLOT = "forgotten"
HITS = 200
QUIET = "quiet"
FORGOTTEN = "report"
"""Name of an application that forgets its connections."""
UNHEARD_OF = "unheard-of"
"""An item that nobody sends."""


def send_unknown_action(site: Site) -> None:
    """A producer of its own, past the API, uses an action that nobody gave a weight."""
    site.users.beside = lambda: site.produce("user-interactions", [site.view(0, action="blink")])


def weigh_action(site: Site) -> None:
    assert "unknown action" in site.look("VaneDeadLetters")
    site.users.beside = nothing
    site.do("VaneDeadLetters", ACTION="blink")


def run_ahead(site: Site) -> None:
    site.users.ahead = True


def set_clock(site: Site) -> None:
    assert "writer-" in site.look("VaneClamped")
    site.users.ahead = False
    site.do("VaneClamped")


def name_unknown_item(site: Site) -> None:
    site.produce("user-interactions", [site.view(0, item_id=UNHEARD_OF)])
    wait_until(lambda: site.query("select 1 from pending"), PATIENCE_S, "it does not wait")


def send_item(site: Site) -> None:
    assert UNHEARD_OF in site.look("VanePendingOld")
    site.do("VanePendingOld", ITEM=UNHEARD_OF, TITLE="a red car")


def write_by_hand(site: Site) -> None:
    """Of a user who does nothing more: the next event would put a state of the flow over it."""
    quiet = [site.view(number, user_id=QUIET) for number in range(3)]
    site.produce("user-interactions", quiet)
    known = "select 1 from user_preference where user_id = %s"
    wait_until(lambda: site.query(known, QUIET), PATIENCE_S, "the user is not known")
    site.query("update user_preference set mass_long = mass_long + 1 where user_id = %s", QUIET)


def rebuild_user(site: Site) -> None:
    assert QUIET in site.look("VaneAuditMismatch")
    site.do("VaneAuditMismatch", USER=QUIET)


def break_settings(site: Site) -> None:
    """After a change by the book: the history has a version to go back to."""
    site.change_settings({"action_weights": {"like": 2.0}})
    site.query("update setting set version = version + 1, value = %s", Jsonb({"action_weights": 1}))


def restore_settings(site: Site) -> None:
    seen = site.look("VaneSettingsBroken")
    assert '{"action_weights": 1}' in seen
    versions = re.findall(r"^ +(\d+) \| \w", seen, re.MULTILINE)
    site.do("VaneSettingsBroken", GOOD=versions[0])


def take_connections(site: Site) -> None:
    """A report opens connections and forgets them."""
    [(limit, used)] = site.query(
        "select current_setting('max_connections')::int, count(*) from pg_stat_activity"
        " where datname = current_database()"
    )
    for _ in range(int(limit * SHARE_OF_CONNECTIONS) - used):
        site.hold(application_name=FORGOTTEN)


def end_forgotten(site: Site) -> None:
    assert FORGOTTEN in site.look("VanePostgresConnections")
    site.do("VanePostgresConnections", NAME=FORGOTTEN)


def hold_transaction(site: Site) -> None:
    """Somebody's psql stays in a transaction, while rows are deleted that it might still see."""
    reader = site.hold(application_name="psql")
    reader.execute("begin isolation level repeatable read")
    reader.execute("select count(*) from pending").fetchall()
    site.query(
        "insert into pending"
        ' (log_id, partition, "offset", recorded_at, user_id, item_id, ts, weight)'
        " select 0, 0, n, now(), 'u', 'i', now(), 1 from generate_series(1, %s) n",
        DEAD_ROWS,
    )
    site.query("delete from pending where log_id = 0")


def end_transaction(site: Site) -> None:
    seen = site.look("VanePostgresLongTransaction")
    holder = re.search(r"(\d+) \| psql +\| idle in transaction", seen)
    assert holder is not None, seen
    assert re.search(r"pending +\| +\d+ \| +1\d{5} ", site.look("VanePostgresBloat"))
    site.do("VanePostgresLongTransaction", PID=holder[1])
    site.do("VanePostgresBloat", TABLE="pending")


def lock_log(site: Site) -> None:
    """An `alter table` that was never committed."""
    site.hold(application_name="psql").execute("begin; lock table interaction")


def unlock_log(site: Site) -> None:
    seen = site.look("VaneAuditStale")
    holder = re.search(r"\{(\d+)\}", seen)
    assert holder is not None, seen
    site.do("VaneAuditStale", PID=holder[1])


def age(site: Site) -> None:
    """The server is 1.2 billion transactions old, and one table cannot be frozen."""
    site.postgres.stop()
    set_next_transaction(site)
    site.postgres.start()
    site.hold(application_name="psql").execute("begin; lock table account in share mode")


def set_next_transaction(site: Site) -> None:
    """By the server's user: `pg_resetwal` refuses root."""
    data = site.folder / "postgres"
    segment = data / "pg_xact" / f"{NEXT_TRANSACTION >> 20:04X}"
    script = f'truncate -s {SEGMENT_BYTES} "$0" && exec "$@"'
    reset = [str(BIN / "pg_resetwal"), "-f", "-x", str(NEXT_TRANSACTION), str(data)]
    command = ["/bin/sh", "-c", script, str(segment), *reset]
    log = site.log("resetwal")
    process = ServerProcess("resetwal", command, log=log, user=server_user(), dac_override=True)
    status = process.wait(PATIENCE_S)
    process.kill()
    assert status == 0, process.tail()


def freeze(site: Site) -> None:
    seen = site.look("VanePostgresWraparound")
    holder = re.search(r"\{(\d+)\} +\| autovacuum", seen)
    assert holder is not None, seen
    site.do("VanePostgresWraparound", PID=holder[1])


def fill_disk(site: Site) -> None:
    """A replication slot that nobody reads keeps all WAL."""
    site.query("select pg_create_physical_replication_slot(%s, true)", SLOT)
    for _ in range(WAL_BYTES // (48 << 20)):
        site.query("select pg_logical_emit_message(false, 'drill', repeat('x', %s))", 48 << 20)


def drop_slot(site: Site) -> None:
    assert SLOT in site.look("VaneDiskFull")
    site.do("VaneDiskFull", SLOT=SLOT)


def scatter_calls(site: Site) -> None:
    """On a day that had hits."""
    enough = expression(f'sum(increase(vane_api_cache_total{{result="hit"}}[1d])) > {HITS}')
    wait_until(lambda: site.prometheus.value(enough), PATIENCE_S, "no hits")
    site.users.scattered = True


def gather_calls(site: Site) -> None:
    assert "vane_api_cache_total" in site.look("VaneCacheCollapse")
    site.users.scattered = False
    site.do("VaneCacheCollapse")
