from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.backoff import DEFAULT, KINDS, PATIENT, Backoff
from jobd.domain.duration import LONGEST_MS
from jobd.domain.options import make_options
from jobd.errors import OptionError

ms = st.integers(0, LONGEST_MS)
shares = st.floats(0, 1)
dice = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 1_000)


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    base, jitter = draw(ms), draw(shares)
    cap = draw(st.integers(base, LONGEST_MS)) / 1_000
    match draw(st.sampled_from(KINDS)):
        case "fixed":
            return Backoff.fixed(base / 1_000, jitter=jitter)
        case "linear":
            return Backoff.linear(base / 1_000, cap=cap, jitter=jitter)
        case "polynomial":
            return Backoff.polynomial(base / 1_000, power=draw(st.floats(0, 10)), cap=cap, jitter=jitter)
        case "list":
            return Backoff.delays(*draw(st.lists(ms.map(lambda ms: ms / 1_000), min_size=1, max_size=9)), jitter=jitter)
    return Backoff.exponential(base / 1_000, factor=draw(st.floats(1, 100)), cap=cap, jitter=jitter)


@given(backoffs(), attempts, dice)
def test_a_pause_lies_between_its_least_and_the_cap(backoff: Backoff, attempt: int, chance: float) -> None:
    pause = backoff.delay_ms(attempt, chance)
    whole = backoff.delay_ms(attempt, 0.0)
    assert whole * (1 - backoff.jitter) - 1 <= pause <= whole <= backoff.cap_ms
    assert whole >= (min(backoff.delays_ms) if backoff.kind == "list" else backoff.base_ms)


@given(backoffs(), attempts)
def test_pauses_never_get_shorter(backoff: Backoff, attempt: int) -> None:
    if backoff.kind != "list":
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


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        (Backoff.linear("10s", cap="25s", jitter=0), [10_000, 20_000, 25_000, 25_000]),
        (Backoff.exponential("1s", factor=3, jitter=0), [1_000, 3_000, 9_000, 27_000]),
        (Backoff.polynomial("1s", power=2, jitter=0), [1_000, 4_000, 9_000, 16_000]),
        (Backoff.delays("1s", "10s", "5s"), [1_000, 10_000, 5_000, 5_000]),
        (Backoff.delays(0), [0, 0, 0, 0]),
    ],
)
def test_each_kind_grows_in_its_way(backoff: Backoff, pauses: list[int]) -> None:
    assert [backoff.delay_ms(attempt, 0.5) for attempt in (1, 2, 3, 4)] == pauses


def test_patience_means_twenty_attempts_over_days() -> None:
    options = make_options(backoff="patient")
    assert (options.backoff, options.max_attempts) == (PATIENT, 20)
    day = 86_400_000
    for dice, days in ((0.0, 6.5), (0.999_999, 4.8)):
        total = sum(PATIENT.delay_ms(attempt, dice) for attempt in range(1, 20))
        assert days * day < total < (days + 0.1) * day
    assert make_options(backoff="patient", retries=4).max_attempts == 5
    assert make_options(backoff=Backoff.polynomial("1s", power=4, cap="2d", jitter=0.25)).max_attempts is None


def test_jitter_takes_off_its_share_at_most() -> None:
    backoff = Backoff.exponential("8s", jitter=0.25)
    assert backoff.delay_ms(1, 0.0) == 8_000
    assert backoff.delay_ms(1, 0.999_999) == 6_000


@given(backoffs())
def test_its_json_reads_back_as_the_same(backoff: Backoff) -> None:
    assert Backoff.parse(orjson.loads(orjson.dumps(backoff.to_json()))) == backoff


def test_how_fast_pauses_grow_is_told_where_it_is_not_as_usual() -> None:
    assert "factor" not in Backoff.exponential(factor=2).to_json()
    assert "power" not in Backoff.polynomial(power=4).to_json()
    assert Backoff.exponential(factor=3).to_json()["factor"] == 3
    assert Backoff.polynomial(power=2).to_json()["power"] == 2


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
        ("patient", PATIENT),
        (" Exponential ", DEFAULT),
        ("linear", Backoff.linear()),
        ({"kind": "linear"}, Backoff.linear()),
        ({"kind": "linear", "base_ms": 7_200_000}, Backoff.linear("2h", cap="2h")),
        ({"kind": "exponential", "factor": 3}, Backoff.exponential(factor=3)),
        ({"kind": "polynomial", "power": 2, "jitter": 0}, Backoff.polynomial(power=2, jitter=0)),
        (["1s", 10, timedelta(minutes=1)], Backoff.delays("1s", "10s", "1m")),
        (("1s",), Backoff.delays("1s")),
        ({"delays_ms": [5, 10]}, Backoff.delays(0.005, 0.01)),
        ({"kind": "list", "delays_ms": [5], "jitter": 0.5}, Backoff.delays(0.005, jitter=0.5)),
    ],
)
def test_people_write_backoffs_in_many_ways(written: Any, meant: Backoff) -> None:
    assert Backoff.parse(written) == meant


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("soon", "backoff delay: 'soon' is not a duration"),
        (None, "backoff delay: None is not a duration"),
        ("soon", ".*, a list of them, or one of fixed, linear, exponential, polynomial, patient"),
        ({"kind": "odd"}, r"backoff\.kind: 'odd' is none of fixed, linear, exponential, polynomial, list"),
        ({"kind": ["fixed"]}, r"backoff\.kind: \['fixed'\] is none of"),
        ({"kind": "linear", "factor": 2}, "backoff: unknown field 'factor'; there are kind, base_ms, cap_ms, jitter"),
        ({"power": 2}, "backoff: unknown field 'power'; there are kind, base_ms, factor, cap_ms, jitter"),
        ({"factor": 0.5}, r"backoff factor: 0\.5 is not a number from 1 to 100"),
        ({"kind": "polynomial", "power": 11}, "backoff power: 11 is not a number from 0 to 10"),
        ({"kind": "polynomial", "power": True}, "backoff power: True is not a number"),
        ([], "backoff: a list of pauses has 1 to 100, and this has 0"),
        ([1] * 101, "backoff: a list of pauses has 1 to 100, and this has 101"),
        (["soon"], "backoff delay: 'soon' is not a duration"),
        ({"kind": "list"}, r"backoff\.delays_ms: give a list of milliseconds"),
        ({"delays_ms": [-1]}, r"backoff\.delays_ms: -1 is not a whole number of milliseconds"),
        ({"delays_ms": [1], "base_ms": 1}, "backoff: unknown field 'base_ms'; there are kind, delays_ms, jitter"),
        (lambda failure: 1, "backoff: a function is for a job type"),
        ({"base": "5s"}, "backoff: unknown field 'base'; there are kind, base_ms, factor, cap_ms, jitter"),
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
