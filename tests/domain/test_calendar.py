from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.calendar import day_of


@given(st.dates())
def test_a_day_starts_at_midnight_and_ends_where_the_next_one_starts(day: date) -> None:
    start, end = day_of(day)
    assert (start.date(), start.hour, start.tzinfo) == (day, 0, UTC)
    if day < date.max:
        assert end - start == timedelta(days=1)
        assert end == day_of(day + timedelta(days=1))[0]


def test_the_last_day_of_all_has_an_end_too() -> None:
    start, end = day_of(date.max)
    assert start < end == datetime.max.replace(tzinfo=UTC)
