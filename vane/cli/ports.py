"""What commands that listen have in common; nothing of the embedded servers is imported here.

The images hold no embedded servers, and run the API.
"""

import socket

from vane.embedded.sockets import LOOPBACK, free_port
from vane.errors import UsageError

ACCESS = {
    "open": "open on this machine, only admin needs a key (VANE_ACCESS=keys closes it)",
    "keys": "by API keys (vane keys create) and users' tokens",
}
"""What the start says of `VANE_ACCESS`."""


def usable_port(port: int) -> int:
    """The port itself where it is free, any free one for 0.

    Raises:
        UsageError: something listens on it, or we may not.
    """
    if port == 0:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise UsageError(
                f"port {port}: {error.strerror}; choose another one with --port (0: any free one)"
            ) from error
    return port
