"""Neighbour rows in PostgreSQL: `item_neighbour`."""

import struct
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vane.interaction import item_slots
from vane.pairs import KINDS, Rows
from vane.store import binary
from vane.store.connection import Connection, translated
from vane.store.sql import load_queries

_SQL = load_queries("neighbours")

Ints = NDArray[np.int64]

TEXT_OID, FLOAT8_OID = 25, 701


def prepare(connection: Connection) -> None:
    """Make the session's staging table."""
    with translated():
        connection.execute(_SQL["create_stage"])
        connection.execute(_SQL["plain_stage"])


def read_rows(
    connection: Connection, items: Sequence[str], numbers: Callable[[Sequence[str]], Ints]
) -> Rows:
    """The stored rows of these items, as far as there are any.

    Args:
        connection: to the migrated database.
        items: which.
        numbers: gives the numbers of items, neighbours as well.
    """
    with translated(), connection.cursor(binary=True) as cursor:
        found = cursor.execute(_SQL["read_rows"], {"items": binary.Array.text(items)}).fetchall()
    return Rows(
        items=numbers([row[0] for row in found]),
        as_of_us=np.array([row[1] for row in found], np.int64),
        mass=np.array([row[2] for row in found], np.float64).reshape(-1, KINDS),
        lost=np.array([row[3] for row in found], np.float64).reshape(-1, KINDS),
        counts=np.array([len(row[4]) for row in found], np.int64),
        neighbours=numbers([neighbour for row in found for neighbour in row[4]]),
        weights=np.frombuffer(b"".join(row[5] for row in found), "<f4").reshape(-1, KINDS),
    )


def write_rows(connection: Connection, rows: Rows, ids: Sequence[str]) -> None:
    """Write whole rows; `ids` has the id of every item number."""
    if not len(rows.items):
        return
    with connection.cursor() as cursor, cursor.copy(_SQL["copy_stage"]) as copy:
        copy.write(_copy_data(rows, ids))
    connection.execute(_SQL["upsert_rows"])
    connection.execute(_SQL["clear_stage"])


def _copy_data(rows: Rows, ids: Sequence[str]) -> bytes:
    names = [ids[item] for item in rows.items.tolist()]
    ends = np.cumsum(rows.counts).tolist()
    bounds = list(zip([0, *ends[:-1]], ends, strict=True))
    weights = rows.weights.astype("<f4").tobytes()
    size = 4 * KINDS
    return binary.copy_data(
        7,
        binary.text(names),
        binary.fixed(
            [
                (">i2", item_slots(names)),
                (">i8", binary.timestamps(rows.as_of_us)),
            ],
            len(names),
        ),
        _doubles(rows.mass),
        _doubles(rows.lost),
        _texts(_cells(rows.neighbours, ids), bounds),
        [_sized(weights[low * size : high * size]) for low, high in bounds],
    )


def _cells(neighbours: Ints, ids: Sequence[str]) -> list[bytes]:
    """The id of each neighbour as an element of an array; each is encoded once."""
    place = np.zeros(len(ids), np.int64)
    place[neighbours] = 1
    numbers = np.flatnonzero(place)
    place[numbers] = np.arange(len(numbers))
    cells = np.array(binary.text([ids[number] for number in numbers.tolist()]), object)
    found: list[bytes] = cells[place[neighbours]].tolist()
    return found


def _doubles(values: NDArray[np.float64]) -> list[bytes]:
    """A `double precision[]` column of KINDS values each."""
    header = struct.pack(">iiiii", 1, 0, FLOAT8_OID, KINDS, 1)
    cells = np.zeros((len(values), KINDS), np.dtype([("length", ">i4"), ("value", ">f8")]))
    cells["length"], cells["value"] = 8, values
    return [_sized(header + row.tobytes()) for row in cells]


def _texts(cells: list[bytes], bounds: list[tuple[int, int]]) -> list[bytes]:
    """A `text[]` column: each value is an interval of `cells`, its elements in binary form."""
    empty = struct.pack(">iii", 0, 0, TEXT_OID)
    return [
        _sized(
            struct.pack(">iiiii", 1, 0, TEXT_OID, high - low, 1) + b"".join(cells[low:high])
            if low < high
            else empty
        )
        for low, high in bounds
    ]


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
