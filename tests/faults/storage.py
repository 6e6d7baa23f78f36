"""A disk that is soon full."""

import os
import subprocess
from pathlib import Path

import pytest

from vane.embedded.privileges import give, server_user


class SmallDisk:
    """A tmpfs of a few megabytes; only root may mount one.

    Attributes:
        folder: on it, PostgreSQL's own.
    """

    def __init__(self, place: Path, *, megabytes: int) -> None:
        place.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
        mounted = subprocess.run(["mount", *options], check=False, capture_output=True)
        if mounted.returncode:
            place.rmdir()
            pytest.skip(f"no tmpfs may be mounted: {mounted.stderr.decode().strip()}")
        self._place = place
        self.folder = place / "data"
        self.folder.mkdir()
        give(self.folder, server_user())

    def fill(self) -> None:
        """Leave no byte."""
        filler = os.open(self._place / "filler", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(filler, bytes(1 << 16))
        except OSError:
            return
        finally:
            os.close(filler)

    def free(self) -> None:
        """Give back what `fill` took."""
        (self._place / "filler").unlink()

    def close(self) -> None:
        subprocess.run(["umount", str(self._place)], check=True)
        self._place.rmdir()
