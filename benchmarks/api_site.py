"""A made-up site of any size in the database, as the flows would have left it.

Contents lie in a hierarchy of topics within a space of few dimensions, as embeddings of texts do;
popularity falls off by rank, users have favourite topics. Everything goes in by binary COPY.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vane.features import FEATURES
from vane.linear import LabelledList
from vane.network import NetworkRanker
from vane.preference import Floats
from vane.store import binary
from vane.store.connection import Connection

DIMENSION = 384
TOPICS = 60
SUBTOPICS = 12
INNER_DIMENSION = 64
"""Of the space in which the made-up contents differ."""
COMMON, SPREAD, REST = 0.7, 0.6, 0.1
"""What all contents share, what is each one's own within its topics, and outside their space."""

FAVOURITE_SHARE = 0.8
"""Of a user's events that are in the favourite topic."""
RECENT_BYTES = 512
BATCH_ROWS = 5_000
LISTS = 200
INDEX = (
    "create index item_content on item using hnsw (content halfvec_ip_ops)"
    " with (m = 16, ef_construction = 100)"
)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is."""

    items: int = 50_000
    users: int = 100_000
    events_a_user: int = 20
    neighbours: int = 200


def contents(count: int, rng: np.random.Generator) -> Floats:
    """Unit vectors (count, DIMENSION) in topics and subtopics; item n is of topic n % TOPICS."""
    topics = rng.normal(size=(TOPICS, INNER_DIMENSION))
    subtopics = 0.7 * rng.normal(size=(TOPICS, SUBTOPICS, INNER_DIMENSION))
    outwards = rng.normal(size=(INNER_DIMENSION, DIMENSION)).astype(np.float32)
    outwards /= np.float32(np.sqrt(INNER_DIMENSION))
    common = (COMMON * rng.normal(size=DIMENSION)).astype(np.float32)
    vectors = np.empty((count, DIMENSION), np.float32)
    for start in range(0, count, BATCH_ROWS):
        number = np.arange(start, min(start + BATCH_ROWS, count))
        topic = number % TOPICS
        inner = topics[topic] + subtopics[topic, rng.integers(SUBTOPICS, size=len(number))]
        inner += SPREAD * rng.normal(size=inner.shape)
        rows = inner.astype(np.float32) @ outwards + common
        rows += REST * rng.normal(size=rows.shape).astype(np.float32)
        vectors[number] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return vectors


def fill(connection: Connection, size: Size, rng: np.random.Generator) -> Floats:
    """Fill empty tables with items, users, their log, trends and neighbours; the contents."""
    vectors = contents(size.items, rng)
    copy_items(connection, vectors, [f"topic {n % TOPICS}" for n in range(size.items)])
    fill_trends(connection)
    fill_users(connection, vectors, size, rng)
    fill_neighbours(connection, size, rng)
    connection.execute("vacuum analyze")
    connection.execute("checkpoint")  # else all that was filled in is written during the measuring
    return vectors


def copy_items(connection: Connection, vectors: Floats, categories: Sequence[str]) -> None:
    """Items with contents in their index."""
    connection.execute("drop index item_content")
    connection.execute("alter table item disable trigger note_insert")

    def rows(start: int, end: int) -> list[Sequence[bytes]]:
        number = range(start, end)
        return [
            binary.text([f"i{n}" for n in number]),
            binary.integers([1] * len(number)),
            binary.text([f"Item {n} of the made-up site" for n in number]),
            binary.text(["article" if n % 7 == 0 else "product" for n in number]),
            binary.text(categories[start:end]),
            _halfvecs(vectors[start:end]),
        ]

    columns = "item_id, version, title, kind, category, content"
    _copy(connection, f"item ({columns})", len(vectors), rows)
    connection.execute("alter table item enable trigger note_insert")
    connection.execute(
        "insert into item_change select item_id, pg_current_xact_id() from item"
        " on conflict do nothing"
    )
    connection.execute("set statement_timeout = 0")  # the index of a million items takes minutes
    connection.execute("set maintenance_work_mem = '2GB'")
    connection.execute(INDEX)


def fill_trends(connection: Connection) -> None:
    """Popularity falls off as it does on real sites."""
    connection.execute(
        "insert into item_trend (item_id, slot, events, heat_15m, heat_1h, heat_2h24m, heat_1d,"
        " heat_7d, heat_never, heat_1k, heat_10k, weight_sum, heat_few, heat_some, heat_many)"
        " select item_id, 0, events, t / 900 + h, t / 3600 + h, t / 8640 + h, t / 86400 + h,"
        " t / 604800 + h, h, h, h, events, t / 86400 + h, t / 86400 + h, t / 86400 + h"
        " from (select item_id, ceil(1000 / n)::int as events, 10 - ln(n) + random() as h,"
        " extract(epoch from now())::float8 - 20000 * random() as t"
        " from (select item_id, row_number() over (order by random()) as n from item) i) x"
    )


def fill_users(
    connection: Connection, vectors: Floats, size: Size, rng: np.random.Generator
) -> None:
    """Users with a favourite topic each: their vectors and logs."""
    count = len(vectors)
    began = connection.execute("select extract(epoch from now())::bigint * 1000000").fetchone()
    assert began is not None
    state = binary.vector_type(DIMENSION)

    def taken(start: int, end: int) -> Ints:
        shape = (end - start, size.events_a_user)
        favourite = rng.integers(TOPICS, size=(end - start, 1))
        own = favourite + TOPICS * (rng.pareto(1.0, shape) * 3).astype(int)
        others = (rng.pareto(1.0, shape) * 100).astype(int)
        items = np.where(rng.random(shape) < FAVOURITE_SHARE, own, others) % count
        return np.asarray(items, np.int64)

    for start in range(0, size.users, BATCH_ROWS):
        end = min(start + BATCH_ROWS, size.users)
        items = taken(start, end)
        sums = np.zeros((end - start, DIMENSION), np.float32)
        for place in range(size.events_a_user):
            sums += vectors[items[:, place]]
        age_us = 60_000_000 * np.arange(size.events_a_user) + 1_000 * rng.integers(
            86_400_000, size=(end - start, 1)
        )
        when = binary.timestamps(began[0] - age_us)
        names = [f"u{n}" for n in range(start, end)]
        mass = [float(size.events_a_user)] * len(names)
        columns: binary.Columns = [
            (state, sums),
            (state, sums),
            (">f8", mass),
            (">f8", mass),
            (">i8", when[:, 0]),
            (">i8", [1] * len(names)),
            (">i8", [size.events_a_user] * len(names)),
            (">i8", [0] * len(names)),
            (f"V{RECENT_BYTES}", np.zeros(len(names), f"V{RECENT_BYTES}")),
        ]
        rows = [binary.text(names), binary.fixed(columns, len(names))]
        _write(
            connection,
            "user_preference (user_id, long, short, mass_long, mass_short, as_of, version, events,"
            " event_hash, recent)",
            binary.copy_data(10, *rows),
        )
        _log_events(connection, names, items, when, start * size.events_a_user)


def _log_events(
    connection: Connection, names: Sequence[str], items: Ints, when: Ints, offset: int
) -> None:
    """The users' rows of the log."""
    events = items.shape[1]
    count = items.size
    columns: binary.Columns = [
        (">i4", np.ones(count)),
        (">i4", np.zeros(count)),
        (">i8", offset + np.arange(count)),
        (">i8", when.ravel()),
    ]
    rest: binary.Columns = [
        (">i8", when.ravel()),
        (">f4", np.ones(count)),
        ("?", np.zeros(count, bool)),
        (">i2", np.zeros(count)),
    ]
    pieces = [
        binary.fixed(columns, count),
        binary.text(["e"] * count),
        [cell for cell in binary.text(names) for _ in range(events)],
        binary.text([f"i{item}" for item in items.ravel().tolist()]),
        binary.text(["view"] * count),
        binary.fixed(rest, count),
    ]
    _write(
        connection,
        'interaction (log_id, partition, "offset", recorded_at, event_id, user_id, item_id,'
        " action, ts, weight, excludes, item_slot)",
        binary.copy_data(12, *pieces),
    )


def fill_neighbours(connection: Connection, size: Size, rng: np.random.Generator) -> None:
    """Each item is visited with others of its topic, the popular ones above all."""
    texts = [f"i{n}" for n in range(size.items)]
    masses = binary.Array.fixed(binary.FLOAT8, ">f8", [9.0, 5.0, 3.0, 7.0], 4).data
    mass = len(masses).to_bytes(4, "big") + bytes(masses)

    def rows(start: int, end: int) -> list[Sequence[bytes]]:
        number = np.arange(start, end)[:, None]
        near = number + TOPICS * rng.integers(1, 400, (end - start, size.neighbours))
        chosen = [np.unique(row) for row in near % size.items]
        weights = [rng.random((len(row), 4)).astype("<f4").tobytes() for row in chosen]
        now: binary.Columns = [(">i8", [binary.timestamps(np.array([_NOW_US]))[0]] * len(chosen))]
        return [
            binary.text(texts[start:end]),
            binary.fixed([(">i2", [0] * len(chosen))], len(chosen)),
            binary.fixed(now, len(chosen)),
            [mass] * len(chosen),
            [mass] * len(chosen),
            [_sized(bytes(binary.Array.text([texts[n] for n in row]).data)) for row in chosen],
            [_sized(cell) for cell in weights],
        ]

    _copy(connection, "item_neighbour", size.items, rows)


_NOW_US = 1_750_000_000_000_000


def made_up_network(rng: np.random.Generator) -> NetworkRanker:
    """A network of the usual size; what it learned means nothing."""
    features = rng.random((LISTS, 60, len(FEATURES))).astype(np.float32)
    lists = [LabelledList(rows, int(rng.integers(60))) for rows in features]
    return NetworkRanker.fit(FEATURES, lists, seed=1)


def _sized(cell: bytes) -> bytes:
    return len(cell).to_bytes(4, "big") + cell


def _halfvecs(vectors: Floats) -> list[bytes]:
    kind = np.dtype([("dim", ">i2"), ("unused", ">i2"), ("value", ">f2", (DIMENSION,))])
    return binary.fixed([(kind, vectors)], len(vectors))


def _copy(
    connection: Connection,
    target: str,
    count: int,
    rows: Callable[[int, int], list[Sequence[bytes]]],
) -> None:
    """Copy `count` rows in batches; `rows` gives the pieces of some, one column each."""
    for start, end in _batches(count):
        pieces = rows(start, end)
        _write(connection, target, binary.copy_data(len(pieces), *pieces))


def _batches(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, BATCH_ROWS):
        yield start, min(start + BATCH_ROWS, count)


def _write(connection: Connection, target: str, data: bytes) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy {target} from stdin (format binary)") as copy,
    ):
        copy.write(data)
