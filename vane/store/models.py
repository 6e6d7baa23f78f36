"""Learned models in table `model`: which one serves, and how another takes its place."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from vane import linear, network
from vane.errors import UnusableModel
from vane.features import FEATURES
from vane.linear import LinearRanker
from vane.network import NetworkRanker
from vane.ranking import Model
from vane.store.connection import Connection, translated
from vane.store.sql import load_queries

VERSIONS_KEPT = 5
"""Of each kind, with the one that serves."""

Positions = dict[str, int]
"""By "log/partition": the next offset to learn from."""

_KINDS = (linear.KIND, network.KIND)
_log = logging.getLogger(__name__)
_SQL = load_queries("models")
_Ranker = TypeVar("_Ranker", LinearRanker, NetworkRanker | None)
_Row = tuple[str, int, bytes | None, Positions | None]


class Active(NamedTuple):
    """What serves, and what it has learned from."""

    model: Model
    positions: Positions


def default_model() -> Model:
    """What serves before anything was learned."""
    return Model(LinearRanker(FEATURES))


def read_model(connection: Connection, known: Model | None = None) -> Active:
    """The model that serves now; a damaged or foreign part is refused, and the default stands in.

    Args:
        connection: to the database.
        known: parts of it that are still active are taken from here.
    """
    with translated(), connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_SQL["active_models"], {"known": _versions(known)}).fetchall()
    positions = next((row[3] for row in rows if row[0] == linear.KIND), None)
    return Active(_assembled(rows, known), positions or {})


async def load_model(connection: AsyncConnection[Any], known: Model | None = None) -> Model:
    """`read_model` for an event loop."""
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(_SQL["active_models"], {"known": _versions(known)})
        rows = await cursor.fetchall()
    return _assembled(rows, known)


def publish_learned(connection: Connection, model: Model, positions: Positions) -> Model | None:
    """Let these rankers serve in place of the versions that they went on learning from.

    Args:
        connection: to the database.
        model: with the versions that it was read or published as.
        positions: what it has learned from.

    Returns:
        The model with its new versions; None where others serve by now, and nothing was written.
    """
    with translated(), connection.transaction():
        connection.execute(_SQL["lock_models"])
        known = (model.linear_version, model.network_version)
        if known != tuple(_active_version(connection, kind) for kind in _KINDS):
            return None
        return _put_both(connection, model, None, positions)


def publish_network(
    connection: Connection,
    ranker: NetworkRanker,
    metrics: Mapping[str, Any],
    *,
    instead_of: int | None = None,
) -> int | None:
    """Let this network serve; returns its version.

    With `instead_of`, only if that version serves, 0 for none: else None, and nothing was written.
    """
    with translated(), connection.transaction():
        connection.execute(_SQL["lock_models"])
        if instead_of not in {None, _active_version(connection, network.KIND)}:
            return None
        return _put(connection, network.KIND, ranker, metrics, None)


def publish_model(
    connection: Connection, model: Model, metrics: Mapping[str, Any], positions: Positions
) -> Model:
    """Let this model serve as a whole, without network if it has none; with its new versions."""
    with translated(), connection.transaction():
        connection.execute(_SQL["lock_models"])
        return _put_both(connection, model, metrics, positions)


def _put_both(
    connection: Connection, model: Model, metrics: Mapping[str, Any] | None, positions: Positions
) -> Model:
    linear_version = _put(connection, linear.KIND, model.linear, metrics, positions)
    connection.execute(_SQL["retire"], {"kind": network.KIND})
    network_version = model.network and _put(connection, network.KIND, model.network, metrics, None)
    return Model(model.linear, model.network, linear_version, network_version or 0)


def _put(
    connection: Connection,
    kind: str,
    ranker: LinearRanker | NetworkRanker,
    metrics: Mapping[str, Any] | None,
    positions: Positions | None,
) -> int:
    connection.execute(_SQL["retire"], {"kind": kind})
    fields = {
        "kind": kind,
        "features": list(ranker.features),
        "lists": ranker.lists,
        "content": ranker.to_bytes(),
        "metrics": None if metrics is None else Jsonb(metrics, dumps=msgspec.json.encode),
        "positions": None if positions is None else Jsonb(positions),
    }
    row = connection.execute(_SQL["insert_model"], fields).fetchone()
    assert row is not None
    connection.execute(_SQL["prune"], {"kind": kind, "kept": VERSIONS_KEPT})
    return int(row[0])


def _active_version(connection: Connection, kind: str) -> int:
    row = connection.execute(_SQL["active_version"], {"kind": kind}).fetchone()
    return int(row[0]) if row else 0


def _versions(known: Model | None) -> list[int]:
    return [known.linear_version, known.network_version] if known else []


def _assembled(rows: Sequence[_Row], known: Model | None) -> Model:
    found = {kind: (version, content) for kind, version, content, _ in rows}
    known, first = known or default_model(), default_model()
    linear_version, weights = _part(
        found.get(linear.KIND), known.linear, LinearRanker.from_bytes, first.linear
    )
    network_version, fitted = _part(
        found.get(network.KIND), known.network, NetworkRanker.from_bytes, None
    )
    return Model(weights, fitted, linear_version, network_version)


def _part(
    stored: tuple[int, bytes | None] | None,
    known: _Ranker,
    read: Callable[[bytes, Sequence[str]], _Ranker],
    first: _Ranker,
) -> tuple[int, _Ranker]:
    """The version and the ranker to use: as stored, as known before, or the first one."""
    if stored is None:
        return 0, first
    version, content = stored
    if content is None:
        return version, known
    try:
        return version, read(content, FEATURES)
    except UnusableModel as error:
        _log.warning("model version %d is refused, the default stands in: %s", version, error)
        return version, first
