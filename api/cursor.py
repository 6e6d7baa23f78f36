"""Cursors of a feed: what comes on the next pages, so that no process need remember a list.

A cursor holds the rest of the list as 40-bit hashes of item ids with their scores, 7 bytes an item.
It is checked, not signed: there is nothing in it that its bearer may not know, and who makes one up
gets items in the order of their own choice.
"""

import base64
import binascii
import struct
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from vane.errors import Gone, InvalidRequest
from vane.item_table import ItemTable

CURSOR_AGE_S_MAX = 3_600
"""An older list is no longer what the user would get."""
CURSOR_CHARS_MAX = 8_192

_FORMAT = 1
_HEAD = struct.Struct(">BIQq?16s")
_CHECK_BYTES = 8
_ITEM = np.dtype([("fingerprint", ">u4"), ("more", "u1"), ("score", ">f2")])

Hashes = NDArray[np.uint64]


class Cursor(NamedTuple):
    """The rest of a list.

    Attributes:
        issued_s: when the list was made, seconds since 1970.
        user: hash of whose list it is.
        version: of the user's state that it was made from.
        personal: whether that says anything of the user's.
        request_id: of the list.
        fingerprints: (n,) of the items to come.
        scores: (n,)
    """

    issued_s: int
    user: int
    version: int
    personal: bool
    request_id: str
    fingerprints: Hashes
    scores: NDArray[np.float64]

    def encode(self) -> str:
        """As text for a query string."""
        head = (self.issued_s, self.user, self.version, self.personal)
        items = np.empty(len(self.fingerprints), _ITEM)
        items["fingerprint"], items["more"] = self.fingerprints >> 8, self.fingerprints & 0xFF
        items["score"] = self.scores.clip(-60_000, 60_000)
        raw = _HEAD.pack(_FORMAT, *head, bytes.fromhex(self.request_id)) + items.tobytes()
        return base64.urlsafe_b64encode(raw + _check(raw)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, user_id: str | None, now_s: float) -> "Cursor":
        """The cursor that a text is.

        Raises:
            InvalidRequest: it is none, or that of another user's list.
            Gone: the list is too old.
        """
        raw = _payload(text)
        _, issued_s, user, version, personal, request_id = _HEAD.unpack_from(raw)
        items = np.frombuffer(raw, _ITEM, offset=_HEAD.size)
        if user != user_hash(user_id):
            raise InvalidRequest("cursor", "belongs to the list of another user")
        if now_s - issued_s > CURSOR_AGE_S_MAX:
            raise Gone("the list is over: ask for it again without a cursor")
        high = items["fingerprint"].astype(np.uint64) << np.uint64(8)
        return cls(
            issued_s,
            user,
            version,
            personal,
            request_id.hex(),
            high | items["more"],
            items["score"].astype(np.float64),
        )

    def take(self, count: int) -> "Cursor":
        """The next `count` items alone."""
        return self._replace(fingerprints=self.fingerprints[:count], scores=self.scores[:count])

    def after(self, count: int) -> "Cursor":
        """The rest behind the next `count` items."""
        return self._replace(fingerprints=self.fingerprints[count:], scores=self.scores[count:])


class Fingerprints:
    """Finds items of a table by the hashes of their ids."""

    def __init__(self, table: ItemTable) -> None:
        self._table = table
        self._known = np.zeros(0, np.uint64)

    def numbers(self, wanted: Hashes) -> dict[int, int]:
        """Number of each of these hashes that an item of the table has."""
        if len(self._known) < len(self._table):
            new = fingerprints(self._table.ids[len(self._known) :])
            self._known = np.concatenate([self._known, new])
        rows = np.flatnonzero(np.isin(self._known, wanted))
        return dict(zip(self._known[rows].tolist(), rows.tolist(), strict=True))


def fingerprints(ids: list[str]) -> Hashes:
    """40-bit hashes of item ids: two of a million items share one with a chance of one in two."""
    hashes = (xxhash.xxh3_64_intdigest(item.encode()) >> 24 for item in ids)
    return np.fromiter(hashes, np.uint64, len(ids))


def user_hash(user_id: str | None) -> int:
    """64-bit hash of whose list it is."""
    return xxhash.xxh3_64_intdigest(b"" if user_id is None else b"user:" + user_id.encode())


def _payload(text: str) -> bytes:
    """The bytes of a cursor, checked."""
    damaged = InvalidRequest("cursor", "is not one that GET /v1/feed gave")
    if len(text) > CURSOR_CHARS_MAX:
        raise damaged
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise damaged from None
    payload, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    whole = len(payload) >= _HEAD.size and not (len(payload) - _HEAD.size) % _ITEM.itemsize
    if not whole or check != _check(payload) or payload[0] != _FORMAT:
        raise damaged
    return payload


def _check(payload: bytes) -> bytes:
    return xxhash.xxh3_64_digest(payload)
