"""PostgreSQL's binary formats, built from numpy columns: rows of a COPY, arrays as parameters."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Self

import numpy as np
import psycopg
from numpy.typing import ArrayLike, NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
PG_EPOCH_US = 946_684_800_000_000
"""2000-01-01, where PostgreSQL's timestamps begin, in microseconds since 1970."""

TEXT, FLOAT8, INT2, INT8, TIMESTAMPTZ, BYTEA = 25, 701, 21, 20, 1184, 17
"""The oids of built-in types."""

Columns = Sequence[tuple[str | np.dtype[Any], ArrayLike]]
"""Type and values of each."""

_LENGTHS = [length.to_bytes(4, "big") for length in range(1_025)]


def vector_type(dimension: int, kind: str = ">f4") -> np.dtype[Any]:
    """A pgvector `vector` in binary form, or a `halfvec` (kind ">f2")."""
    return np.dtype([("dim", ">i2"), ("unused", ">i2"), ("value", kind, (dimension,))])


def fixed(columns: Columns, count: int) -> list[bytes]:
    """Consecutive fixed-width columns, never null, as one piece of bytes for each row."""
    rows = np.empty(count, _row_type(columns))
    _fill(rows, columns)
    size, buffer = rows.itemsize, rows.tobytes()
    return [buffer[start : start + size] for start in range(0, size * count, size)]


def _row_type(columns: Columns) -> np.dtype[Any]:
    """Each value behind its length."""
    fields: list[tuple[str, Any]] = []
    for index, (kind, _) in enumerate(columns):
        fields += [(f"length{index}", ">i4"), (f"value{index}", kind)]
    return np.dtype(fields)


def _fill(rows: NDArray[np.void], columns: Columns) -> None:
    for index, (kind, column) in enumerate(columns):
        rows[f"length{index}"] = np.dtype(kind).itemsize
        target = rows[f"value{index}"]
        if target.dtype.names:
            values = np.asarray(column)
            target["dim"], target["unused"], target["value"] = values.shape[1], 0, values
        else:
            target[:] = column


def text(column: Iterable[str | None]) -> list[bytes]:
    """A text column of at most 1,024 bytes a value."""
    return [
        NULL if value is None else _LENGTHS[len(data := value.encode())] + data for value in column
    ]


def integers(column: Sequence[int | None]) -> list[bytes]:
    """A nullable `integer` column."""
    if None not in column:
        return fixed([(">i4", np.array(column, np.int32))], len(column))
    return [
        NULL if value is None else b"\0\0\0\4" + value.to_bytes(4, "big", signed=True)
        for value in column
    ]


def timestamps(time_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Microseconds since 1970 as `timestamptz` holds them."""
    return time_us - PG_EPOCH_US


@dataclass(frozen=True, slots=True)
class Array:
    """A one-dimensional array parameter in binary form, to be cast in the query."""

    data: bytes | memoryview

    @classmethod
    def fixed(cls, oid: int, kind: str | np.dtype[Any], column: ArrayLike, count: int) -> Self:
        """`count` values of one width, of the type with this oid."""
        head = _array_head(oid, count)
        element = _row_type([(kind, column)])
        data = np.empty(len(head) + count * element.itemsize, np.uint8)
        data[: len(head)] = np.frombuffer(head, np.uint8)
        _fill(data[len(head) :].view(element), [(kind, column)])
        return cls(data.data)

    @classmethod
    def text(cls, column: Sequence[str]) -> Self:
        """Texts of at most 1,024 bytes."""
        return cls(_array_head(TEXT, len(column)) + b"".join(text(column)))


class Vector:
    """A pgvector `vector` (d,) as a parameter in binary form, to be cast in the query."""

    __slots__ = ("data",)

    def __init__(self, values: NDArray[np.floating[Any]]) -> None:
        self.data = np.array([len(values), 0], ">i2").tobytes() + values.astype(">f4").tobytes()


class _BinaryDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array | Vector) -> bytes | memoryview:
        return obj.data


psycopg.adapters.register_dumper(Array, _BinaryDumper)
psycopg.adapters.register_dumper(Vector, _BinaryDumper)


def _array_head(oid: int, count: int) -> bytes:
    """Dimensions, flags, element type, length, lower bound."""
    return np.array([1, 0, oid, count, 1], ">i4").tobytes()


def copy_data(column_count: int, *pieces: Sequence[bytes]) -> bytes:
    """The whole COPY stream; each of `pieces` has one element a row, of one or more columns."""
    prefix = repeat(column_count.to_bytes(2, "big"))
    rows = chain.from_iterable(zip(prefix, *pieces, strict=False))
    return HEADER + b"".join(rows) + TRAILER


def read_vectors(cells: Sequence[bytes], kind: str, dimension: int) -> NDArray[np.float32]:
    """Binary `vector` (kind ">f4") or `halfvec` (">f2") cells as float32, (n, dimension)."""
    values = np.frombuffer(b"".join(cell[4:] for cell in cells), kind)
    return values.reshape(len(cells), dimension).astype(np.float32)
