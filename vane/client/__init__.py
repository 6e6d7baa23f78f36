"""Vane for programs: `Vane` calls the HTTP API, `Producer` writes to its topics.

Neither opens anything before its first call, and both need no more than Python and what checks and
carries the messages.
"""

from vane.client.api import Vane
from vane.client.producer import Producer

__all__ = ["Producer", "Vane"]
