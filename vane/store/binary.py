"""PostgreSQL's binary COPY format, built from numpy columns: a join of bytes, no work per value."""

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
PG_EPOCH_US = 946_684_800_000_000
"""2000-01-01, where PostgreSQL's timestamps begin, in microseconds since 1970."""

Columns = Sequence[tuple[str | np.dtype[Any], ArrayLike]]
"""Type and values of each."""

_LENGTHS = [length.to_bytes(4, "big") for length in range(1_025)]


def vector_type(dimension: int) -> np.dtype[Any]:
    """A pgvector `vector` in binary form."""
    return np.dtype([("dim", ">i2"), ("unused", ">i2"), ("value", ">f4", (dimension,))])


def fixed(columns: Columns, count: int) -> list[bytes]:
    """Consecutive fixed-width columns, never null, as one piece of bytes for each row."""
    rows = _fill([], columns, count)
    size, buffer = rows.itemsize, rows.tobytes()
    return [buffer[start : start + size] for start in range(0, size * count, size)]


def fixed_rows(columns: Columns, count: int) -> memoryview:
    """Whole rows of fixed-width columns, ready to be sent: no work per row."""
    rows = _fill([("columns", ">i2")], columns, count)
    rows["columns"] = len(columns)
    return rows.view(np.uint8).data


def _fill(fields: list[tuple[str, Any]], columns: Columns, count: int) -> NDArray[np.void]:
    for index, (kind, _) in enumerate(columns):
        fields += [(f"length{index}", ">i4"), (f"value{index}", kind)]
    rows = np.zeros(count, np.dtype(fields))
    for index, (kind, column) in enumerate(columns):
        rows[f"length{index}"] = np.dtype(kind).itemsize
        target = rows[f"value{index}"]
        if target.dtype.names:
            values = np.asarray(column)
            target["dim"], target["value"] = values.shape[1], values
        else:
            target[:] = column
    return rows


def padded_text(column: Sequence[str]) -> NDArray[np.bytes_]:
    """A text column of one width, each value padded with U+0001, which no identifier contains."""
    values = np.array([value.encode() for value in column], np.bytes_)
    cells = values.view(np.uint8)
    cells[cells == 0] = 1
    return values


def text(column: Iterable[str | None]) -> list[bytes]:
    """A text column of at most 1,024 bytes a value."""
    return [
        NULL if value is None else _LENGTHS[len(data := value.encode())] + data for value in column
    ]


def integers(column: Iterable[int | None]) -> list[bytes]:
    """A nullable `integer` column."""
    return [
        NULL if value is None else b"\0\0\0\4" + value.to_bytes(4, "big", signed=True)
        for value in column
    ]


def timestamps(time_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Microseconds since 1970 as `timestamptz` holds them."""
    return time_us - PG_EPOCH_US


def copy_data(column_count: int, *pieces: Sequence[bytes]) -> bytes:
    """The whole COPY stream; each of `pieces` has one element a row, of one or more columns."""
    prefix = repeat(column_count.to_bytes(2, "big"))
    rows = chain.from_iterable(zip(prefix, *pieces, strict=False))
    return HEADER + b"".join(rows) + TRAILER


def read_vectors(cells: Sequence[bytes], kind: str, dimension: int) -> NDArray[np.float32]:
    """Binary `vector` (kind ">f4") or `halfvec` (">f2") cells as float32, (n, dimension)."""
    values = np.frombuffer(b"".join(cell[4:] for cell in cells), kind)
    return values.reshape(len(cells), dimension).astype(np.float32)
