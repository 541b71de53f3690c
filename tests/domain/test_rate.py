"""Rates, as people and the store write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobd.domain.duration import LONGEST_MS
from jobd.domain.rate import MOST, Rate
from jobd.errors import OptionError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("100/1m", Rate(100, 60_000)),
        (" 100 / 1m / 20 ", Rate(100, 60_000, 20)),
        (f"{MOST}/10ms/{MOST}", Rate(MOST, 10, MOST)),
        ({"count": 1, "per_ms": 1_500}, Rate(1, 1_500)),
        ({"count": 5, "per_ms": LONGEST_MS, "burst": 1}, Rate(5, LONGEST_MS, 1)),
        (Rate(3, 1_000), Rate(3, 1_000)),
    ],
)
def test_a_rate_is_written_as_a_text_or_in_json(written: Any, meant: Rate) -> None:
    assert Rate.parse(written) == Rate.parse(meant.to_json()) == Rate.parse(str(meant)) == meant


def test_its_forms_have_a_burst_only_if_there_is_one() -> None:
    assert Rate(5, 1_000).to_json() == {"count": 5, "per_ms": 1_000}
    assert (Rate(5, 1_000).to_rule(), Rate(5, 1_000).short) == ({"n": 5, "ms": 1_000}, "5/1000")
    assert (Rate(5, 1_000, 2).to_rule(), Rate(5, 1_000, 2).short) == ({"n": 5, "ms": 1_000, "burst": 2}, "5/1000/2")
    assert Rate.of(5, timedelta(seconds=1), burst=2) == Rate(5, 1_000, 2)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("many", "speed: 'many' is not a rate; use 100/1m"),
        (5, "speed: 5 is not a rate"),
        (None, "speed: None is not a rate"),
        ("100", "speed: '100' is not a rate"),
        ("0/1m", "speed: count is 0 and must be a whole number from 1 to 100,000"),
        (f"{MOST + 1}/1m", "speed: count is 100001 and must be"),
        ("5/1m/0", "speed: burst is 0 and must be"),
        ("5/9ms", "speed: "),
        ("5/soon", "speed: "),
        ({"count": True, "per_ms": 1_000}, "speed: count is True and must be"),
        ({"count": 1.5, "per_ms": 1_000}, "speed: count is 1.5 and must be"),
        ({"count": 5, "per_ms": True}, "speed: {.*} is not a rate"),
        ({"count": 5, "per_ms": 1_500.0}, "speed: {.*} is not a rate"),
        ({"count": 5, "per_ms": LONGEST_MS + 1}, "speed: {.*} is not a rate"),
        ({"count": 5}, "speed: {.*} is not a rate"),
        ({"count": 5, "per_ms": 1_000, "bursts": 2}, "speed: {.*} is not a rate"),
    ],
)
def test_what_is_no_rate_is_refused_with_what_is_one(written: Any, said: str) -> None:
    with pytest.raises(OptionError, match=f"^{said}"):
        Rate.parse(written, "speed")
