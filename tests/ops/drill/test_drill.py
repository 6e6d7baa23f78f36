"""Every alert's fault is injected for real, its page is followed, and it clears.

`DRILL=1` runs all rounds; `DRILL_WRITE=1` writes what was seen onto the pages, too.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from grafana.rules import all_alerts
from tests.faults import real_kafka
from tests.ops.drill.pages import DO, LOOK, SEEN, read_page, write_seen
from tests.ops.drill.site import Site
from tests.ops.drill.table import QUICK, ROUNDS, Drill, drilled

FIRES_LIMIT_S = 180.0
CLEARS_LIMIT_S = 150.0
"""Drill time fits a quiet machine; a busy one may take longer to start a process again."""

pytestmark = pytest.mark.ops
LONG = pytest.mark.skipif("DRILL" not in os.environ, reason="DRILL=1 runs this round, too")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    if reason := real_kafka.why_not():
        pytest.skip(reason)
    real_kafka.build()
    folder = Path(tempfile.mkdtemp(prefix="vane-d-"))
    folder.chmod(0o755)
    (folder / "kafka").mkdir()
    kafka = real_kafka.RealKafka(folder / "kafka").start()
    found = Site(folder, kafka)
    try:
        found.start()
        with found.prometheus, found.users:
            yield found
    finally:
        found.close()
        kafka.kill()
        shutil.rmtree(folder, ignore_errors=True)


def test_every_alert_has_one_drill() -> None:
    assert sorted(drilled()) == sorted(all_alerts())


@pytest.mark.parametrize("drill", [d for drills in ROUNDS.values() for d in drills],
                         ids=lambda drill: drill.alerts[0])  # fmt: skip
def test_pages_tell_of_the_drill(drill: Drill) -> None:
    for alert in drill.alerts:
        page = read_page(alert)
        assert {LOOK, DO, SEEN} < page.sections.keys()
        assert page.sections[SEEN].startswith(drill.fault), alert


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else LONG) for name in ROUNDS]
)
def test_what_fires_clears_when_its_page_is_followed(name: str, site: Site) -> None:
    drills = ROUNDS[name]
    alerts = [alert for drill in drills for alert in drill.alerts]
    site.start_ended()  # flow trends ends with PostgreSQL
    site.prometheus.wait_clear(alerts, CLEARS_LIMIT_S)  # what a round before has left
    try:
        for drill in drills:
            drill.inject(site)
        fired = site.prometheus.wait_firing(alerts, FIRES_LIMIT_S)
        for drill in drills:
            drill.cure(site)
    finally:
        site.undo()
    cleared = site.prometheus.wait_clear(alerts, CLEARS_LIMIT_S)
    assert site.followed >= set(alerts)
    for drill in drills:
        for alert in drill.alerts:
            if os.environ.get("DRILL_WRITE"):
                write_seen(alert, seen(drill, fired[alert], cleared[alert]))


def seen(drill: Drill, fired_s: float, cleared_s: float) -> str:
    """What the page says of the drill."""
    return (
        f"{drill.fault} Fired after {fired_s:.0f} s, cleared {cleared_s:.0f} s after this page was"
        " followed, in [drill time](index.md#drills)."
    )
