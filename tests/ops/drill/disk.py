"""A disk by account: so many bytes for a folder, told under the names of node_exporter."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from vane.embedded.broker import LOOPBACK

ROOM_BYTES = 512 << 20
"""Of which at least a tenth is needed."""


class Exporter(HTTPServer):
    """Serves; a scraper that went before it had its answer is no error."""

    def handle_error(self, *_: object) -> None:
        """Nothing."""


class Disk:
    """node_exporter's two figures for a folder that may grow to `size` bytes.

    Attributes:
        port: where it serves `/metrics`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        disk = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(disk.told().encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = Exporter((LOOPBACK, 0), Handler)
        self.port = self._server.server_port

    def start(self) -> None:
        """Serve; what the folder holds now does not count."""
        self.size = self.used() + ROOM_BYTES
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def used(self) -> int:
        """Bytes of all files; those that vanish meanwhile count as nothing."""
        total = 0
        for path in self._folder.rglob("*"):
            try:
                total += path.stat().st_blocks * 512
            except FileNotFoundError:
                continue
        return total

    def told(self) -> str:
        """In Prometheus' text format."""
        labels = '{mountpoint="/postgres",fstype="ext4",device="drill"}'
        return (
            f"node_filesystem_size_bytes{labels} {self.size}\n"
            f"node_filesystem_avail_bytes{labels} {max(self.size - self.used(), 0)}\n"
        )
