from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from jobd.domain.signals import Cancel, Fail, RateLimited, Retry, Snooze
from jobd.errors import OptionError


def test_a_retry_says_when_or_leaves_it_to_the_backoff() -> None:
    assert Retry().after_ms is None
    assert Retry(after="5m").after_ms == 300_000
    assert Retry(after=0).after_ms == 0
    assert Retry("the server is busy").reason == str(Retry("the server is busy")) == "the server is busy"


def test_a_snooze_lasts_some_time_or_until_a_moment() -> None:
    moment = datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert Snooze(after="1h").after_ms == 3_600_000
    assert Snooze(until=moment).until_ms == round(datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1_000)


def test_a_snooze_until_long_ago_is_over_at_once() -> None:
    assert Snooze(until=datetime(1960, 1, 1, tzinfo=UTC)).until_ms == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "takes one of after=… and until=…"),
        ({"after": 1, "until": datetime(2030, 1, 1, tzinfo=UTC)}, "takes one of after=… and until=…"),
        ({"until": datetime(2030, 1, 1)}, "is not a datetime with a time zone"),  # noqa: DTZ001  that is the point
        ({"until": "tomorrow"}, "'tomorrow' is not a datetime with a time zone"),
        ({"after": "soon"}, r"Snooze\(after=…\): 'soon' is not a duration"),
    ],
)
def test_a_snooze_that_says_nothing_clear_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Snooze(**arguments)


@pytest.mark.parametrize(
    ("retry_after", "after_ms", "until_ms"),
    [
        (None, None, None),
        ("30s", 30_000, None),
        (30, 30_000, None),
        ("30", 30_000, None),
        (datetime(2030, 1, 1, tzinfo=UTC), None, 1_893_456_000_000),
        ("Tue, 01 Jan 2030 00:00:00 GMT", None, 1_893_456_000_000),
        ("Tue, 01 Jan 2030 00:00:00 -0000", None, 1_893_456_000_000),
        ("Tue, 01 Jan 2030 02:00:00 +0200", None, 1_893_456_000_000),
    ],
)
def test_a_rate_limit_lasts_as_long_as_the_other_side_says(
    retry_after: Any, after_ms: int | None, until_ms: int | None
) -> None:
    limited = RateLimited(retry_after)
    assert (limited.after_ms, limited.until_ms) == (after_ms, until_ms)


@pytest.mark.parametrize("retry_after", ["soon", "Tue, 01 Foo 2030", datetime(2030, 1, 1), -1])  # noqa: DTZ001  that is the point
def test_a_rate_limit_that_says_nothing_clear_is_refused(retry_after: Any) -> None:
    with pytest.raises(OptionError, match=r"RateLimited\(retry_after\): "):
        RateLimited(retry_after)


def test_all_have_words_of_their_own_when_none_are_given() -> None:
    signals = [Retry(), Snooze(after=1), RateLimited(), Cancel(), Fail()]
    assert [str(signal) for signal in signals] == [signal.reason for signal in signals]
    assert [str(signal) for signal in signals] == [
        "the handler asked for a retry",
        "the handler put it off",
        "a rate limit was hit",
        "cancelled by its handler",
        "failed by its handler",
    ]
