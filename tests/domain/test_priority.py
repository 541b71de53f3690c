from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.priority import NAMES, parse_priority
from jobd.errors import OptionError


@pytest.mark.requirement("2.3")
def test_the_five_names_stand_for_their_numbers() -> None:
    assert {name: parse_priority(name) for name in NAMES} == {
        "critical": 1,
        "high": 3,
        "normal": 5,
        "low": 7,
        "background": 10,
    }


@given(st.integers(1, 10))
def test_a_number_may_be_a_number_or_a_text(number: int) -> None:
    assert parse_priority(number) == parse_priority(str(number)) == number


def test_names_are_understood_in_any_case() -> None:
    assert parse_priority(" High ") == 3


@pytest.mark.requirement("2.3")
@pytest.mark.parametrize("value", [20, "20", 11])
def test_a_number_over_ten_is_refused_with_the_hint_that_one_is_most_urgent(value: int | str) -> None:
    with pytest.raises(OptionError, match=r"between 1 \(most urgent\) and 10 \(in systems where 20 means critical"):
        parse_priority(value)


@pytest.mark.parametrize("value", [0, -1, "0"])
def test_a_number_below_one_is_refused_without_that_hint(value: int | str) -> None:
    with pytest.raises(OptionError, match=r"^priority: .* is not between 1 \(most urgent\) and 10$"):
        parse_priority(value)


@pytest.mark.parametrize("value", ["urgent", "", "5.0", "٣", "9" * 5_000, 5.0, True, None, [5]])
def test_anything_else_is_refused_with_the_names(value: Any) -> None:
    with pytest.raises(OptionError, match=r"^urgency: .* nor one of critical, high, normal, low, background$"):
        parse_priority(value, name="urgency")
