from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.duration import LONGEST_MS
from jobd.domain.when import When
from jobd.errors import OptionError

whens = st.builds(When, after_ms=st.integers(1, LONGEST_MS)) | st.builds(
    When, at_ms=st.integers(1, 250_000_000_000_000)
)


@given(whens)
def test_its_text_reads_back_as_the_same(when: When) -> None:
    assert When.from_text(when.to_json(), "deadline") == When.parse(when.to_json(), "deadline") == when


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1h30m", When(after_ms=5_400_000)),
        (timedelta(minutes=1), When(after_ms=60_000)),
        (0.5, When(after_ms=500)),
        (datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), When(at_ms=1_893_456_000_000)),
        ("2030-01-01T02:00:00+02:00", When(at_ms=1_893_456_000_000)),
        (datetime(1960, 1, 1, tzinfo=UTC), When(at_ms=1)),
    ],
)
def test_people_write_a_duration_or_a_moment(written: Any, meant: When) -> None:
    assert When.parse(written, "deadline") == meant


@pytest.mark.parametrize("written", ["soon", "", "0s", "11y", "2030-01-01", "2030-13-01T00:00:00Z", "9999999w"])
def test_a_text_that_is_neither_is_refused_with_what_is_allowed(written: str) -> None:
    said = f"^deadline: {written!r} is neither a duration up to 10 years, .* nor a time with its zone"
    for read in (When.parse, When.from_text):
        with pytest.raises(OptionError, match=said):
            read(written, "deadline")


@pytest.mark.parametrize("written", [5, None, True, {}])
def test_json_has_texts_only(written: Any) -> None:
    with pytest.raises(OptionError, match="is neither a duration"):
        When.from_text(written, "deadline")


@pytest.mark.parametrize("written", [0, -1, True, None, datetime(2030, 1, 1)])  # noqa: DTZ001  that is the point
def test_a_value_that_is_neither_is_refused(written: Any) -> None:
    with pytest.raises(OptionError, match=r"^deadline: "):
        When.parse(written, "deadline")
