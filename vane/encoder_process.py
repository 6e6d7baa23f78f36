"""A process that embeds texts for another one: `python -m vane.encoder_process MODEL`.

Reads one JSON text a line from stdin and writes each one's vector to stdout: 384 float32,
little-endian. Before the first it writes `READY`. It ends with its stdin, so with its parent.
"""

import json
import logging
import os
import signal
import sys

from vane import logs
from vane.embedding import load_encoder
from vane.errors import VaneError
from vane.settings import load_settings

READY = b"ready\n"
NICE = 5
"""Whoever started it serves requests meanwhile."""


def main() -> int:
    """Embed until the end of stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    os.nice(NICE)
    vectors = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no vector
    settings = load_settings(os.environ)
    logs.begin(settings.log_format, settings.log_level, "encoder")
    try:
        encode = load_encoder(sys.argv[1], batch_items=1)
    except VaneError as error:
        logs.last_word(f"search by meaning: {error}", logging.ERROR)
        return error.exit_code
    vectors.write(READY)
    vectors.flush()
    for line in sys.stdin.buffer:
        vectors.write(encode([json.loads(line)]).astype("<f4").tobytes())
        vectors.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
