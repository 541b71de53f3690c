"""Whatever somebody sends as an option, a limit, a key or a time: it is understood or refused with a sentence, and what
was understood reads back as the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobd.domain.calendar import parse_time, written
from jobd.domain.duration import milliseconds, spoken
from jobd.domain.keep import Keep
from jobd.domain.lane_key import lane_key, read_lane_key
from jobd.domain.limits import LIMITS, Scope, read_limits
from jobd.domain.names import same_name
from jobd.domain.options import DEFAULTS, ROWS, Options, Row, from_record, put_together
from jobd.domain.rate import Rate
from jobd.domain.unique import Unique
from jobd.errors import OptionError

WORDS = [
    *("5m", "1h30m", "0s", "10y", "1e9s", "100/1m", "100/1m/20", "none", "all", "1000 for 7d", "critical", "patient"),
    *(
        "2026-01-31T08:00:00Z",
        "2026-02-30T08:00:00Z",
        "9999-12-31T23:59:59.999999999-23:59",
        "true",
        "a key",
        "{}",
        "[",
    ),
]
PARTS = [
    *("kind", "base_ms", "factor", "power", "delays_ms", "cap_ms", "jitter", "count", "per_ms", "burst", "age_ms"),
    *("key", "fields", "scope", "states", "period", "period_ms", "mode", "on_conflict"),
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.sampled_from(
        [0, 1, -1, 10, 2**31, 2**53, 2**63, 10**400, "exponential", "list", "throttle", "queue", "waiting"]
    )
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(WORDS)
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(PARTS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.keyword)
@given(value=values)
@example(value=10**400)
@example(value={"period_ms": 10**400, "mode": "throttle"})
@example(value={"count": 1, "per_ms": 10**400})
@example(value={"kind": "fixed", "base_ms": 10**400})
@example(value=[[], {}])
def test_any_json_is_an_option_or_refused_and_reads_back_from_the_record(row: Row, value: Any) -> None:
    try:
        read = row.from_json(value)
    except OptionError:
        return
    options = put_together({row.keyword: read})
    again = from_record(options.to_record())
    assert getattr(again, row.field) == getattr(options, row.field)


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.keyword)
@given(text=st.text(max_size=30) | st.sampled_from(WORDS))
@example(text="0\x1f")
def test_any_word_of_a_command_line_is_an_option_or_refused(row: Row, text: str) -> None:
    with suppress(OptionError):
        row.from_text(text)


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.keyword)
@given(value=values)
@example(value={"period": 10**400, "mode": "throttle"})
def test_any_value_of_a_program_or_a_configuration_file_is_an_option_or_refused(row: Row, value: Any) -> None:
    with suppress(OptionError):
        row.from_setting(value)


@given(scope=st.sampled_from(Scope), said=st.dictionaries(st.sampled_from([*LIMITS]) | st.text(max_size=5), values))
def test_any_json_is_a_limit_or_refused(scope: Scope, said: dict[str, Any]) -> None:
    wired = {LIMITS[name].wire if name in LIMITS else name: value for name, value in said.items()}
    with suppress(OptionError):
        read_limits(scope, wired, lambda kind: kind.from_json)


@given(text=st.text(max_size=40) | st.sampled_from(WORDS))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        moment = parse_time(text)
    except ValueError:
        return
    assert parse_time(written(moment)) == moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)


@given(text=st.text(max_size=40) | st.from_regex(r"(\d{1,20}(\.\d{1,9})?(ms|s|m|h|d|w)){1,4}", fullmatch=True))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        ms = milliseconds(text)
    except OptionError:
        return
    assert milliseconds(spoken(ms)) == ms


def round_trip(kind: Any) -> Callable[[Any], bool]:
    return lambda made: kind.parse(made.to_json()) == made and kind.parse(str(made)) == made


@given(count=st.integers(1, 100_000), per_ms=st.integers(10, 10**10), burst=st.none() | st.integers(1, 100_000))
def test_any_rate_reads_back_from_its_json_and_from_its_words(count: int, per_ms: int, burst: int | None) -> None:
    assert round_trip(Rate)(Rate(count, per_ms, burst))


@given(count=st.none() | st.integers(0, 10**7), age_ms=st.none() | st.integers(0, 10**11))
@example(count=None, age_ms=30 * 86_400_000)
def test_whatever_is_kept_reads_back_from_its_json_and_from_its_words(count: int | None, age_ms: int | None) -> None:
    assert round_trip(Keep)(Keep(count, age_ms))


@given(period=st.floats() | st.integers(), mode=st.sampled_from(["simple", "throttle", "debounce"]))
@example(period=10**400, mode="throttle")
def test_any_period_of_uniqueness_is_taken_or_refused(period: float, mode: Any) -> None:
    with suppress(OptionError):
        assert math.isfinite(Unique(period=period, mode=mode).period_ms)


keys = st.text(min_size=1, max_size=30).filter(str.isprintable)
limited = st.builds(
    Options,
    group=st.none() | keys,
    ordering_key=st.none() | keys,
    concurrency=st.none() | st.integers(1, 9),
    concurrency_key=st.none() | keys,
    rate=st.just(Rate(1, 10)) | st.builds(Rate, st.integers(1, 9), st.integers(10, 99), st.none() | st.integers(1, 9)),
    rate_key=st.none() | keys,
)


@pytest.mark.threat("S20")
@given(one=limited, other=limited)
@example(one=Options(group="a;o=b"), other=Options(group="a", ordering_key="b"))
@example(one=Options(concurrency_key="@noop"), other=Options(concurrency=1))
def test_what_limits_a_job_reads_back_from_its_lane_and_no_two_limits_share_one(one: Options, other: Options) -> None:
    mine = lane_key(one.over(DEFAULTS), "noop")
    said = read_lane_key(mine)
    assert said.get("group") == one.group
    assert said.get("ordering_key") == one.ordering_key
    assert said.get("rate") == one.rate
    assert said.get("concurrency_key") == one.concurrency_key
    assert not set(mine) & set(" {}\n")
    theirs = lane_key(other.over(DEFAULTS), "noop")
    assert (mine == theirs) == (said == read_lane_key(theirs))


@pytest.mark.threat("S13", "S20")
@given(name=st.text(max_size=40))
def test_names_that_are_the_same_have_one_form(name: str) -> None:
    assert same_name(same_name(name)) == same_name(name) == same_name(name.replace("_", "-"))
