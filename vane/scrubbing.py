"""What may be said of an error in a log: where and of which kind, never whose.

Libraries quote the values that they stumble over: an id in a `KeyError`, a key in PostgreSQL's
detail. Vane's own messages name no ids where they are logged, so they stay as they are.
"""

import re
import traceback
from collections.abc import Iterator

from vane.errors import VaneError

CHAIN_MAX = 5
"""Errors that led to each other; the ones further back are left out."""
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
    """Where an error and those before it were raised, the newest first; no values of variables."""
    return "\n".join(
        line
        for each in _chain(error)
        for line in (
            describe(each),
            *(
                f"  {frame.f_code.co_filename}:{number} {frame.f_code.co_name}"
                for frame, number in list(traceback.walk_tb(each.__traceback__))[-FRAMES_MAX:]
            ),
        )
    )


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    before: BaseException | None = error
    for _ in range(CHAIN_MAX):
        if before is None:
            return
        yield before
        hidden = before.__suppress_context__
        before = before.__cause__ or (None if hidden else before.__context__)
