"""What a migration may contain, and which ones a phase applies. Rules: docs/migrations.md."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vane.errors import OperatorNeeded
from vane.store.migrate import choose
from vane.store.migration_files import Migration, Phase, migrations, parse_migration

SQUAWK = Path(sys.executable).with_name("squawk")
OLDER_THAN_THE_RULES = 12
TOLERATED = (  # the runner sets time-outs and notes what is applied; the rest is taste
    "require-lock-timeout,require-statement-timeout,prefer-robust-stmts,prefer-bigint-over-int,"
    "prefer-bigint-over-smallint,prefer-identity,prefer-text-field,prefer-timestamptz"
)
ONCE_THE_OLD_CODE_IS_GONE = ",ban-drop-column,ban-drop-table,renaming-column,renaming-table"
FORBIDDEN = {
    "truncate": r"\btruncate\b",
    "lock table": r"\block table\b",
    "vacuum full": r"\bvacuum \(?full|\bcluster\b",
    "a default that rewrites the table": r"\badd column\b[^;,]*\bdefault (pg_current_xact_id|clock_"
    r"timestamp|random|gen_random_uuid|nextval)",
}
ROWS_CHANGED = r"^\s*(update|delete from)\b"
MAY_STAND_ALONE = (
    r"(create( unique)? index concurrently|drop index concurrently if exists|reindex "
    r"(index|table) concurrently|alter table \w+ validate constraint|analyze)\b"
)


def faults(migration: Migration) -> list[str]:
    """What is wrong with a migration that runs while flows and API go on; empty: nothing."""
    sql = re.sub(r"--.*", "", migration.sql)
    found = [name for name, pattern in FORBIDDEN.items() if re.search(pattern, sql, re.IGNORECASE)]
    if migration.mode == "transaction":
        if re.search(ROWS_CHANGED, sql, re.IGNORECASE | re.MULTILINE):
            found.append("changes rows: say repeated, a thousand at once")
        if re.search(r"\bconcurrently\b", sql, re.IGNORECASE):
            found.append("concurrently: say alone")
    if migration.mode == "repeated" and not re.search(r"\blimit \d+", sql, re.IGNORECASE):
        found.append("repeated without a limit")
    if migration.mode == "alone":
        found += _faults_alone(migration.statements)
    return found + _told_by_squawk(migration)


def _faults_alone(statements: list[str]) -> list[str]:
    found = [
        f"not alone: {statement}"
        for statement in statements
        if not re.match(MAY_STAND_ALONE, statement, re.IGNORECASE)
    ]
    for index, statement in enumerate(statements):
        made = re.match(r"create (?:unique )?index concurrently (\w+)", statement, re.IGNORECASE)
        before = statements[index - 1].lower() if index else ""
        if made and before != f"drop index concurrently if exists {made[1].lower()}":
            found.append(f"{made[1]}: drop index concurrently if exists … must come before it")
    return found


def _told_by_squawk(migration: Migration) -> list[str]:
    late = ONCE_THE_OLD_CODE_IS_GONE if migration.phase == "after-deploy" else ""
    options = ["--reporter", "gcc", "--pg-version", "18", "--exclude", TOLERATED + late]
    if migration.mode == "transaction":
        options.append("--assume-in-transaction")
    done = subprocess.run(
        [SQUAWK, *options], input=migration.sql, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    return re.findall(r"^stdin:\d+:\d+: \w+: (.*)$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("migration", migrations(), ids=lambda migration: migration.label)
def test_every_migration_since_the_rules_lets_readers_and_writers_go_on(
    migration: Migration,
) -> None:
    if migration.version > OLDER_THAN_THE_RULES:
        assert faults(migration) == []


@pytest.mark.parametrize(
    "sql",
    [
        "create table t (a text primary key);\ncreate index t_a on t (a);",
        "alter table item add column a text;",
        "alter table item add column a integer not null default 0;",
        "alter table item add constraint c check (price > 0) not valid;",
        (
            "-- migration: alone\ndrop index concurrently if exists i;\n"
            "create index concurrently i on item (author);"
        ),
        "-- migration: alone\nalter table item validate constraint c;",
        (
            "-- migration: repeated\nupdate item set a = '' where item_id in\n"
            "    (select item_id from item where a is null limit 1000);"
        ),
        "-- migration: after-deploy\nalter table item drop column a;",
    ],
)
def test_what_is_allowed(sql: str) -> None:
    assert faults(parse_migration("0099_test.sql", sql)) == []


@pytest.mark.parametrize(
    "sql",
    [
        "create index i on item (author);",
        "create index concurrently i on item (author);",
        "alter table item alter column price type numeric;",
        "alter table item alter column title set not null;",
        "alter table item add constraint c check (price > 0);",
        "alter table item add column a xid8 not null default pg_current_xact_id();",
        "alter table item drop column author;",
        "alter table item rename column author to writer;",
        "drop table pending;",
        "truncate item_trend;",
        "update item set author = '';",
        "-- migration: repeated\nupdate item set author = '' where author is null;",
        "-- migration: alone\ncreate index concurrently i on item (author);",
        "-- migration: alone\nalter table item add column a text;",
        "-- migration: after-deploy\nalter table item alter column price type numeric;",
    ],
)
def test_what_is_not_allowed(sql: str) -> None:
    assert faults(parse_migration("0099_test.sql", sql)) != []


def test_a_first_line_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="says later"):
        parse_migration("0099_test.sql", "-- migration: later\nselect 1;")


def test_statements_stand_alone_without_their_comments() -> None:
    text = "-- migration: alone\n-- why\nvacuum a;  -- b\n-- c\nvacuum\n  d;\n"
    assert parse_migration("0099_test.sql", text).statements == ["vacuum a", "vacuum\n  d"]


def pending(phases: str) -> list[Migration]:
    """Migrations that wait: b is before the deploy, a after it."""
    phase = {"b": "before-deploy", "a": "after-deploy"}
    return [
        parse_migration(f"{20 + n:04d}_x.sql", f"-- migration: {phase[letter]}\n")
        for n, letter in enumerate(phases)
    ]


@pytest.mark.parametrize(
    ("phases", "phase", "applied"),
    [
        ("", "before-deploy", 0),
        ("bb", "before-deploy", 2),
        ("bba", "before-deploy", 2),
        ("aa", "before-deploy", 0),
        ("aa", "after-deploy", 2),
        ("aab", "after-deploy", 2),
    ],
)
def test_a_phase_applies_what_comes_next(phases: str, phase: Phase, applied: int) -> None:
    files = pending(phases)
    assert choose(files, phase) == files[:applied]
    assert choose(files, None) == files


@pytest.mark.parametrize(
    ("phases", "phase", "first"),
    [
        ("ab", "before-deploy", "0020_x comes first: vane migrate --after-deploy"),
        ("bab", "before-deploy", "0021_x comes first: vane migrate --after-deploy"),
        ("bba", "after-deploy", "0020_x comes first: vane migrate --before-deploy"),
    ],
)
def test_a_phase_is_refused_before_its_turn(phases: str, phase: Phase, first: str) -> None:
    with pytest.raises(OperatorNeeded, match=first):
        choose(pending(phases), phase)
