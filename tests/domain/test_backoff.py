from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.backoff import DEFAULT, Backoff
from jobd.domain.duration import LONGEST_MS
from jobd.errors import OptionError

ms = st.integers(0, LONGEST_MS)
shares = st.floats(0, 1)
dice = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 1_000)


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    base, jitter = draw(ms), draw(shares)
    if draw(st.booleans()):
        return Backoff.fixed(base / 1_000, jitter=jitter)
    return Backoff.exponential(base / 1_000, cap=draw(st.integers(base, LONGEST_MS)) / 1_000, jitter=jitter)


@given(backoffs(), attempts, dice)
def test_a_pause_lies_between_its_least_and_the_cap(backoff: Backoff, attempt: int, chance: float) -> None:
    pause = backoff.delay_ms(attempt, chance)
    whole = backoff.delay_ms(attempt, 0.0)
    assert whole * (1 - backoff.jitter) - 1 <= pause <= whole <= backoff.cap_ms
    assert whole >= min(backoff.base_ms, backoff.cap_ms)


@given(backoffs(), attempts)
def test_pauses_never_get_shorter(backoff: Backoff, attempt: int) -> None:
    assert backoff.delay_ms(attempt, 0.0) <= backoff.delay_ms(attempt + 1, 0.0)


def test_exponential_doubles_from_the_base_to_the_cap() -> None:
    backoff = Backoff.exponential("2s", cap="1m", jitter=0)
    assert [backoff.delay_ms(attempt, 0.5) for attempt in range(1, 8)] == [
        2_000,
        4_000,
        8_000,
        16_000,
        32_000,
        60_000,
        60_000,
    ]


def test_fixed_stays_the_same() -> None:
    backoff = Backoff.fixed("5s")
    assert {backoff.delay_ms(attempt, 0.9) for attempt in range(1, 100)} == {5_000}


def test_jitter_takes_off_its_share_at_most() -> None:
    backoff = Backoff.exponential("8s", jitter=0.25)
    assert backoff.delay_ms(1, 0.0) == 8_000
    assert backoff.delay_ms(1, 0.999_999) == 6_000


@given(backoffs())
def test_its_json_reads_back_as_the_same(backoff: Backoff) -> None:
    assert Backoff.parse(orjson.loads(orjson.dumps(backoff.to_json()))) == backoff


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("5s", Backoff.fixed("5s")),
        (5, Backoff.fixed("5s")),
        (timedelta(seconds=5), Backoff.fixed("5s")),
        (DEFAULT, DEFAULT),
        ({}, DEFAULT),
        ({"base_ms": 100}, Backoff.exponential("100ms")),
        ({"kind": "exponential", "base_ms": 7_200_000}, Backoff.exponential("2h", cap="2h")),
        ({"kind": "fixed", "base_ms": 1_500}, Backoff.fixed("1500ms")),
        ({"kind": "fixed", "base_ms": 1_500, "cap_ms": 9_000, "jitter": 1}, Backoff.fixed("1500ms", jitter=1)),
    ],
)
def test_people_write_backoffs_in_many_ways(written: Any, meant: Backoff) -> None:
    assert Backoff.parse(written) == meant


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("soon", "backoff delay: 'soon' is not a duration"),
        (None, "backoff delay: None is not a duration"),
        ({"kind": "linear"}, r"backoff\.kind: 'linear' is neither 'fixed' nor 'exponential'"),
        ({"kind": ["fixed"]}, r"backoff\.kind: \['fixed'\] is neither"),
        ({"base": "5s"}, "backoff: unknown field 'base'; there are kind, base_ms, cap_ms, jitter"),
        ({1: 2, "base": 3}, "backoff: unknown field '1'; there are"),
        ({"base_ms": "5s"}, r"backoff\.base_ms: '5s' is not a whole number of milliseconds"),
        ({"base_ms": True}, r"backoff\.base_ms: True is not a whole number"),
        ({"base_ms": -1}, r"backoff\.base_ms: -1 is not a whole number"),
        ({"base_ms": 10**30}, r"backoff\.base_ms: 10+ is not .* ten years"),
        ({"cap_ms": 1.5}, r"backoff\.cap_ms: 1\.5 is not a whole number"),
        ({"base_ms": 2_000, "cap_ms": 1_000}, r"backoff\.cap_ms: 1000 is less than base_ms, 2000"),
        ({"kind": "fixed", "base_ms": 2_000, "cap_ms": 1_000}, r"backoff\.cap_ms: 1000 is less than base_ms, 2000"),
        ({"jitter": 1.5}, r"backoff jitter: 1\.5 is not a number from 0 to 1"),
        ({"jitter": float("nan")}, "backoff jitter: nan is not a number from 0 to 1"),
        ({"jitter": True}, "backoff jitter: True is not a number"),
        ({"jitter": "0.5"}, r"backoff jitter: '0\.5' is not a number"),
    ],
)
def test_a_wrong_backoff_is_refused_with_its_field_and_what_is_allowed(written: Any, said: str) -> None:
    with pytest.raises(OptionError, match=f"^{said}"):
        Backoff.parse(written)


def test_a_cap_below_the_base_is_refused() -> None:
    with pytest.raises(OptionError, match="backoff cap: 1s is less than the base, 2s"):
        Backoff.exponential("2s", cap="1s")
