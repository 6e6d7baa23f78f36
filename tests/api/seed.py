"""A small catalogue, users and trends, written straight into the tables."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from tests.support import unit_vectors
from vane.preference import Floats
from vane.store.connection import Connection

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def literal(vector: Floats) -> str:
    return str(vector.tolist())


@dataclass
class Seed:
    """Writes rows; `topics` are unit vectors that items of one category lie close to."""

    connection: Connection
    _offset: int = 0

    def items(
        self, count: int, category: str = "cars", seed: int = 0, **columns: object
    ) -> list[str]:
        """Items `<category>-<n>` around one random direction; returns their ids."""
        centre = unit_vectors(1, seed=1_000 + seed)[0]
        noise = unit_vectors(count, seed=2_000 + seed)
        ids = [f"{category}-{number}" for number in range(count)]
        for number, item_id in enumerate(ids):
            vector = centre + 0.5 * noise[number]
            self.item(item_id, vector / np.linalg.norm(vector), category=category, **columns)
        return ids

    def item(self, item_id: str, vector: Floats | None = None, **columns: object) -> str:
        row = {"item_id": item_id, "version": 1, "title": f"The {item_id}", "kind": "product"}
        row |= {"tags": [f"tag-{item_id}"]} | columns
        row["content"] = None if vector is None else literal(vector)
        names = ", ".join(row)
        places = ", ".join(f"%({name})s" for name in row)
        self.connection.execute(f"insert into item ({names}) values ({places})", row)
        return item_id

    def user(
        self, user_id: str, item_ids: list[str], version: int = 1, action: str = "view"
    ) -> None:
        """A user who viewed these items, the last one last, as the flow would have written it."""
        for item_id in item_ids:
            self.interaction(user_id, item_id, action=action)
        total = self.connection.execute(
            "select sum(content::vector)::text from item where item_id = any(%s)", [item_ids]
        ).fetchone()
        assert total is not None
        mass = float(len(item_ids))
        self.connection.execute(
            "insert into user_preference values (%s, %s, %s, %s, %s, %s, %s, %s, 0, "
            "decode(repeat('00', 512), 'hex'))",
            [user_id, total[0], total[0], mass, mass, NOW, version, len(item_ids)],
        )

    def interaction(
        self,
        user_id: str,
        item_id: str,
        action: str = "view",
        *,
        weight: float = 1.0,
        excludes: bool = False,
    ) -> None:
        self._offset += 1
        self.connection.execute(
            "insert into interaction values (1, 0, %s, now(), %s, %s, %s, %s, %s, %s, 1, %s, 0)",
            [
                self._offset,
                f"event-{self._offset}",
                user_id,
                item_id,
                action,
                NOW + timedelta(seconds=self._offset),
                weight,
                excludes,
            ],
        )

    def bump(self, user_id: str) -> int:
        """A later version of the user's row."""
        row = self.connection.execute(
            "update user_preference set version = version + 1 where user_id = %s returning version",
            [user_id],
        ).fetchone()
        assert row is not None
        return int(row[0])

    def trend(self, item_id: str, heat: float) -> None:
        self.connection.execute(
            "insert into item_trend values (%(id)s, 0, 1, %(h)s, %(h)s, %(h)s, %(h)s, %(h)s, %(h)s,"
            " %(h)s, %(h)s)",
            {"id": item_id, "h": heat},
        )

    def neighbours(self, item_id: str, weights: dict[str, float]) -> None:
        """A neighbour row; each neighbour has the same weight of every kind."""
        cells = np.repeat(np.array([*weights.values()], "<f4"), 4).tobytes()
        self.connection.execute(
            "insert into item_neighbour (item_id, slot, as_of, mass, lost, neighbours, weights)"
            " values (%s, 0, %s, '{9,9,9,9}', '{0,0,0,0}', %s, %b)",
            [item_id, NOW, [*weights], cells],
        )

    def position(
        self, flow: str, log_id: int, partition: int, next_offset: int, end: int | None = None
    ) -> None:
        """A flow's position, all offsets applied."""
        self.connection.execute(
            "insert into stream_position (flow, log_id, partition, start_offset, next_offset,"
            " end_offset, applied) values (%s, %s, %s, 0, %s, %s, %s) on conflict"
            " (flow, log_id, partition) do update set next_offset = excluded.next_offset,"
            " end_offset = excluded.end_offset, applied = excluded.applied",
            [flow, log_id, partition, next_offset, end or next_offset, next_offset],
        )
