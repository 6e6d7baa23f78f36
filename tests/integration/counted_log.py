"""A small log with what it comes to, by code of this file alone: nothing of Vane computes it."""

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from vane.store.connection import Connection

START = datetime(2026, 3, 1, tzinfo=UTC)
LONG_S, SHORT_S = 30 * 86_400.0, 6 * 3_600.0
HEATS = {
    "heat_15m": 900.0,
    "heat_1h": 3_600.0,
    "heat_2h24m": 8_640.0,
    "heat_1d": 86_400.0,
    "heat_7d": 604_800.0,
    "heat_never": math.inf,
    "heat_1k": math.inf,
    "heat_10k": math.inf,
}
RANDOM = np.random.default_rng(3)
VECTORS = {item: RANDOM.standard_normal(384).astype(np.float16) for item in ("jazz", "rock")}
VERSIONS = {"jazz": 1, "rock": 4, "untitled": 2}  # "untitled" has no content, others are unknown

THIRD = float(np.float32(1 / 3))  # as the column holds it


class Row(NamedTuple):
    user: str
    item: str
    minutes: int
    weight: float


ROWS = [
    Row("ann", "jazz", 0, 1.0),
    Row("ann", "rock", 500, 8.0),
    Row("bob", "jazz", 30, 2.0),
    Row("bob", "not-there-yet", 40, 4.0),
    Row("ann", "jazz", 100, -4.0),
    Row("ann", "untitled", 700, 1.0),
    Row("cid", "not-there-yet", 5, 2.0),
    *(Row("dot", "jazz" if n % 3 else "rock", 7 * n, THIRD) for n in range(40)),
]


def time_of(row: Row) -> datetime:
    return START + timedelta(minutes=row.minutes)


def text_of(vector: NDArray[np.floating]) -> str:
    return "[" + ",".join(map(str, vector.tolist())) + "]"


def slot_of(item: str) -> int:
    return xxhash.xxh3_64_intdigest(item.encode()) % 16


def write_items(connection: Connection) -> None:
    for item, version in VERSIONS.items():
        content = text_of(VECTORS[item]) if item in VECTORS else None
        connection.execute(
            "insert into item_version (item_id, version, content) values (%s, %s, %s::halfvec)",
            [item, version, content],
        )


def write_log(connection: Connection) -> None:
    """One log row an offset from 5 on; then a dead letter, a duplicate and nothing."""
    connection.execute("insert into log (cluster_id, topic, topic_id) values ('c', 't', 'i')")
    for offset, row in enumerate(ROWS, start=5):
        waits = row.item not in VERSIONS
        place = [offset, row.user, row.item, time_of(row), row.weight]
        connection.execute(
            'insert into interaction (log_id, partition, "offset", recorded_at, event_id, user_id, '
            "item_id, action, ts, weight, item_version, excludes, item_slot) "
            "values (1, 0, %s, now(), %s, %s, %s, 'view', %s, %s, %s, false, %s)",
            [offset, f"e{offset}", *place[1:], VERSIONS.get(row.item), slot_of(row.item)],
        )
        if waits:
            connection.execute(
                'insert into pending (log_id, partition, "offset", recorded_at, user_id, item_id, '
                "ts, weight) values (1, 0, %s, now(), %s, %s, %s, %s)",
                place,
            )
    end = 5 + len(ROWS)
    connection.execute(
        'insert into dead_letter (log_id, partition, "offset", flow, field, reason, recorded_at) '
        "values (1, 0, %s, 'interactions', 'ts', 'bad', now())",
        [end],
    )
    connection.execute(
        "insert into stream_position (flow, log_id, partition, start_offset, next_offset, applied, "
        "dead_lettered, duplicates, empty) values ('interactions', 1, 0, 5, %s, %s, 1, 1, 1)",
        [end + 3, len(ROWS)],
    )


def write_users(connection: Connection) -> None:
    """Float32 states, one event after the other, each decayed to the newest time so far."""
    for user in {row.user for row in ROWS}:
        vectors, masses, as_of, digest = np.zeros((2, 384), np.float32), [0.0, 0.0], START, 0
        mine = [(offset, row) for offset, row in enumerate(ROWS, start=5) if row.user == user]
        for offset, row in mine:
            newest = max(as_of, time_of(row))
            digest += xxhash.xxh3_64_intdigest(f"e{offset}".encode())
            for kind, half_life_s in enumerate((LONG_S, SHORT_S)):
                fade = 2.0 ** (-(newest - as_of).total_seconds() / half_life_s)
                share = row.weight * 2.0 ** (-(newest - time_of(row)).total_seconds() / half_life_s)
                vectors[kind] *= np.float32(fade)
                masses[kind] *= fade
                if row.item in VECTORS:
                    vectors[kind] += np.float32(share) * VECTORS[row.item].astype(np.float32)
                    masses[kind] += share
            as_of = newest
        connection.execute(
            "insert into user_preference values (%s, %s::vector, %s::vector, %s, %s, %s, %s, %s, "
            "%s, '')",
            [user, *map(text_of, vectors), *masses, as_of, len(mine), len(mine),
             int(np.uint64(digest % 2**64).astype(np.int64))],
        )  # fmt: skip


class Act(NamedTuple):
    """A row with positive weight, and what it counts."""

    row: Row
    counted: float
    earlier: int
    window: list[str]


def acts() -> list[Act]:
    """The rows with positive weight, capped by what their users did before them."""
    found: list[Act] = []
    for row in ROWS:
        past = [act.row for act in found if act.row.user == row.user]
        parts = [
            before.weight * 2 ** (-max(0, row.minutes - before.minutes) / 1_440)
            for before in past
            if before.item == row.item
        ]
        strongest = max(parts, default=0)
        high = min(2 * max(strongest, row.weight), sum(parts) + row.weight)
        counted = high - min(2 * strongest, sum(parts))
        window = dict.fromkeys(before.item for before in reversed(past) if before.item != row.item)
        if row.weight > 0:
            found.append(Act(row, counted, len(past), list(window)))
    return found


def heat(parts: list[tuple[float, int]], half_life_s: float) -> float:
    total = sum(weight * 2 ** (minutes * 60 / half_life_s) for weight, minutes in parts)
    return START.timestamp() / half_life_s + math.log2(total) if parts else -math.inf


def write_trends(connection: Connection) -> None:
    for item in {row.item for row in ROWS}:
        mine = [act for act in acts() if act.row.item == item]
        times = [time_of(row) for row in ROWS if row.item == item]
        parts = [(act.counted, act.row.minutes, act.earlier) for act in mine]
        segments = [
            heat([part[:2] for part in parts if low <= part[2] <= high], 86_400)
            for low, high in ((0, 4), (5, 20), (21, 60))
        ]
        heats = [heat([part[:2] for part in parts], half_life) for half_life in HEATS.values()]
        connection.execute(
            "insert into item_trend (item_id, slot, events, weight_sum, first_ts, last_ts, "
            f"{', '.join(HEATS)}, heat_few, heat_some, heat_many) "
            f"values ({', '.join(['%s'] * (9 + len(HEATS)))})",
            [item, slot_of(item), len(times), sum(part[0] for part in parts), min(times),
             max(times), *heats, *segments],
        )  # fmt: skip
    write_positions(connection, "trends")


def write_neighbours(connection: Connection) -> None:
    half_lives = [math.inf, 4_320, 360, 43_200]  # minutes
    terms: list[tuple[str, str, int, float, float]] = []
    for act in acts():
        item, minutes = act.row.item, act.row.minutes
        terms.append((item, "", minutes, act.counted, 0.0))
        for place, other in enumerate(act.window):
            together = act.counted * 2 ** (-place / 10)
            terms.append((item, other, minutes, together, 0.0))
            terms.append((other, item, minutes, together, act.counted * 2**-place))
    for item in {term[0] for term in terms}:
        mine = [term for term in terms if term[0] == item]
        as_of = max(term[2] for term in mine)
        sums = {term[1]: np.zeros(4) for term in mine}
        for _, other, minutes, together, follows in mine:
            decays = [2 ** (-(as_of - minutes) / half_life) for half_life in half_lives]
            sums[other] += np.array([together, together, together, follows]) * decays
        mass = sums.pop("")
        mass[3] = sum(weights[3] for weights in sums.values())
        connection.execute(
            "insert into item_neighbour values (%s, %s, %s, %s, '{0,0,0,0}', %s::text[], %s)",
            [item, slot_of(item), START + timedelta(minutes=as_of), mass.tolist(), list(sums),
             np.array(list(sums.values())).astype("<f4").tobytes()],
        )  # fmt: skip
    write_positions(connection, "neighbours")


def write_positions(connection: Connection, part: str) -> None:
    for slot in range(16):
        applied = sum(slot_of(row.item) == slot for row in ROWS)
        connection.execute(
            "insert into stream_position (flow, log_id, partition, start_offset, next_offset, "
            "applied, empty) values (%s, 1, 0, 5, %s, %s, %s)",
            [f"{part}/{slot:02d}", 8 + len(ROWS), applied, len(ROWS) + 3 - applied],
        )


def write_world(connection: Connection) -> None:
    """The log, its items and users, and the trends, all at once."""
    with connection.transaction():
        write_items(connection)
        write_log(connection)
        write_users(connection)
        write_trends(connection)
        write_neighbours(connection)
