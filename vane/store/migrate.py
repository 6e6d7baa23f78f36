"""Migrations: numbered SQL files, each applied once, in order, by one process at a time."""

from hashlib import sha256
from importlib import resources

from vane.errors import OperatorNeeded
from vane.store.connection import Connection, translated

ADVISORY_LOCK = 0x76616E65
"""Serialises concurrent migrations; the bytes spell "vane"."""


def migrations() -> list[tuple[int, str, str]]:
    """All migrations as (version, name, SQL), oldest first."""
    folder = resources.files("vane.store") / "migrations"
    files = sorted(f.name for f in folder.iterdir() if f.name.endswith(".sql"))
    return [
        (int(name[:4]), name[5:-4], (folder / name).read_text(encoding="utf-8")) for name in files
    ]


def migrate(connection: Connection) -> list[str]:
    """Bring the schema up to date; returns the names that were applied now.

    Raises:
        OperatorNeeded: the database is newer than this code, or an applied migration was edited.
    """
    applied_now = []
    with translated(), connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        connection.execute(
            "create table if not exists schema_migration (version integer primary key, "
            "name text not null, sha256 text not null, "
            "applied_at timestamptz not null default now())"
        )
        done: dict[int, str] = dict(
            connection.execute("select version, sha256 from schema_migration").fetchall()
        )
        known = {version for version, _, _ in migrations()}
        if newer := sorted(set(done) - known):
            raise OperatorNeeded(
                f"the database has migrations {newer} that this Vane lacks: update Vane"
            )
        for version, name, sql in migrations():
            digest = sha256(sql.encode()).hexdigest()
            if version not in done:
                connection.execute(sql)
                connection.execute(
                    "insert into schema_migration (version, name, sha256) values (%s, %s, %s)",
                    [version, name, digest],
                )
                applied_now.append(f"{version:04d}_{name}")
            elif done[version] != digest:
                raise OperatorNeeded(
                    f"migration {version:04d}_{name} was edited after it was applied"
                )
    return applied_now
