"""Runs a flow as one process of a Bytewax cluster, and says why it ended, as Bytewax does not.

After an error in one of its threads Bytewax tells nothing, hangs now and then, or makes Python
abort at its end. All that counts is in PostgreSQL, so the process may leave at once.
"""

import atexit
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar, cast

from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from vane.errors import Unavailable

Method = TypeVar("Method", bound=Callable[..., Any])

_ends = SimpleQueue[Exception | None]()
"""What methods of the flows have raised, the first one first; None: the flow is at its end."""


def kept(method: Method) -> Method:
    """For methods that Bytewax calls: what they raise is told to `run_in_cluster` as well."""

    @wraps(method)
    def keeping(*args: Any) -> Any:
        try:
            return method(*args)
        except StopIteration:
            raise
        except Exception as error:
            _ends.put(error)
            raise

    return cast("Method", keeping)


def run_in_cluster(
    flow: Dataflow, place: int, addresses: Sequence[str], epoch_interval: timedelta
) -> None:
    """Run the flow until all processes of the cluster were told to stop, or one has ended.

    Args:
        flow: with sources that list the parts of this process alone.
        place: of this process in `addresses`.
        addresses: `host:port` of all processes.
        epoch_interval: how often the processes agree on how far they are.

    Raises:
        VaneError: what went wrong here, `Unavailable` if it was elsewhere.
    """

    def run() -> None:
        try:
            cli_main(  # type: ignore[no-untyped-call]
                flow, process_id=place, addresses=list(addresses), epoch_interval=epoch_interval
            )
            _ends.put(None)
        except BaseException:  # noqa: BLE001 - a Rust panic, whatever the reason
            _ends.put(Unavailable("another process of the cluster has ended"))

    Thread(target=run, name="cluster", daemon=True).start()
    failure = _ends.get()
    if failure is not None:
        atexit.register(os._exit, getattr(failure, "exit_code", 1))
        raise failure
