"""The item table follows the catalogue and the trends, and misses nothing."""

from datetime import UTC, datetime

import numpy as np
import pytest

from tests.api.seed import Seed
from vane.item_table import ItemTable
from vane.popularity import COLUMNS
from vane.preference import NEVER_US
from vane.settings import Settings
from vane.store.connection import Connection, connect
from vane.store.item_changes import ItemChanges


@pytest.fixture
def seed(connection: Connection) -> Seed:
    return Seed(connection)


def follow(changes: ItemChanges, table: ItemTable, *, by_event_clock: bool = False) -> list[str]:
    """Read once; the items that were named."""
    named = list[str]()
    for rows in changes.read():
        rows.put_into(table, by_event_clock=by_event_clock)
        named += rows.ids
    table.refresh()
    return named


def test_what_changes_is_read_and_nothing_else(
    settings: Settings, connection: Connection, seed: Seed
) -> None:
    seed.item("old", category="cars", author="Ann")
    seed.item("gone", available=False)
    seed.trend("old", 7.0)
    table = ItemTable()
    with connect(settings, "tests") as other:
        changes = ItemChanges(other)
        assert sorted(follow(changes, table)) == ["gone", "old", "old"]
        assert follow(changes, table) == []
        old, gone = table.number["old"], table.number["gone"]
        assert table.heats[old].tolist() == [7.0] * 8 + [-np.inf] * (len(COLUMNS) - 8)
        assert table.events[old] == 1
        assert table.selectable(np.array([old, gone])).tolist() == [True, False]
        assert table.category[old] == table.codes["category"]["cars"]
        seed.item("new")
        connection.execute("update item set available = true where item_id = 'gone'")
        connection.execute("delete from item where item_id = 'old'")
        assert sorted(follow(changes, table)) == ["gone", "new", "old"]
        rows = np.array([old, gone, table.number["new"]])
        assert table.selectable(rows).tolist() == [False, True, True]
        connection.execute("update item_trend set heat_1d = 9, changed_xid = pg_current_xact_id()")
        assert follow(changes, table) == ["old"]
        assert table.heats[old, COLUMNS.index("heat_1d")] == 9.0


def test_a_change_that_is_committed_late_is_not_missed(
    settings: Settings, connection: Connection, seed: Seed
) -> None:
    table = ItemTable()
    with connect(settings, "tests") as late, connect(settings, "tests") as reader:
        changes = ItemChanges(reader)
        with late.transaction():
            Seed(late).item("late")
            seed.item("early")
            assert follow(changes, table) == ["early"]
        assert "late" in follow(changes, table)
        assert follow(changes, table) == []


def test_trends_that_begin_anew_are_told(
    settings: Settings, connection: Connection, seed: Seed
) -> None:
    connection.execute("insert into log (cluster_id, topic, topic_id) values ('c', 't', 'i')")
    seed.position("trends/00", 1, 0, 50)
    with connect(settings, "tests") as reader:
        changes = ItemChanges(reader)
        follow(changes, ItemTable())
        assert not changes.set_back()
        seed.position("trends/00", 1, 0, 60)
        assert not changes.set_back()
        follow(changes, ItemTable())
        seed.position("trends/00", 1, 0, 10)
        assert changes.set_back()


def test_since_when_an_item_can_be_had(
    settings: Settings, connection: Connection, seed: Seed
) -> None:
    published = datetime(2020, 5, 1, tzinfo=UTC)
    first = datetime(2021, 6, 1, tzinfo=UTC)
    seed.item("published", published_at=published)
    seed.item("touched")
    seed.item("cold")
    for item in ("published", "touched"):
        seed.trend(item, 1.0)
    connection.execute("update item_trend set first_ts = %s", [first])
    for by_event_clock in (False, True):
        table = ItemTable()
        with connect(settings, "tests") as reader:
            follow(ItemChanges(reader), table, by_event_clock=by_event_clock)
        since = {item: table.since_us[table.number[item]] for item in table.ids}
        assert since["published"] == published.timestamp() * 1e6
        if by_event_clock:
            assert since["touched"] == first.timestamp() * 1e6
            assert since["cold"] == NEVER_US
        else:
            assert (
                min(since["touched"], since["cold"])
                > datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1e6
            )
