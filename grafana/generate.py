"""Writes dashboards and rules as their servers take them: `python -m grafana.generate`."""

import json
from pathlib import Path

import yaml

from grafana.dashboards import DASHBOARDS
from grafana.rules import groups

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "deploy" / "prometheus" / "rules" / "vane.yml"
HEAD = "# Made from grafana/rules.py by `make dashboards`.\n"


def files() -> dict[Path, str]:
    """Every file with its content."""
    found = {
        ROOT / "grafana" / "dashboards" / f"{page.uid}.json": json.dumps(page.json(), indent=1)
        + "\n"
        for page in DASHBOARDS
    }
    rules = yaml.safe_dump(groups(), sort_keys=False, width=1_000, allow_unicode=True)
    return found | {RULES: HEAD + rules}


if __name__ == "__main__":
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
