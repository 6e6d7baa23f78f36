"""A Prometheus of our own over a running Vane: for tests, and for pictures of the dashboards."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

PROGRAM = Path(__file__).resolve().parent.parent / "build" / "bin" / "prometheus"
START_S_MAX = 30.0
QUERY_S_MAX = 20.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs.

    Attributes:
        url: of its API.
        rate_interval: stands for `$__rate_interval`.
        window: stands for `$__range`.
    """

    url: str
    rate_interval: str
    window: str

    def plain(self, expression: str) -> str:
        """An expression of a panel as Grafana sends it where all jobs and instances are chosen."""
        plain = expression.replace("$__rate_interval", self.rate_interval)
        plain = plain.replace("$__range", self.window)
        return plain.replace('"$job"', '".+"').replace('"$instance"', '".+"')

    def now(self, expression: str, at_s: float | None = None) -> list[Any]:
        """What a panel's expression gives now or at a time, without what is no number."""
        at = {} if at_s is None else {"time": at_s}
        found = self._ask("query", query=self.plain(expression), **at)["result"]
        return [each for each in found if each["value"][1] != "NaN"]

    def over(self, expression: str, start_s: float, end_s: float, step_s: float) -> list[Any]:
        """What it gives over a time."""
        query = self.plain(expression)
        found: list[Any] = self._ask(
            "query_range", query=query, start=start_s, end=end_s, step=step_s
        )["result"]
        return found

    def exemplars(self, expression: str, start_s: float, end_s: float) -> list[Any]:
        """The recorded traces behind the histograms of an expression."""
        found: list[Any] = self._ask("query_exemplars", query=expression, start=start_s, end=end_s)
        return found

    def rules(self) -> list[Any]:
        """All rules with their state."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def _ask(self, path: str, **parameters: str | float) -> Any:
        reply = httpx.get(f"{self.url}/{path}", params=parameters, timeout=QUERY_S_MAX).json()
        if reply["status"] != "success":
            raise ValueError(f"{parameters}: {reply['error']}")
        return reply["data"]


@contextmanager
def scraping(
    metrics: Mapping[str, str],
    folder: Path,
    address: str,
    *,
    scrape_s: int,
    rules: Path | None = None,
    window: str = "2m",
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes these processes, until the end of the block.

    Args:
        metrics: process → URL of its /metrics, as in endpoints.json.
        folder: for its configuration and data.
        address: a free one, host:port.
        scrape_s: between two scrapes.
        rules: that it evaluates.
        window: stands for `$__range`.
    """
    config = {
        "global": {"scrape_interval": f"{scrape_s}s", "evaluation_interval": f"{2 * scrape_s}s"},
        "rule_files": [str(rules)] if rules else [],
        "scrape_configs": [
            {"job_name": f"vane-{name}", "static_configs": [{"targets": [url.split("/")[2]]}]}
            for name, url in metrics.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [
        str(PROGRAM),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        found = Prometheus(f"http://{address}/api/v1", f"{20 * scrape_s}s", window)
        try:
            _await(found.url)
            yield found
        finally:
            server.terminate()


def _await(url: str) -> None:
    deadline = time.monotonic() + START_S_MAX
    while True:
        try:
            if httpx.get(f"{url}/status/buildinfo").is_success:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("Prometheus does not answer")
        time.sleep(0.1)
