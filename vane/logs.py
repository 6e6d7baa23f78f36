"""Log lines on stderr, as JSON or as text; limited, and without anybody's ids.

Code logs by Python's `logging`. What starts a process calls `begin`. A line has what identifies the
process, the trace that it belongs to, and fields out of `FIELDS`, given as `extra=`. Other people's
messages are cut to their first line, and lose the values that they quote.
"""

import atexit
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from vane import traces
from vane.scrubbing import scrub, stack

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

FIELDS = (
    "flow", "topic", "partition", "offset", "epoch",
    "method", "route", "status", "command", "suppressed",
)  # fmt: skip
"""What a line may tell beside its message. None of these is of a user, an item or an event."""

OURS = ("vane", "flows", "api", "__main__")
ALIKE_MAX = 5
"""Lines that differ in no more than their numbers: so many are written in a window."""
WINDOW_S = 60.0
KINDS_MAX = 1_000
"""Beyond, the lines of a logger and level count as alike."""
QUIET = ("urllib3", "httpx", "httpcore", "asyncio")
"""Their lines begin with warnings."""

_log = logging.getLogger(__name__)

_NUMBER = re.compile(r"\d+")


def message_of(record: logging.LogRecord) -> str:
    """What a record says, in so far as it may be written."""
    said = record.getMessage()
    return said if record.name.partition(".")[0] in OURS else scrub(said)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a record that may be written."""
    return {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": message_of(record),
        }
        if ids := traces.current_ids():
            line["trace_id"], line["span_id"] = ids
        line.update(fields_of(record))
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = stack(record.exc_info[1])
        return msgspec.json.encode(line, enc_hook=str).decode()


class TextLines(logging.Formatter):
    """For people; the line with which a command ends says `vane:` as that of any command."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, with more below where there was an error."""
        said = message_of(record)
        if getattr(record, "last_word", False):
            line = f"vane: {said}"
        else:
            line = f"{self.formatTime(record)} {record.levelname} {record.name} {said}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + stack(record.exc_info[1])
        return line


@dataclass(slots=True)
class _Alike:
    """Records that say the same, within one window."""

    since_s: float
    written: int = 0
    held_back: int = 0
    last: logging.LogRecord | None = None


class Limited(logging.Handler):
    """Passes on so many alike records in a window, and behind it tells how many more there were.

    Args:
        targets: what writes.
        clock: seconds, monotonic.
    """

    def __init__(
        self, targets: Sequence[logging.Handler], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self.targets, self._clock = list(targets), clock
        self._alike: dict[tuple[str, int, str], _Alike] = {}
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, or count it."""
        now, key = self._clock(), self._key(record)
        alike = self._alike.get(key)
        if alike is None or now - alike.since_s >= WINDOW_S:
            if alike is not None:
                self._sum_up(alike)
            alike = self._alike[key] = _Alike(now)
        if alike.written < ALIKE_MAX:
            alike.written += 1
            self._write(record)
            return
        alike.held_back, alike.last = alike.held_back + 1, record
        if self._timer is None:
            self._timer = threading.Timer(WINDOW_S, self.sum_up)
            self._timer.daemon = True
            self._timer.start()

    def sum_up(self) -> None:
        """Tell what was held back so far, and begin new windows."""
        self.acquire()
        try:
            alike, self._alike = self._alike, {}
            self._timer = None
            for each in alike.values():
                self._sum_up(each)
        finally:
            self.release()

    def _key(self, record: logging.LogRecord) -> tuple[str, int, str]:
        said = _NUMBER.sub("0", message_of(record))
        key = record.name, record.levelno, said
        if key in self._alike or len(self._alike) < KINDS_MAX:
            return key
        return record.name, record.levelno, ""

    def _sum_up(self, alike: _Alike) -> None:
        if alike.last is None:
            return
        summary = copy(alike.last)
        took_s = round(self._clock() - alike.since_s)
        summary.msg = "%s (%d lines like this were held back in %d s)"
        summary.args = message_of(alike.last), alike.held_back, took_s
        summary.exc_info, summary.suppressed = None, alike.held_back
        self._write(summary)

    def _write(self, record: logging.LogRecord) -> None:
        for target in self.targets:
            if record.levelno >= target.level:
                target.handle(record)


_installed: Limited | None = None


def begin(form: Format, level: Level, process: str) -> None:
    """Write the lines of this process to stderr from now on.

    Args:
        form: JSON for machines, text for people.
        level: lines below are not written.
        process: which this is, as in the metrics.
    """
    global _installed  # noqa: PLW0603 - as the root logger is
    end()
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(JsonLines(process) if form == "json" else TextLines())
    root = logging.getLogger()
    _installed = Limited([lines])
    root.addHandler(_installed)
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
    threading.excepthook = _thread_failed
    atexit.register(end)


def add(target: logging.Handler | None) -> None:
    """Let another handler have the lines of `begin`, too, from its level on."""
    if _installed is not None and target is not None:
        _installed.targets.append(target)


def end() -> None:
    """Write what was held back; lines go nowhere after that."""
    global _installed
    installed, _installed = _installed, None
    if installed is not None:
        installed.sum_up()
        logging.getLogger().removeHandler(installed)
        atexit.unregister(end)


def begun() -> bool:
    """Whether lines are written: this process is a service, not a command of a person."""
    return _installed is not None


def last_word(message: str, level: int, error: BaseException | None = None) -> None:
    """Why the process ends: its last line, behind what was held back."""
    if _installed is not None:
        _installed.sum_up()
    _log.log(level, "%s", message, exc_info=error, extra={"last_word": True})


def _thread_failed(failure: "threading.ExceptHookArgs") -> None:
    if failure.exc_value is not None:
        info = failure.exc_type, failure.exc_value, failure.exc_traceback
        _log.critical("a thread ended unexpectedly", exc_info=info)
