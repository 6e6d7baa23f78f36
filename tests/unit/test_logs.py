import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vane import logs, reports, traces
from vane.errors import NotFound, SettingError, Unavailable
from vane.logs import ALIKE_MAX, KINDS_MAX, WINDOW_S, JsonLines, Limited, TextLines
from vane.scrubbing import describe, scrub, stack
from vane.settings import load_settings

Lines = Callable[[], list[dict[str, Any]]]


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(clock: Clock) -> Iterator[Lines]:
    """What is written so far through the logger `flows.test` and all others."""
    written = io.StringIO()
    target = logging.StreamHandler(written)
    target.setFormatter(JsonLines("interactions"))
    limited = Limited([target], clock)
    root = logging.getLogger()
    root.addHandler(limited)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.removeHandler(limited)
    limited.sum_up()


log = logging.getLogger("flows.test")


def test_a_line_has_the_fields_that_name_nobody(lines: Lines) -> None:
    log.warning("behind", extra={"partition": 3, "offset": 7, "user_id": "ann", "payload": "x"})
    (line,) = lines()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "process": "interactions",
        "logger": "flows.test",
        "message": "behind",
        "partition": 3,
        "offset": 7,
    }


def test_alike_lines_are_held_back_and_summed_up(lines: Lines, clock: Clock) -> None:
    for attempt in range(ALIKE_MAX + 20):
        log.warning("PostgreSQL is away, attempt %d", attempt)
    log.warning("something else")
    assert len(lines()) == ALIKE_MAX + 1
    clock.now_s += WINDOW_S
    log.warning("PostgreSQL is away, attempt %d", 99)
    *_, summary, newest = lines()
    assert summary["suppressed"] == 20
    assert summary["message"].startswith("PostgreSQL is away, attempt 24 (20 lines like this")
    assert newest["message"] == "PostgreSQL is away, attempt 99"


def test_nothing_that_was_held_back_is_lost(lines: Lines, clock: Clock) -> None:
    sent = 0
    for window in range(3):
        for kind in ("broker", "redis"):
            for _ in range(7 + 5 * window):
                log.error("%s is away", kind)
                sent += 1
        clock.now_s += WINDOW_S
    limited = next(h for h in logging.getLogger().handlers if isinstance(h, Limited))
    limited.sum_up()
    assert sum(line.get("suppressed", 1) for line in lines()) == sent


def test_the_kinds_that_are_known_have_an_end(lines: Lines) -> None:
    for kind in range(KINDS_MAX + 500):
        log.warning("kind %s", "".join(chr(ord("a") + int(digit)) for digit in str(kind)))
    assert len(lines()) <= KINDS_MAX + ALIKE_MAX


def test_errors_say_where_and_what_and_not_whose(lines: Lines) -> None:
    try:
        try:
            dict[str, int]()["ann"]
        except KeyError as error:
            raise ValueError('duplicate key (user_id)=(ann) of "ann"\nDETAIL: ann') from error
    except ValueError:
        log.exception("the transaction failed")
    (line,) = lines()
    assert "ann" not in json.dumps(line)
    assert line["error"].startswith("KeyError: '…'\n")
    assert "ValueError: duplicate key (user_id)=(…) of '…'" in line["error"]
    assert "test_errors_say_where" in line["error"]


def test_what_others_say_is_cut(lines: Lines) -> None:
    logging.getLogger("elsewhere").error("the application failed\nTraceback: ann")
    logging.getLogger("asyncio").error("never retrieved: <Task exception=KeyError('ann')>")
    assert [line["message"] for line in lines()] == [
        "the application failed",
        "never retrieved: <Task exception=KeyError('…')>",
    ]


def test_a_chain_of_errors_that_bites_its_tail_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert stack(first) == "ValueError: b\nValueError: a"


def test_own_errors_keep_their_words() -> None:
    assert describe(Unavailable("PostgreSQL: 'x' is away")).endswith("PostgreSQL: 'x' is away")
    assert scrub("relation `item` of 'x' =(1) does\nnot") == "relation '…' of '…' =(…) does"


def test_people_read_text() -> None:
    record = logging.LogRecord("vane.logs", logging.ERROR, "", 0, "no %s", ("broker",), None)
    assert TextLines().format(record).endswith("ERROR vane.logs no broker")
    record.last_word = True
    assert TextLines().format(record) == "vane: no broker"


def test_a_command_writes_no_lines_of_its_own() -> None:
    assert not logs.begun()


def test_without_a_receiver_nothing_is_traced() -> None:
    traces.begin("", 1.0, "api")
    with traces.span("POST /v1/events", "server") as span, traces.stage("send") as inner:
        assert (span, inner) == (None, None)
        assert traces.lap("plan", 0.0, 1.0) is None
    assert traces.current_traceparent() is None


def test_only_sampled_headers_are_followed() -> None:
    ids = f"{7:032x}-{9:016x}"
    assert traces.is_sampled(f"00-{ids}-01")
    assert not traces.is_sampled(f"00-{ids}-00")
    assert not traces.is_sampled("1")


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match="VANE_OTLP_ENDPOINT='tempo:4318' is not allowed"):
        traces.begin("tempo:4318", 1.0, "api")
    with pytest.raises(SettingError, match="https://KEY@HOST/PROJECT"):
        reports.begin("https://sentry.example", "api")
    assert reports.begin("", "api") is None


@pytest.mark.parametrize("value", ["nan", "-0.1", "1.5", "much"])
def test_a_sample_is_a_part(value: str) -> None:
    with pytest.raises(SettingError, match="a number from 0 to 1"):
        load_settings({"VANE_TRACE_SAMPLE": value})
    assert load_settings({"VANE_TRACE_SAMPLE": "0.25"}).trace_sample == 0.25


def test_a_business_error_is_no_defect() -> None:
    assert describe(NotFound("no such item")) == "vane.errors.NotFound: no such item"
