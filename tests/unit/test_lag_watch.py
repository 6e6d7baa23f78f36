"""Lag in messages and seconds, from outside."""

import pytest

from vane.lag_watch import MARKS_MAX, LagWatch


def test_the_lag_is_the_age_of_the_oldest_end_that_is_not_reached() -> None:
    lag = LagWatch()
    lag.look(0, next_offset=10, end_offset=10)
    assert (lag.events, lag.seconds, lag.stalled_s) == (0, 0, 0)
    lag.look(5, 10, 30)
    lag.look(10, 10, 50)
    assert (lag.events, lag.seconds, lag.stalled_s) == (40, 5, 10)
    lag.look(15, 30, 50)
    assert (lag.events, lag.seconds, lag.stalled_s) == (20, 5, 0)
    lag.look(20, 50, 50)
    assert (lag.events, lag.seconds, lag.stalled_s) == (0, 0, 0)


def test_a_reader_that_keeps_up_is_never_behind_for_long() -> None:
    lag = LagWatch()
    for second in range(100):
        lag.look(second, next_offset=10 * second, end_offset=10 * second + 10)
        assert lag.seconds <= 1
        assert lag.stalled_s == 0


def test_an_end_below_the_reader_is_not_believed() -> None:
    lag = LagWatch()
    lag.look(0, next_offset=5_000, end_offset=1)
    assert lag.events == 0


def test_a_long_stall_takes_bounded_memory_and_keeps_its_age() -> None:
    lag = LagWatch()
    for second in range(3 * MARKS_MAX):
        lag.look(second, next_offset=0, end_offset=second + 1)
    assert len(lag._marks) <= MARKS_MAX
    assert lag.seconds == pytest.approx(3 * MARKS_MAX - 1)
    assert lag.stalled_s == 3 * MARKS_MAX - 1
