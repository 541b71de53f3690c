from __future__ import annotations

from jobd.store.restarts import Restarts


def test_the_pause_doubles_up_to_the_longest() -> None:
    restarts = Restarts(first=0.1, longest=5.0, most=10, within=60.0)
    assert [restarts.delay(second) for second in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_one_crash_too_many_within_the_span_is_the_last() -> None:
    restarts = Restarts(most=3, within=60.0)
    assert [restarts.delay(now) is None for now in (0, 20, 40, 59)] == [False, False, False, True]


def test_crashes_are_forgotten_after_the_span() -> None:
    restarts = Restarts(first=0.1, most=3, within=60.0)
    assert [restarts.delay(now) for now in (0, 60, 120, 180, 240)] == [0.1] * 5
