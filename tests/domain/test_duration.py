from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.duration import LONGEST_MS, milliseconds, spoken
from jobd.errors import OptionError

whole_ms = st.integers(0, LONGEST_MS)


@given(whole_ms)
def test_what_is_spoken_is_understood_as_the_same_time(ms: int) -> None:
    assert milliseconds(spoken(ms)) == ms


@given(whole_ms)
def test_a_timedelta_and_seconds_mean_the_same(ms: int) -> None:
    assert milliseconds(timedelta(milliseconds=ms)) == ms
    assert milliseconds(ms / 1_000) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2s", 2_000),
        ("200ms", 200),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("1d", 86_400_000),
        ("2w", 1_209_600_000),
        (" 1h  30m ", 5_400_000),
        ("0.5s", 500),
        ("1.1s", 1_100),
        ("0s", 0),
        (2, 2_000),
        (0.25, 250),
    ],
)
def test_people_write_durations_in_many_ways(text: str | float, ms: int) -> None:
    assert milliseconds(text) == ms


@given(st.floats(min_value=0, max_value=1_000_000))
def test_a_fraction_of_a_millisecond_is_rounded_up(seconds: float) -> None:
    ms = milliseconds(seconds)
    assert ms >= seconds * 1_000 - 0.001
    assert ms < seconds * 1_000 + 1


@pytest.mark.parametrize(
    "value", ["", " ", "5", "s", "5 parsecs", "-5s", "5S", "1.s", "٣s", "5s!", True, None, [], b"5s", 1j]
)
def test_what_is_no_duration_is_refused_with_the_name_and_examples(value: Any) -> None:
    with pytest.raises(OptionError, match=r"^grace: .* is not a duration; use 2s, 5m, 1h30m") as refused:
        milliseconds(value, name="grace")
    assert ("timedelta" in str(refused.value)) == (not isinstance(value, str))


@pytest.mark.parametrize("value", [-1, -0.001, float("nan"), float("inf"), timedelta(days=-1), "600w", 10**300])
def test_a_duration_out_of_range_is_refused_with_the_range(value: Any) -> None:
    with pytest.raises(OptionError, match=r"^delay: .* is out of range; it must be between 0s and 10 years"):
        milliseconds(value, name="delay")


def test_the_least_is_named_when_it_is_not_reached() -> None:
    assert milliseconds("1s", least=1_000) == 1_000
    with pytest.raises(OptionError, match="between 1s and 10 years"):
        milliseconds("999ms", least=1_000)


@given(st.text(max_size=40))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        assert 0 <= milliseconds(text) <= LONGEST_MS
    except OptionError as error:
        assert repr(text) in str(error)  # noqa: PT017  either way is fine; this is about what a refusal says


@pytest.mark.parametrize(
    ("ms", "words"), [(0, "0s"), (90_000, "1m30s"), (1, "1ms"), (86_400_000, "1d"), (3_661_001, "1h1m1s1ms")]
)
def test_spoken_uses_the_fewest_words(ms: int, words: str) -> None:
    assert spoken(ms) == words
