"""Lane keys: what orders and limits a job, in the words of the scripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.lane_key import (
    IN_KEY,
    LONGEST_KEY,
    check_key,
    check_weight,
    fields_in,
    filled,
    lane_key,
    read_lane_key,
)
from jobd.domain.options import NONE, Options, make_options
from jobd.domain.rate import Rate
from jobd.errors import OptionError, PayloadError

keys = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=40).filter(
    str.isprintable
)
rates = st.builds(Rate, st.integers(1, 1_000), st.integers(10, 10_000), st.none() | st.integers(1, 50))


@given(
    st.builds(
        Options,
        group=st.none() | keys,
        ordering_key=st.none() | keys,
        concurrency=st.integers(1, 100),
        concurrency_key=st.none() | keys,
        rate=rates,
        rate_key=st.none() | keys,
    )
)
def test_a_lane_key_tells_the_options_that_made_it_and_has_no_space(options: Options) -> None:
    key = lane_key(options, "send-email")
    assert " " not in key
    assert Options(**read_lane_key(key)) == options


def test_most_jobs_have_none() -> None:
    assert lane_key(NONE, "send-email") == ""
    assert {name for name in IN_KEY if getattr(NONE, name) is not None} == set()


def test_a_key_without_a_limit_means_one_at_a_time_and_a_rate_needs_to_be_given() -> None:
    assert lane_key(make_options(concurrency_key="a"), "t") == "c=a:1"
    with pytest.raises(OptionError, match=r"rate_key: .* add rate"):
        lane_key(make_options(rate_key="a"), "t")


def test_a_limit_without_a_key_is_that_of_the_type() -> None:
    assert lane_key(make_options(concurrency=5, rate="10/1s"), "t") == "c=@t:5;r=@t:10/1000"
    assert lane_key(make_options(concurrency=5, concurrency_key="@t"), "t") != "c=@t:5"


def test_keys_of_a_type_are_made_of_fields_of_the_payload() -> None:
    options = make_options(group="{tenant}", ordering_key="{tenant}/{order}")
    assert fields_in(options) == {"group": ["tenant"], "ordering_key": ["tenant", "order"]}
    made = filled(options, {"tenant": "a", "order": 7, "other": None})
    assert (made.group, made.ordering_key) == ("a", "a/7")
    with pytest.raises(PayloadError, match=r"group: .* field 'tenant' .* null"):
        filled(options, {"tenant": None})


def test_a_field_that_is_a_truth_value_reads_as_in_json() -> None:
    assert filled(make_options(group="{paid}"), {"paid": True}).group == "true"


def test_what_a_newer_jobd_has_written_in_a_lane_key_is_passed_over() -> None:
    assert read_lane_key("g=a;z=5/6;o=b") == {"group": "a", "ordering_key": "b"}


def test_a_key_is_a_short_text_in_one_line_or_a_whole_number() -> None:
    longest = "é" * (LONGEST_KEY // 2)
    assert [check_key(value, "group") for value in ("a b", 7, "x", longest)] == ["a b", "7", "x", longest]
    for value in (True, 1.5, None, b"a"):
        with pytest.raises(OptionError, match=r"^group: .* is not a text$"):
            check_key(value, "group")
    for text in ("", "é" * (LONGEST_KEY // 2 + 1), "a\nb", "\ud800"):
        with pytest.raises(OptionError, match=r"^group: .* is not a text of 1 to 255 printable characters$"):
            check_key(text, "group")


def test_a_weight_that_its_own_rate_never_lets_through_is_refused() -> None:
    check_weight(make_options(rate_weight=11))
    assert lane_key(make_options(rate="10/1s", rate_weight=10), "t") == "r=@t:10/1000"
    with pytest.raises(OptionError, match=r"rate_weight: it is 11, and its rate lets 10 through at a time: 10/1s"):
        lane_key(make_options(rate="10/1s", rate_weight=11), "t")
    with pytest.raises(OptionError, match="rate_weight: it is 6, and its rate lets 5"):
        lane_key(make_options(rate="10/1s/5", rate_weight=6), "t")
