"""What a worker is handed."""

from __future__ import annotations

from typing import Any

from jobd.domain.delivery import Delivery
from jobd.domain.time_limits import EXPIRED, TimeLimits


def delivery(*, attempt: int = 1, options: bytes = b"", limits: TimeLimits | None = None) -> Delivery:
    told: tuple[Any, ...] = ("j", "noop", "default", b"{}", options, 5, 3, 0, 0.0, attempt, attempt, 0, False, 1)
    told += 10.0, "w", limits
    return Delivery(*told)


def test_the_attempt_behind_which_there_is_none_is_the_last() -> None:
    assert [delivery(attempt=number).last_attempt for number in (1, 2, 3, 4)] == [False, False, True, True]


def test_a_job_that_was_handed_over_too_late_has_missed_its_time() -> None:
    assert delivery().missed is None
    limits = [TimeLimits(expires_ms=ms, queue_ends_ms=0, deadline_ms=0, heartbeat_ms=0) for ms in (0, 10, 11)]
    assert [delivery(limits=each).missed for each in limits] == [None, EXPIRED, None]


def test_most_jobs_have_no_tags_or_metadata() -> None:
    assert (delivery().tags, delivery().metadata) == ((), {})
    told = delivery(options=b'{"tags":["a","b"],"metadata":{"order":7}}')
    assert (told.tags, told.metadata) == (("a", "b"), {"order": 7})
