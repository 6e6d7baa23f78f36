"""How far each flow is, and what waits: the body of `vane status` and `/v1/admin/status`."""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.responses import FlowsStatus, LogFlowStatus, PartitionStatus, Status, TrendsStatus
from vane.store.serving import ServingStore
from vane.store.sql import load_queries

USERS_COUNTED_MAX = 1_000_000
"""Beyond this many users the planner's estimate is shown."""

_SQL = load_queries("status")


async def read_status(store: ServingStore) -> Status:
    """The state of everything, from the database alone.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    positions = await _fetch(store, "log_positions")
    ((trends_lag,),) = await _fetch(store, "trends_lag")
    ((pending, dead_letters, items, users, settings_version),) = await _fetch(
        store, "counts", {"exact_max": USERS_COUNTED_MAX}
    )
    return Status(
        flows=FlowsStatus(
            interactions=_log_flow("interactions", positions),
            trends=TrendsStatus(lag=int(trends_lag)),
            catalog=_log_flow("catalog", positions),
        ),
        pending=pending,
        dead_letters=dead_letters,
        items=items,
        users=users,
        settings_version=settings_version,
    )


async def _fetch(store: ServingStore, name: str, fields: Mapping[str, Any] = {}) -> list[Any]:
    async with store.connection() as connection:
        return await (await connection.execute(_SQL[name], fields)).fetchall()


def _log_flow(flow: str, positions: Iterable[tuple[str, int, int, int]]) -> LogFlowStatus:
    partitions = {
        str(partition): PartitionStatus(next_offset, end_offset, max(0, end_offset - next_offset))
        for name, partition, next_offset, end_offset in positions
        if name == flow
    }
    return LogFlowStatus(partitions, sum(partition.lag for partition in partitions.values()))
