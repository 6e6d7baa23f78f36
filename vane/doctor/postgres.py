"""Is PostgreSQL set up and kept for what Vane does? Every check looks at a `Server`."""

from collections.abc import Iterator

from vane.doctor.check import Check, Fault, bytes_text, error, hint, time_text, warning
from vane.store.doctor import Server

VERSION_MIN = 140_000
VERSION_TESTED = 180_000
PGVECTOR_MIN = (0, 8, 4)
WAL_BYTES_MIN = 4 << 30
COMPLETION_MIN = 0.8
CHECKPOINTS_MIN = 20
CONNECTIONS_SHARE_MAX = 0.8
ROWS_MIN = 10_000
"""Tables with fewer rows or updates tell nothing."""
HOT_SHARE_MIN = 0.8
DEAD_SHARE_MAX = 0.5
WRAPAROUND_MAX = 0.5
SLOT_BYTES_MAX = 4 << 30
PAGE_COST_MAX = 2.0
USERS = "user_preference"


def version(server: Server) -> Iterator[Fault]:
    """The server, and pgvector."""
    major = server.version // 10_000
    if server.version < VERSION_MIN:
        yield error(f"PostgreSQL {major} is too old", f"update to {VERSION_MIN // 10_000} or newer")
    elif server.version < VERSION_TESTED:
        tested = VERSION_TESTED // 10_000
        yield hint(f"PostgreSQL {major}: Vane is tested with {tested}", f"plan to move to {tested}")
    if not server.pgvector:
        yield error("the database lacks pgvector", "install it on the server, then vane migrate")
        return
    numbers = tuple(int(part) for part in server.pgvector.split(".")[:3])
    if numbers < PGVECTOR_MIN:
        yield error(
            f"pgvector {server.pgvector} may damage the index of items",
            "install 0.8.4 or newer, then: alter extension vector update; reindex index "
            "concurrently item_content",
        )


def primary(server: Server) -> Iterator[Fault]:
    """Writes need the primary."""
    if server.replica:
        yield error(
            "VANE_DATABASE_URL leads to a replica, which takes no writes",
            "set it to the primary; with several hosts add target_session_attrs=read-write",
        )


def session(server: Server) -> Iterator[Fault]:
    """A pooler may drop what a session asks for."""
    if server.session_lock_timeout == "0":
        yield error(
            "the time-outs that Vane asks for are dropped on the way: a pooler?",
            "connect to PostgreSQL itself, or pool by sessions with ignore_startup_parameters "
            "left empty; migrations and locks of sessions need it",
        )


def memory(server: Server) -> Iterator[Fault]:
    """What every list reads should stay in memory."""
    buffers = server.bytes_of("shared_buffers")
    change = "raise shared_buffers to a quarter of the machine's memory, and restart PostgreSQL"
    if server.hnsw_bytes > buffers:
        yield warning(
            f"shared_buffers is {bytes_text(buffers)}, the HNSW index of items alone has "
            f"{bytes_text(server.hnsw_bytes)}: lists read from disk",
            change,
        )
    elif server.hot_bytes > buffers:
        yield hint(
            f"shared_buffers is {bytes_text(buffers)}, items, users and trends together have "
            f"{bytes_text(server.hot_bytes)}",
            change,
        )


def checkpoints(server: Server) -> Iterator[Fault]:
    """An event writes about 2 kB of WAL: a small max_wal_size makes checkpoints follow at once."""
    most = server.bytes_of("max_wal_size")
    timed, requested = server.checkpoints
    if timed + requested >= CHECKPOINTS_MIN and requested > timed:
        yield warning(
            f"{requested:,} of {timed + requested:,} checkpoints came early, as max_wal_size "
            f"({bytes_text(most)}) was full",
            "raise max_wal_size and reload: each early one writes every page in full again",
        )
    elif most < WAL_BYTES_MIN:
        yield hint(
            f"max_wal_size is {bytes_text(most)}: under load checkpoints follow one another",
            f"set it to {bytes_text(WAL_BYTES_MIN)} or more, and reload",
        )
    if float(server.parameters["checkpoint_completion_target"]) < COMPLETION_MIN:
        yield hint(
            "checkpoints are written in a hurry", "set checkpoint_completion_target to 0.9, reload"
        )


def compression(server: Server) -> Iterator[Fault]:
    """Full pages are most of the WAL, and vectors hardly get smaller."""
    if server.parameters["wal_compression"] in {"pglz", "on"}:
        yield hint(
            "wal_compression is pglz: vectors take twice the time to write and get no smaller",
            "set it to off, and reload",
        )


def durability(server: Server) -> Iterator[Fault]:
    """What a crash may cost."""
    for name in ("fsync", "full_page_writes"):
        if server.parameters[name] == "off":
            yield error(
                f"{name} is off: a crash of the machine may destroy the database",
                f"set {name} to on, and reload",
            )
    if server.parameters["synchronous_commit"] == "off":
        yield hint(
            "synchronous_commit is off: a crash may take back the last commits, positions and "
            "states together, so nothing is counted twice or lost",
            "set it to on where other tables of this database need it",
        )
    if server.parameters["data_checksums"] == "off":
        yield hint(
            "data_checksums is off: a disk that fails quietly is not noticed",
            "pg_checksums --enable while PostgreSQL is stopped",
        )


def connections(server: Server) -> Iterator[Fault]:
    """Every flow, API process and command needs some."""
    used, allowed = server.connections
    if used > CONNECTIONS_SHARE_MAX * allowed:
        yield warning(
            f"{used} of {allowed} connections are in use",
            "raise max_connections (an API process takes up to 8 and a few, a flow 3), or run "
            "fewer processes",
        )


def autovacuum(server: Server) -> Iterator[Fault]:
    """Rows of users are written all the time."""
    if server.parameters["autovacuum"] == "off":
        yield error("autovacuum is off: tables grow without end", "set it to on, and reload")
    for option in server.users_table:
        if option == "autovacuum_enabled=false":
            yield error(
                f"autovacuum is off for {USERS}",
                f"alter table {USERS} reset (autovacuum_enabled)",
            )


def updates(server: Server) -> Iterator[Fault]:
    """Updates that find room on their page touch no index."""
    for table in server.tables:
        changed = table.hot + table.indexed
        if table.name == USERS and changed >= ROWS_MIN and table.hot < HOT_SHARE_MIN * changed:
            yield warning(
                f"only {100 * table.hot / changed:.0f} % of the updates of {USERS} stay on their "
                f"page (options: {', '.join(server.users_table) or 'none'})",
                f"alter table {USERS} set (fillfactor = 50), then vacuum full at a quiet hour; end "
                "long transactions",
            )


def bloat(server: Server) -> Iterator[Fault]:
    """Dead rows that vacuum has not cleaned up."""
    for table in server.tables:
        if table.dead >= ROWS_MIN and table.dead > DEAD_SHARE_MAX * table.live:
            since = "never" if table.vacuum_s is None else f"{time_text(table.vacuum_s)} ago"
            yield warning(
                f"{table.name} has {table.dead:,} dead rows beside {table.live:,}; the last vacuum "
                f"was {since}",
                f"vacuum {table.name}; end long transactions; lower autovacuum_vacuum_scale_factor",
            )


def wraparound(server: Server) -> Iterator[Fault]:
    """Transaction ids run out where nothing freezes rows."""
    if server.wraparound > WRAPAROUND_MAX:
        yield error(
            f"{100 * server.wraparound:.0f} % of the transaction ids are used up; at 100 % "
            "PostgreSQL takes no more writes",
            "end long transactions, prepared ones and slots, then: vacuum (freeze)",
        )


def transactions(server: Server) -> Iterator[Fault]:
    """What is open for long keeps vacuum from cleaning up, everywhere."""
    for found in server.transactions:
        do = f"select pg_terminate_backend({found.name})"
        if found.state == "prepared":
            do = f"commit prepared or rollback prepared '{found.name}'"
        yield warning(
            f"a transaction of {found.application or 'an unnamed client'} ({found.state}, "
            f"{found.name}) has been open for {time_text(found.age_s)}",
            f"if nobody needs it: {do}",
        )


def slots(server: Server) -> Iterator[Fault]:
    """A replication slot that nobody reads fills the disk."""
    for slot in server.slots:
        drop = f"bring its reader back, or: select pg_drop_replication_slot('{slot.name}')"
        if slot.wal_status == "lost":
            yield error(f"replication slot {slot.name} has lost what it needs", drop)
        elif slot.kept_bytes > SLOT_BYTES_MAX or not slot.active:
            yield warning(
                f"replication slot {slot.name} {'' if slot.active else 'has no reader and '}keeps "
                f"{bytes_text(slot.kept_bytes)} of WAL from being deleted",
                drop,
            )


def indexes(server: Server) -> Iterator[Fault]:
    """A failed `create index concurrently` leaves one that costs and does not help."""
    for name in server.invalid_indexes:
        yield error(
            f"index {name} is not valid: its build failed, and every write keeps it up for nothing",
            f"vane migrate where a migration makes it, else: drop index concurrently {name}",
        )
    for name, size in server.unused_indexes:
        yield hint(
            f"index {name} ({bytes_text(size)}) was not read for a week",
            f"if it is yours and no replica reads it: drop index concurrently {name}",
        )
    if not server.hnsw_bytes:
        yield error(
            "the HNSW index of items is missing: every list reads all items",
            "create index concurrently item_content on item using hnsw (content halfvec_ip_ops) "
            "with (m = 16, ef_construction = 100)",
        )


def timeouts(server: Server) -> Iterator[Fault]:
    """Vane's own sessions have time-outs; those of others may not."""
    if server.parameters["idle_in_transaction_session_timeout"] == "0":
        yield hint(
            "a client that forgets a transaction may keep it open for ever",
            "set idle_in_transaction_session_timeout to 10min, and reload; Vane sets its own",
        )
    limit_ms = int(server.parameters.get("transaction_timeout", "0"))
    if 0 < limit_ms < 60_000:  # noqa: PLR2004 - a minute
        yield warning(
            f"transaction_timeout is {limit_ms} ms: verify, rebuild and backups end in the middle",
            "set it to 0 for Vane's role: alter role vane set transaction_timeout = 0",
        )


def planner(server: Server) -> Iterator[Fault]:
    """Defaults that are meant for disks that turn, and for long queries."""
    if float(server.parameters["random_page_cost"]) > PAGE_COST_MAX:
        yield hint(
            f"random_page_cost is {server.parameters['random_page_cost']}, as for disks that turn",
            "set it to 1.1 on SSD, and reload",
        )
    if server.parameters["jit"] == "on":
        yield hint("jit is on: it costs more than it saves here", "set jit to off, and reload")


CHECKS: tuple[Check[Server], ...] = (
    Check(
        "postgres-version", "14 or newer, with pgvector 0.8.4 or newer", "deployment.md", version
    ),
    Check("postgres-primary", "the address leads to a primary", "operations.md", primary),
    Check("postgres-session", "time-outs of a session arrive", "reliability.md", session),
    Check(
        "postgres-memory",
        "`shared_buffers` holds the HNSW index, better also items, users and trends",
        "operations.md",
        memory,
    ),
    Check(
        "postgres-checkpoints",
        "`max_wal_size` 4 GB or more, early checkpoints the exception, "
        "`checkpoint_completion_target` 0.8 or more",
        "performance.md",
        checkpoints,
    ),
    Check("postgres-compression", "`wal_compression` is not pglz", "performance.md", compression),
    Check(
        "postgres-durability",
        "`fsync`, `full_page_writes`, `synchronous_commit`, `data_checksums`",
        "reliability.md",
        durability,
    ),
    Check(
        "postgres-connections",
        "at most 80 % of `max_connections` in use",
        "runbooks/VanePostgresConnections.md",
        connections,
    ),
    Check(
        "postgres-autovacuum",
        "on, for the table of users, too",
        "runbooks/VanePostgresBloat.md",
        autovacuum,
    ),
    Check(
        "postgres-updates",
        "80 % of the updates of users stay on their page (fillfactor)",
        "runbooks/VanePostgresBloat.md",
        updates,
    ),
    Check(
        "postgres-bloat",
        "dead rows are fewer than half of the live ones",
        "runbooks/VanePostgresBloat.md",
        bloat,
    ),
    Check(
        "postgres-wraparound",
        "less than half of the transaction ids used",
        "runbooks/VanePostgresWraparound.md",
        wraparound,
    ),
    Check(
        "postgres-transactions",
        "none open for five minutes, prepared ones neither",
        "runbooks/VanePostgresLongTransaction.md",
        transactions,
    ),
    Check(
        "postgres-slots",
        "replication slots have readers, and keep less than 4 GB of WAL",
        "runbooks/VaneDiskFull.md",
        slots,
    ),
    Check(
        "postgres-indexes",
        "all valid, the HNSW index is there, large ones are read",
        "migrations.md",
        indexes,
    ),
    Check(
        "postgres-timeouts",
        "`idle_in_transaction_session_timeout` for others, no short `transaction_timeout`",
        "runbooks/VanePostgresLongTransaction.md",
        timeouts,
    ),
    Check("postgres-planner", "`random_page_cost` at most 2, `jit` off", "performance.md", planner),
)
