"""CPU time of a PostgreSQL server, from outside."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vane.store.connection import Connection

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class PostgresCpu:
    """Of the server with this postmaster, which runs on this machine."""

    postmaster: int

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """The server behind a connection."""
        row = connection.execute("select pg_read_file('postmaster.pid')").fetchone()
        assert row is not None
        return cls(int(row[0].split()[0]))

    def seconds(self) -> float:
        """Of the processes that live, since their start; in ticks of 10 ms each."""
        total = 0.0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                values = path.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(values[1]) == self.postmaster:
                total += (int(values[11]) + int(values[12])) * TICK_S
        return total
