"""The bytes of a learned model: a hash, then what it is, the features it reads, and its content."""

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

import msgspec
from msgspec import Struct

from vane.errors import UnusableModel

FORMAT = 1
"""Raised when older bytes could be misread."""

_MAGIC = b"vane model\n"
_DIGEST_BYTES = sha256().digest_size

Content = TypeVar("Content", bound=Struct)


class _File(Struct, frozen=True):
    format: int
    kind: str
    features: tuple[str, ...]
    content: bytes


def pack(kind: str, features: Sequence[str], content: Struct) -> bytes:
    """The bytes of a model that reads these features."""
    inner = msgspec.msgpack.encode(content)
    body = msgspec.msgpack.encode(_File(FORMAT, kind, tuple(features), inner))
    return _MAGIC + sha256(body).digest() + body


def unpack(data: bytes, kind: str, features: Sequence[str], content: type[Content]) -> Content:
    """The content that `pack` was given.

    Raises:
        UnusableModel: the bytes are damaged, of another kind, or read other features than these.
    """
    digest, body = data[len(_MAGIC) :][:_DIGEST_BYTES], data[len(_MAGIC) + _DIGEST_BYTES :]
    if not data.startswith(_MAGIC) or sha256(body).digest() != digest:
        raise UnusableModel(f"{kind} model: its bytes are damaged")
    try:
        file = msgspec.msgpack.decode(body, type=_File)
        if (file.format, file.kind) != (FORMAT, kind):
            raise UnusableModel(
                f"{kind} model: this is a {file.kind} model of format {file.format}, "
                f"not one of format {FORMAT}"
            )
        if file.features != tuple(features):
            odd = sorted(set(file.features) ^ set(features)) or ["their order"]
            raise UnusableModel(
                f"{kind} model: it was learned from other features ({', '.join(odd[:3])})"
            )
        return msgspec.msgpack.decode(file.content, type=content)
    except msgspec.MsgspecError as error:
        raise UnusableModel(f"{kind} model: {error}") from None
