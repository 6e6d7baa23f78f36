"""A flow or the API as a child of `vane up`."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import msgspec

from vane.child import supervised_environ
from vane.embedded.process import ChildProcess

SAYS = "vane: "
"""How the one readable line of an error begins, see `vane.cli.main`."""


class _Line(msgspec.Struct):
    """Of a log in JSON."""

    message: str


class VaneChild:
    """One command of ours as a child, which tells when it is ready.

    Args:
        name: what messages and its log file call it.
        command: program and arguments.
        environ: its environment.
        logs: folder of the log file.
        inherit: file descriptors that it keeps open.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        logs: Path,
        inherit: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._command, self._environ, self._inherit = command, environ, inherit
        self._process: ChildProcess | None = None
        self._ready_fd: int | None = None
        self._ready = False

    @property
    def process(self) -> ChildProcess:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def start(self) -> Self:
        """Start; does not wait until it is ready."""
        self._forget()
        self._ready_fd, writer = os.pipe()
        os.set_blocking(self._ready_fd, False)
        try:
            self._process = ChildProcess(
                self.name,
                self._command,
                log=self.log,
                environ=supervised_environ(self._environ, writer),
                inherit=[writer, *self._inherit],
            )
        finally:
            os.close(writer)
        return self

    def is_ready(self) -> bool:
        """Whether it has said so since it was started."""
        if not self._ready and self._ready_fd is not None:
            with contextlib.suppress(BlockingIOError):
                self._ready = os.read(self._ready_fd, 16) != b""
        return self._ready

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it and all of its processes at once; does nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
        self._forget()

    def message(self) -> str:
        """What it said last: the line of its error, otherwise the end of its log."""
        *_, last = ["", *self.process.tail().splitlines()]
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.json.decode(last, type=_Line).message
        return last.removeprefix(SAYS) if last.startswith(SAYS) else self.process.tail()

    def _forget(self) -> None:
        if self._ready_fd is not None:
            os.close(self._ready_fd)
        self._ready_fd, self._ready = None, False
