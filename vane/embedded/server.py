"""What the embedded servers have in common: start, wait until it answers, stop, start again."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from vane.embedded.process import ServerProcess, StartFailed

POLL_S = 0.02


class Server(ABC):
    """A server that comes back on the same address when it is started again.

    Attributes:
        name: what messages and log files call it.
        start_timeout_s: how long it may take until it answers.
        stop_timeout_s: how long it may take to end by itself.
    """

    name: ClassVar[str]
    start_timeout_s: ClassVar[float] = 20.0
    stop_timeout_s: ClassVar[float] = 5.0

    def __init__(self, logs: Path, inherit: Sequence[int] = ()) -> None:
        """Nothing starts yet.

        Args:
            logs: folder of the log file.
            inherit: file descriptors that the server's warden keeps open.
        """
        self.log = logs / f"{self.name}.log"
        self._inherit = inherit
        self._process: ServerProcess | None = None

    @property
    def process(self) -> ServerProcess:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def start(self) -> Self:
        """Start and wait until it answers.

        Raises:
            StartFailed: it ended or did not answer in time.
        """
        self._process = self._spawn()
        deadline = time.monotonic() + self.start_timeout_s
        while not self._answers():
            if (status := self._process.poll()) is not None:
                self._process.close()
                raise StartFailed(self._process, f"exit status {status}")
            if time.monotonic() > deadline:
                self._process.kill()
                raise StartFailed(self._process, f"no answer within {self.start_timeout_s:.0f} s")
            time.sleep(POLL_S)
        return self

    def stop(self) -> None:
        """Stop gracefully, then by force; does nothing where it does not run."""
        if self._process is not None:
            self._process.request_stop()
            self._process.wait(self.stop_timeout_s)
            self._process.kill()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def message(self) -> str:
        """The end of its log."""
        return self.process.tail()

    @abstractmethod
    def _spawn(self) -> ServerProcess: ...

    @abstractmethod
    def _answers(self) -> bool: ...
