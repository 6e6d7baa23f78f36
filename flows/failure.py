"""The error that ends a process, kept: of a worker in a cluster Bytewax tells only that it died."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

Self = TypeVar("Self")
Given = ParamSpec("Given")
Result = TypeVar("Result")

_kept: list[Exception] = []


def kept(
    method: Callable[Concatenate[Self, Given], Result],
) -> Callable[Concatenate[Self, Given], Result]:
    """For methods that Bytewax calls: what they raise is kept, then goes its way."""

    @wraps(method)
    def keeping(self: Self, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return method(self, *args, **kwargs)
        except StopIteration:
            raise
        except Exception as error:
            _kept.append(error)
            raise

    return keeping


def first_failure() -> Exception | None:
    """What went wrong first; None where nothing did in this process."""
    return _kept[0] if _kept else None
