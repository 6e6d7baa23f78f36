from vane.embedded.restarts import Backoff


def test_delays_double_to_a_limit_and_start_again_after_good_health() -> None:
    backoff = Backoff()
    delays = [backoff.delay_s(1, lived_s=0.1) for _ in range(7)]
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert backoff.delay_s(-9, lived_s=61) == 0.2
    assert backoff.delay_s(-9, lived_s=59) == 0.4


def test_fenced_waits_a_second_and_an_operator_half_a_minute() -> None:
    backoff = Backoff()
    assert backoff.delay_s(75, lived_s=0.1) == 1.0
    assert backoff.delay_s(78, lived_s=1_000) == 30.0
    assert backoff.delay_s(1, lived_s=0.1) == 0.4
