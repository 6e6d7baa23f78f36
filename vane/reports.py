"""Errors to Sentry where VANE_SENTRY_DSN is set: the only module that knows its SDK.

What is sent is made here, field by field, from what a log line tells: no variables, no requests, no
breadcrumbs, no arguments of the command line, and of a message nothing that a log line would hide.
"""

import logging
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from vane import logs, traces
from vane.errors import SettingError
from vane.scrubbing import causes, describe

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

END_S_MAX = 2.0
"""At the end of a process, for reports on their way."""
KEPT = (
    "event_id", "timestamp", "level", "logger", "platform", "release", "environment",
    "server_name", "sdk", "tags",
)  # fmt: skip
"""Of what the SDK gathers."""
FRAME = ("abs_path", "filename", "function", "module", "lineno", "context_line", "in_app")
"""Of each line of code in a stack."""


def begin(dsn: str, process: str) -> logging.Handler | None:
    """What reports errors from now on; None without a DSN.

    Args:
        dsn: as Sentry shows it for a project; empty: none.
        process: which this is, a tag of every report.

    Raises:
        SettingError: the DSN is none.
    """
    if not dsn:
        return None
    sdk = import_module("sentry_sdk")
    try:
        import_module("sentry_sdk.utils").Dsn(dsn)
    except ValueError:
        raise SettingError("VANE_SENTRY_DSN", dsn, "https://KEY@HOST/PROJECT") from None
    sdk.init(
        dsn,
        release=f"vane@{version('vane')}",
        default_integrations=False,
        auto_enabling_integrations=False,
        send_default_pii=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        before_send=_told,
        shutdown_timeout=END_S_MAX,
    )
    sdk.set_tag("process", process)
    handler: logging.Handler = import_module("sentry_sdk.integrations.logging").EventHandler()
    handler.setLevel(logging.ERROR)
    handler.addFilter(_is_first)
    return handler


def end() -> None:
    """Wait for the reports that are on their way, two seconds at most."""
    sdk = sys.modules.get("sentry_sdk")
    if sdk is not None:
        sdk.get_client().close(END_S_MAX)


def _is_first(record: logging.LogRecord) -> bool:
    """Not the sums of lines that were held back, nor what Granian says of a defect once more."""
    return not hasattr(record, "suppressed") and not record.name.startswith("_granian")


def _told(event: "Event", hint: "Hint") -> "Event | None":
    """The report that is sent for an event of the SDK."""
    record: logging.LogRecord = hint["log_record"]
    told: dict[str, Any] = {name: event[name] for name in KEPT if name in event}  # type: ignore[literal-required]
    told["logentry"] = {"formatted": logs.message_of(record)}
    told["extra"] = logs.fields_of(record)
    if ids := traces.current_ids():
        told["contexts"] = {"trace": {"trace_id": ids[0], "span_id": ids[1]}}
    if "exc_info" in hint:
        told["exception"] = {"values": _values(event, hint["exc_info"][1])}
    return told  # type: ignore[return-value]


def _values(event: "Event", error: BaseException) -> list[dict[str, Any]]:
    """The errors of the chain, the first cause first, each with its stack."""
    said = {type(each).__name__: describe(each) for each in causes(error)}
    return [
        {
            "type": value["type"],
            "value": said.get(value["type"], ""),
            "stacktrace": {"frames": [_frame(each) for each in _frames(value)]},
        }
        for value in event["exception"]["values"]
    ]


def _frames(value: dict[str, Any]) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = (value.get("stacktrace") or {}).get("frames") or []
    return frames


def _frame(frame: dict[str, Any]) -> dict[str, Any]:
    return {name: frame[name] for name in FRAME if name in frame}
