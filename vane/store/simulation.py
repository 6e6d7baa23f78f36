"""What `vane simulate` reads: the items that simulated users meet."""

from psycopg.rows import class_row

from vane.simulation import CatalogueItem
from vane.store.connection import Connection, translated
from vane.store.sql import load_queries

ITEMS_MAX = 20_000

_SQL = load_queries("simulation")


def read_simulation_items(connection: Connection) -> list[CatalogueItem]:
    """A sample of the available items, of bounded size.

    Raises:
        Unavailable: the database does not answer.
    """
    with translated(), connection.cursor(row_factory=class_row(CatalogueItem)) as cursor:
        return cursor.execute(_SQL["simulation_items"], {"limit": ITEMS_MAX}).fetchall()
