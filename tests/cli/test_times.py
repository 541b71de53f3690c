"""Times as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobd.cli.times import relative, span

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "now"),
        (-0.4, "now"),
        (1, "1s ago"),
        (59.9, "59s ago"),
        (60, "1m ago"),
        (3_600 * 5 + 1, "5h ago"),
        (86_400 * 40, "40d ago"),
        (-5.5, "in 5s"),
        (-7_200, "in 2h"),
    ],
)
def test_how_far_a_moment_is_from_now(seconds: float, words: str) -> None:
    assert relative(NOW - timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0ms"),
        (87.4, "87ms"),
        (1_250, "1.25s"),
        (59_940, "59.9s"),
        (60_000, "1m"),
        (200_000, "3m20s"),
        (7_500_000, "2h5m"),
        (90_000_000, "1d1h"),
    ],
)
def test_how_long_something_took(ms: float, words: str) -> None:
    assert span(ms) == words
