"""Commands of topic `admin-commands`: what makes one valid, and what it means. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from schemas.events import ID_LENGTH_MAX, AdminCommand
from vane.errors import InvalidEvent
from vane.interaction import CONTROL, event_time_us, invalid_event

SET_SETTINGS = "set_settings"

_decode = msgspec.json.Decoder(AdminCommand).decode
_DURATION = re.compile(r"\d+(?:\.\d+)?[smhd]")


def parse_command(raw: bytes | None) -> AdminCommand:
    """Decode one message and check its arguments, those of `set_settings` only by their kind.

    Raises:
        InvalidEvent: names the field and the reason.
    """
    if raw is None:
        raise InvalidEvent("$", "empty message")
    try:
        command = _decode(raw)
    except msgspec.ValidationError as error:
        raise invalid_event(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent("$", f"not JSON: {error}") from None
    except RecursionError:
        raise InvalidEvent("$", "nested too deep") from None
    if CONTROL.search(command.command_id):
        raise InvalidEvent("command_id", "has a control character")
    event_time_us(command.ts)
    if command.command != SET_SETTINGS:
        arguments_of(command.command, command.args)
    return command


def arguments_of(command: str, args: Mapping[str, Any]) -> list[str]:
    """The command line that does it: `vane` with these arguments.

    Raises:
        InvalidEvent: an argument is not known or cannot be so.
    """
    known, line = _OPTIONS[command], [command, "--json"]
    for name, value in args.items():
        if name not in known:
            allowed = ", ".join(known) or "nothing"
            raise InvalidEvent(f"args.{name}", f"{command} takes {allowed}")
        line += known[name](name, value)
    return line


def _count(least: int) -> Callable[[str, Any], list[str]]:
    def option(name: str, value: Any) -> list[str]:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
            raise InvalidEvent(f"args.{name}", f"expected a whole number from {least} on")
        return [_flag(name), str(value)]

    return option


def _duration(name: str, value: Any) -> list[str]:
    if not isinstance(value, str) or not _DURATION.fullmatch(value) or float(value[:-1]) == 0:
        raise InvalidEvent(f"args.{name}", "expected a number and a unit, such as 6h or 45m")
    return [_flag(name), value]


def _user(name: str, value: Any) -> list[str]:
    if not isinstance(value, str) or not 1 <= len(value) <= ID_LENGTH_MAX or CONTROL.search(value):
        raise InvalidEvent(f"args.{name}", "expected a user's id")
    return [f"{_flag(name)}={value}"]


def _switch(name: str, value: Any) -> list[str]:
    if not isinstance(value, bool):
        raise InvalidEvent(f"args.{name}", "expected true or false")
    return [_flag(name) if value else _flag(f"no_{name}")]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


_LEARNING = {"events": _count(1_000), "seed": _count(0)}
_OPTIONS: dict[str, dict[str, Callable[[str, Any], list[str]]]] = {
    "tune": _LEARNING,
    "retrain": _LEARNING,
    "rebuild": {
        "half_life_long": _duration,
        "half_life_short": _duration,
        "trends": _switch,
        "user": _user,
    },
}
