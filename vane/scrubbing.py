"""What may be said of an error in a log: where and of which kind, never whose.

Libraries quote the values that they stumble over: an id in a `KeyError`, a key in PostgreSQL's
detail. Vane's own messages name no ids where they are logged, so they stay as they are.
"""

import re
import traceback

from vane.errors import VaneError

CHAIN_MAX = 5
"""Errors that led to each other; the last ones are left out, wrappers mostly."""
FRAMES_MAX = 30
"""Of each, the innermost ones."""

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|=\([^)]*\)")


def scrub(text: str) -> str:
    """The first line of what somebody else's code says, without the values that it quotes."""
    first = text.strip().partition("\n")[0]
    return _QUOTED.sub(lambda found: "=(…)" if found[0].startswith("=") else "'…'", first)


def describe(error: BaseException) -> str:
    """One line: kind and message of an error."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ in {"builtins", "__main__"} else _full_name(kind)
    said = str(error) if isinstance(error, VaneError) else scrub(str(error))
    return f"{name}: {said}" if said else name


def stack(error: BaseException) -> str:
    """Where an error came from: the first cause first; no values of variables."""
    lines = []
    for each in causes(error):
        frames = list(traceback.walk_tb(each.__traceback__))[-FRAMES_MAX:]
        lines.append(describe(each))
        lines += [
            f"  {frame.f_code.co_filename}:{at} {frame.f_code.co_name}" for frame, at in frames
        ]
    return "\n".join(lines)


def causes(error: BaseException) -> list[BaseException]:
    """An error and those that led to it, the first cause first, `CHAIN_MAX` at most."""
    chain: list[BaseException] = []
    before: BaseException | None = error
    while before is not None and before not in chain:
        chain.append(before)
        hidden = before.__suppress_context__
        before = before.__cause__ or (None if hidden else before.__context__)
    return chain[::-1][:CHAIN_MAX]


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
