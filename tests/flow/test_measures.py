"""What the flow script makes of times."""

from __future__ import annotations

import pytest

from tests.flow.measures import pace, passed_by, silences


def test_the_pace_of_bursts_and_of_an_even_flow_is_their_rate() -> None:
    bursts = [float(second) for second in range(5) for _ in range(10)]
    even = [number / 10 for number in range(50)]
    for starts in (bursts, even):
        told = pace(starts, 10, 1.0)
        assert told.most == 10
        assert told.deviation == pytest.approx(0)


def test_a_rate_that_is_broken_or_not_reached_is_seen() -> None:
    assert pace([0.0] * 11 + [1.0] * 10, 10, 1.0).most == 11
    slow = [number * 0.11 for number in range(50)]
    assert pace(slow, 10, 1.0).deviation == pytest.approx(1 / 1.1 - 1)


def test_a_silence_ends_with_the_first_start_behind_a_kill() -> None:
    assert silences([1.0, 2.0, 3.5], [1.5, 2.0, 4.0]) == [0.5, 1.5]


def test_those_that_started_no_later_than_the_last_of_mine_are_counted() -> None:
    assert passed_by([1.0, 2.0], [0.5, 1.5, 2.0, 2.5]) == 3
