"""A proxy between a client and a server that can cut, hang, delay, or stop at a COMMIT."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

Address = tuple[str, int] | str
"""Host and port, or the path of a unix socket."""

COMMIT = b"COMMIT\0"
READ_BYTES = 1 << 16
HOLD_S_MAX = 60.0


def _listen(address: Address) -> socket.socket:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(64)
    return listener


def _dial(address: Address) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


@dataclass(slots=True)
class CommitTrap:
    """Springs at the COMMIT of a transaction whose statements held `statement`.

    Args:
        statement: SQL text that the transaction must have sent.
        after: let the COMMIT through and stop its answer; else stop the COMMIT itself.
        skip: transactions to let pass before.
        action: "hold" stops there until the proxy is healed, "cut" cuts the connection.
    """

    after: bool
    action: str = "hold"
    statement: bytes = b"copy interaction ("
    skip: int = 0
    sprung: threading.Event = field(default_factory=threading.Event)


class _Link:
    """One connection through the proxy; a thread for each direction."""

    def __init__(self, proxy: "Proxy", client: socket.socket, server: socket.socket) -> None:
        self._proxy, self.client, self.server = proxy, client, server
        self._tail = b""
        self._answer_trapped: CommitTrap | None = None
        self.closed = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def cut(self) -> None:
        self.closed = True
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        upstream = threading.Thread(target=self._pump, args=(self._upstream,), daemon=True)
        upstream.start()
        self._pump(self._downstream)
        upstream.join()
        self.client.close()
        self.server.close()

    def _pump(self, pump: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            pump()
        self.cut()

    def _upstream(self) -> None:
        while data := self.client.recv(READ_BYTES):
            if self._proxy.wait_before(self, len(data)):
                return
            if (trap := self._proxy.trap) is not None and self._at_commit(trap, data):
                if trap.after:
                    self._answer_trapped = trap
                elif self._spring(trap):
                    return
            self.server.sendall(data)

    def _downstream(self) -> None:
        while data := self.server.recv(READ_BYTES):
            if self._proxy.wait_before(self, 0):
                return
            if (trap := self._answer_trapped) is not None:
                self._answer_trapped = None
                if self._spring(trap):
                    return
            self.client.sendall(data)

    def _at_commit(self, trap: CommitTrap, data: bytes) -> bool:
        self._tail += data
        if not data.endswith(COMMIT):
            return False
        seen, self._tail = trap.statement in self._tail, b""
        if seen and trap.skip:
            trap.skip -= 1
            return False
        return seen and not trap.sprung.is_set()

    def _spring(self, trap: CommitTrap) -> bool:
        """Whether the connection ends here."""
        trap.sprung.set()
        if trap.action == "hold":
            self._proxy.released.wait(HOLD_S_MAX)
        return trap.action == "cut" or self.closed or self._client_is_gone()

    def _client_is_gone(self) -> bool:
        """What a killed client has sent last does not arrive."""
        try:
            return not self.client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True


class Proxy:
    """Listens at `address` and passes on to `target`.

    Attributes:
        trap: springs once, see `CommitTrap`.
        released: set while a sprung trap may go on.
    """

    def __init__(self, address: Address, target: Address) -> None:
        self._address, self._target = address, target
        self.trap: CommitTrap | None = None
        self.released = threading.Event()
        self._open = threading.Event()
        self._refusing = False
        self._delay_s = 0.0
        self._budget: int | None = None
        self._links: list[_Link] = []
        self._lock = threading.Lock()
        self._open.set()

    def __enter__(self) -> Self:
        self._listener = _listen(self._address)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self.cut()
        for link in self._links:
            link.thread.join()
        if isinstance(self._address, str):
            Path(self._address).unlink()

    def cut(self) -> None:
        """End every open connection."""
        with self._lock:
            for link in self._links:
                link.cut()

    def lead_to(self, target: Address) -> None:
        """From now on another server is behind it; open connections end."""
        self._target = target
        self.cut()

    def refuse(self) -> None:
        """Cut, and cut every new connection, until healed."""
        self._refusing = True
        self.cut()

    def hang(self) -> None:
        """Pass nothing on, in either direction, until healed."""
        self._open.clear()

    def delay(self, seconds: float) -> None:
        """Hold up everything that is passed on."""
        self._delay_s = seconds

    def cut_after(self, count: int) -> None:
        """Cut the connection that sends the `count`-th byte from now, before that byte."""
        self._budget = count

    def set_trap(self, trap: CommitTrap) -> CommitTrap:
        """Arm a trap."""
        self.released.clear()
        self.trap = trap
        return trap

    def heal(self) -> None:
        """Be a faithful proxy again."""
        self._refusing, self._delay_s, self._budget, self.trap = False, 0.0, None, None
        self.released.set()
        self._open.set()

    def wait_before(self, link: _Link, count: int) -> bool:
        """Hold the link up as asked; whether it ends here."""
        self._open.wait()
        if self._delay_s:
            time.sleep(self._delay_s)
        with self._lock:
            if self._budget is None:
                return link.closed
            self._budget -= count
            if self._budget > 0:
                return link.closed
            self._budget = None
        return True

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = _dial(self._target)
            except OSError:
                client.close()
                continue
            link = _Link(self, client, server)
            if self._refusing:
                link.cut()
            with self._lock:
                self._links = [known for known in self._links if known.thread.is_alive()]
                self._links.append(link)
