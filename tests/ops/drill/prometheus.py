"""A real Prometheus that scrapes the drill's processes every second, with the rules of `deploy`."""

import subprocess
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from grafana.generate import RULES
from tests.ops.drill.pace import duration, shorten
from tests.running import ENDS_WITH_US, wait_until
from vane.embedded.broker import LOOPBACK, free_port

BIN = Path(__file__).resolve().parents[3] / "build" / "bin"
SCRAPE_S = 1
LOOKBACK = "5m"
"""For how long Prometheus takes a series for present that ends without a word: its default."""
POLL_S = 0.2


class Prometheus:
    """One server.

    Attributes:
        config: its file, as `promtool check config` takes it.
        url: of the server.
    """

    def __init__(self, folder: Path, ports: Mapping[str, int]) -> None:
        self.config, self._folder = folder / "prometheus.yml", folder
        self._ports = ports
        self._address = f"{LOOPBACK}:{free_port()}"
        self.url = f"http://{self._address}"
        rules = yaml.safe_load(RULES.read_text())
        (folder / "rules.yml").write_text(yaml.safe_dump(shorten(rules)))
        self.configure()

    def __enter__(self) -> Self:
        command: list[str | Path] = [
            *ENDS_WITH_US,
            BIN / "prometheus",
            f"--config.file={self.config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._address}",
            "--web.enable-lifecycle",
            f"--query.lookback-delta={duration(LOOKBACK)}",
        ]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until(self._answers, 30, "Prometheus")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def configure(self, rename: Mapping[str, str] | None = None) -> None:
        """Write the configuration, with jobs renamed."""
        names = {name: name for name in self._ports} | dict(rename or {})
        jobs = [
            {"job_name": names[name], "static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]}
            for name, port in self._ports.items()
        ]
        config = {
            "global": {
                "scrape_interval": f"{SCRAPE_S}s",
                "scrape_timeout": f"{SCRAPE_S}s",
                "evaluation_interval": f"{SCRAPE_S}s",
            },
            "rule_files": [str(self._folder / "rules.yml")],
            "scrape_configs": jobs,
        }
        self.config.write_text(yaml.safe_dump(config))

    def reload(self) -> None:
        """Have it read its configuration again."""
        assert httpx.post(f"{self.url}/-/reload", timeout=20).status_code == 200

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        reply = httpx.get(f"{self.url}/api/v1/alerts", timeout=20).json()
        alerts = reply["data"]["alerts"]
        return {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}

    def value(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series of an instant query."""
        reply = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=20)
        found: list[dict[str, Any]] = reply.json()["data"]["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def wait_firing(self, alerts: Collection[str], limit_s: float) -> dict[str, float]:
        """Seconds from now until each fires."""
        return self._wait(alerts, limit_s, fires=True)

    def wait_clear(self, alerts: Collection[str], limit_s: float) -> dict[str, float]:
        """Seconds from now until each fires no more."""
        return self._wait(alerts, limit_s, fires=False)

    def _wait(self, alerts: Collection[str], limit_s: float, *, fires: bool) -> dict[str, float]:
        began, seen = time.monotonic(), dict[str, float]()
        while missing := [alert for alert in alerts if alert not in seen]:
            firing, now_s = self.firing(), time.monotonic() - began
            seen |= {alert: now_s for alert in missing if (alert in firing) is fires}
            what = "does not fire" if fires else "still fires"
            assert now_s < limit_s, f"{missing} {what} after {now_s:.0f} s; firing: {firing}"
            time.sleep(POLL_S)
        return seen

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False
