"""The limits of an attempt, by a clock that jumps from one to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from jobd import clock
from jobd.domain.delivery import Delivery
from jobd.domain.failure import TimedOut
from jobd.domain.outcome import Outcome
from jobd.domain.time_limits import TimeLimits
from jobd.roles.worker.attempt_limits import PAST_DEADLINE, AttemptLimits
from jobd.roles.worker.deadlines import Deadlines
from tests.actors.autojump import AutojumpLoop

STARTED_MS = 1_000.0


def late(
    monkeypatch: pytest.MonkeyPatch,
    course: Callable[[AttemptLimits], Any],
    *,
    timeout_ms: int = 0,
    heartbeat_ms: int = 0,
    deadline_ms: float = 0,
    waited_ms: float = 0.0,
) -> list[tuple[float, str, bool]]:
    """When an attempt with these limits was late, by which, and whether rules may help, while it took this course."""
    loop, seen = AutojumpLoop(), list[tuple[float, str, bool]]()
    monkeypatch.setattr(clock, "monotonic", loop.time)

    def note(outcome: Outcome, error: TimedOut | None) -> None:
        assert outcome.final == (error is None)
        seen.append((loop.time(), outcome.reason or "", error is not None))

    async def run() -> None:
        timed = TimeLimits(expires_ms=0, queue_ends_ms=0, deadline_ms=deadline_ms, heartbeat_ms=heartbeat_ms)
        given = timed if deadline_ms or heartbeat_ms else None
        told: tuple[Any, ...] = ("j", "noop", "default", b"{}", b"", 5, 4, timeout_ms, 0.0, 1, 1, 0, False, 1)
        told += STARTED_MS, "w", given
        limits = AttemptLimits(Delivery(*told), Deadlines(), note)
        limits.begin(waited_ms)
        await course(limits)

    loop.run_until_complete(run())
    loop.close()
    return seen


async def hang(limits: AttemptLimits) -> None:
    await asyncio.sleep(100)


def test_an_attempt_without_limits_goes_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def course(limits: AttemptLimits) -> None:
        limits.beat()
        limits.extend(5_000)
        assert limits.left_ms == 0
        await hang(limits)

    assert late(monkeypatch, course) == []


def test_each_limit_ends_it_at_its_time_and_no_rule_helps_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    assert late(monkeypatch, hang, timeout_ms=5_000) == [(5.0, "the attempt ran for more than 5 s", True)]
    silent = "the handler was not heard of for more than 2 s"
    assert late(monkeypatch, hang, heartbeat_ms=2_000) == [(2.0, silent, True)]
    assert late(monkeypatch, hang, deadline_ms=STARTED_MS + 3_000) == [(3.0, PAST_DEADLINE, False)]
    waited = late(monkeypatch, hang, timeout_ms=5_000, deadline_ms=STARTED_MS + 3_000, waited_ms=1_000)
    assert waited == [(2.0, PAST_DEADLINE, False), (5.0, "the attempt ran for more than 5 s", True)]
    assert late(monkeypatch, hang, deadline_ms=STARTED_MS + 3_000, waited_ms=9_000) == [(0.0, PAST_DEADLINE, False)]


def test_it_has_more_time_when_it_was_heard_of_or_was_given_some(monkeypatch: pytest.MonkeyPatch) -> None:
    async def course(limits: AttemptLimits) -> None:
        assert limits.left_ms == 2_000
        await asyncio.sleep(1.5)
        limits.beat()
        assert limits.left_ms == 2_000
        limits.extend(8_000)
        await asyncio.sleep(1.5)
        limits.beat()
        await hang(limits)

    assert late(monkeypatch, course, timeout_ms=5_000, heartbeat_ms=2_000) == [
        (5.0, "the handler was not heard of for more than 2 s", True),
        (9.5, "the attempt ran for more than 5 s, and what it was given beside", True),
    ]


def test_none_holds_when_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def course(limits: AttemptLimits) -> None:
        limits.end()
        await hang(limits)

    assert late(monkeypatch, course, timeout_ms=1, heartbeat_ms=1, deadline_ms=STARTED_MS + 1) == []
