"""Times and weights of events; what the flow refuses is in the integration tests."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import InteractionEvent
from tests.support import event
from vane.errors import InvalidEvent
from vane.interaction import (
    convert_interaction,
    event_time_us,
    event_weight,
    parse_interaction,
    timestamp_us,
    validate_interaction,
)
from vane.tuning import Tuning


@pytest.mark.parametrize(
    ("ts", "expected_us"),
    [
        (1_700_000_000, 1_700_000_000_000_000),
        (1_700_000_000_123, 1_700_000_000_123_000),
        (1_700_000_000.5, 1_700_000_000_500_000),
        (99_999_999_999, 99_999_999_999_000_000),
        (100_000_000_000, 100_000_000_000_000),
        ("2023-11-14T22:13:20.000001Z", 1_700_000_000_000_001),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000_000),
    ],
)
def test_a_time_is_seconds_milliseconds_or_rfc_3339(ts: object, expected_us: int) -> None:
    assert timestamp_us(parse_interaction(event(1, ts=ts)).ts) == expected_us


@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001
def test_times_are_exact_to_the_microsecond(time: datetime) -> None:
    aware = time.replace(tzinfo=UTC)
    whole = int(aware.replace(microsecond=0).timestamp()) * 1_000_000
    assert timestamp_us(aware) == whole + time.microsecond


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_any_number_is_a_time_or_refused(ts: float) -> None:
    try:
        time_us = event_time_us(ts)
    except InvalidEvent as error:
        assert error.field == "ts"  # noqa: PT017
    else:
        assert 946_684_800_000_000 <= time_us < 2**62


@pytest.mark.parametrize(
    ("action", "value", "weight"),
    [
        ("view", None, 1.0),
        ("purchase", 17.0, 4.0),
        ("hide", None, -3.0),
        ("rating", 1.0, -3.0),
        ("rating", 3.0, 0.0),
        ("rating", 4.5, 2.25),
        ("rating", 5.0, 3.0),
    ],
)
def test_weights(action: str, value: float | None, weight: float) -> None:
    assert event_weight(InteractionEvent("e", "u", "i", action, 0, value), Tuning()) == weight


@pytest.mark.parametrize("value", [[], 5, "x", None, {"specversion": "1.0"}, {"specversion": 3}])
def test_objects_that_are_no_event(value: object) -> None:
    with pytest.raises(InvalidEvent):
        convert_interaction(value)


def test_an_unpaired_surrogate_names_its_field() -> None:
    with pytest.raises(InvalidEvent, match="item_id: has an unpaired surrogate"):
        validate_interaction(InteractionEvent("e", "u", "\ud800", "view", 1.7e9), Tuning())
