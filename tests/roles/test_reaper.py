"""The monitor's verdict on jobs whose holder fell silent."""

from __future__ import annotations

from typing import Any

import pytest

import jobd
from jobd import clock
from jobd.catalog import Catalog
from jobd.domain.delivery import Delivery, Lost, NewJob
from jobd.domain.job import Job
from jobd.domain.levels import Levels
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from jobd.domain.time_limits import TimeLimits
from jobd.domain.when import When
from jobd.roles import reaper
from jobd.roles.membership import LEFT, Membership
from jobd.roles.reaper import Reaper, outcome_of
from jobd.roles.verdicts import TOO_LATE, Verdicts
from jobd.store.shard import DEADLINE_MARGIN_MS
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.until import until
from tests.store.hands import LEASE_MS, LOST, Clock, Hands, ended, new_job, retried


class Death:
    """Holders of the job "a" that die without a word, and the monitor that finds them."""

    def __init__(self, parts: Parts) -> None:
        self.shard = parts.shard
        self.clock = Clock(parts.shard)
        self.hands = Hands(parts.shard, self.clock)
        self.membership = Membership(parts.store, 0, kind="monitor", lines=["@monitor"], lease_ms=LEASE_MS)
        self.reaper = Reaper(self.membership, Verdicts(parts.catalog, Levels()), report=parts.report)
        self._deaths = 0

    async def begin(self) -> None:
        """A suspect waits."""
        await self.membership.join()
        await self.hands.join("w1")
        (delivery,) = await self.hands.active(new_job("a"), member="w1")
        await self.shard.settle("w1", [ended(delivery, LOST, "lost")])

    async def take(self, *lines: str) -> str:
        """Somebody serves these lines, and has the job."""
        self._deaths += 1
        member = await self.hands.join(f"dies-{self._deaths}", *lines)
        assert [job.id for job in await self.hands.fetch(member)] == ["a"]
        return member

    async def of_one_for_suspects(self) -> State:
        """The state of the job after its holder, which had nothing else, was silent for too long."""
        await self.take("!*")
        await self._time_passes()
        assert await self.reaper.settle_lost() == 1
        return (await self.hands.job("a")).status

    async def _time_passes(self) -> None:
        for _ in range(2):
            self.clock.forward(LEASE_MS // 2 + 1)
            await self.shard.renew([self.membership.id], LEASE_MS, patience_s=1)


def lost(**how: Any) -> Lost:
    """A job of a holder for suspects that fell silent with nothing else in hand, unless said otherwise."""
    told: tuple[Any, ...] = (
        "a",
        "noop",
        "default",
        b"",
        b"",
        5,
        4,
        how.pop("timeout_ms", 5_000),
        0.0,
        1,
        1,
        0,
        True,
        7,
    )
    told += how.pop("started", 0.0), "m", how.pop("limits", None)
    usual: dict[str, Any] = {"former_holder": "w", "overdue": False, "neighbours": 1, "cause": ""}
    return Lost(delivery=Delivery(*told), **{**usual, "holder_was_solo": True, **how})


LIMITS = TimeLimits(expires_ms=0, queue_ends_ms=0, deadline_ms=9, heartbeat_ms=0)


@pytest.mark.parametrize(
    ("how", "silence_is_death", "ending", "alone", "reason"),
    [
        ({}, True, Ending.LOST, True, "its worker was not heard of in time"),
        ({}, False, Ending.LOST, False, "its worker was not heard of in time"),
        ({"cause": "killed"}, False, Ending.LOST, True, "its worker is gone: killed"),
        ({"neighbours": 2}, True, Ending.LOST, False, "its worker was not heard of in time"),
        ({"holder_was_solo": False, "cause": "killed"}, True, Ending.LOST, False, "its worker is gone: killed"),
        ({"cause": LEFT}, True, Ending.INTERRUPTED, False, "its worker stopped before it was done"),
        ({"overdue": True}, True, Ending.TIMED_OUT, False, "it ran for more than 5 s and its worker did not end it"),
        (
            {"overdue": True, "timeout_ms": 0},
            True,
            Ending.TIMED_OUT,
            False,
            "one of its limits of time was over and its worker did not end it",
        ),
        (
            {"overdue": True, "limits": LIMITS},
            True,
            Ending.TIMED_OUT,
            False,
            "one of its limits of time was over and its worker did not end it",
        ),
        (
            {"started": 9.0, "limits": LIMITS, "cause": "killed"},
            True,
            Ending.EXPIRED,
            False,
            "its deadline had passed before it could run",
        ),
    ],
)
def test_what_happened_to_a_job_follows_from_how_it_was_found(
    how: dict[str, Any], silence_is_death: bool, ending: Ending, alone: bool, reason: str
) -> None:
    outcome = outcome_of(lost(**how), silence_is_death=silence_is_death)
    assert (outcome.ending, outcome.alone, outcome.reason) == (ending, alone, reason)
    assert (outcome.error is not None) == (ending in (Ending.TIMED_OUT, Ending.EXPIRED))


@pytest.fixture
async def death(parts: Parts) -> Death:
    death = Death(parts)
    await death.begin()
    return death


async def test_the_third_process_in_a_row_that_falls_silent_over_a_job_alone_makes_it_poison(death: Death) -> None:
    states = [await death.of_one_for_suspects() for _ in range(3)]
    assert states == [State.WAITING, State.WAITING, State.FAILED]
    job = await death.hands.job("a")
    assert (job.error or {})["type"] == "Poison"
    assert job.attempts[-1].reason == "its worker was not heard of in time"
    assert {attempt.outcome for attempt in job.attempts} == {Ending.LOST}


async def test_an_orderly_end_in_between_begins_the_count_anew(death: Death) -> None:
    for _ in range(2):
        assert await death.of_one_for_suspects() is State.WAITING
    member = await death.hands.join("lives", "!*")
    (delivery,) = await death.hands.fetch(member)
    await death.shard.settle(member, [retried(delivery, 1)])
    death.clock.forward(1)
    await death.shard.promote()
    # it is no suspect now; it becomes one again among others
    others = await death.take("*")
    await death.shard.leave(others, "killed by SIGKILL")
    await death.reaper.settle_lost()
    assert [await death.of_one_for_suspects() for _ in range(3)] == [State.WAITING, State.WAITING, State.FAILED]


async def test_silence_proves_nothing_to_a_monitor_that_was_cut_off_itself(death: Death) -> None:
    for _ in range(5):
        await death.take("!*")
        death.clock.forward(LEASE_MS + 1)  # for all of them
        assert await death.reaper.settle_lost() == 0  # it joins again
        assert await death.reaper.settle_lost() == 1
    job = await death.hands.job("a")
    assert (job.status, {attempt.error is None for attempt in job.attempts}) == (State.WAITING, {True})


async def test_who_left_in_order_is_not_blamed(death: Death) -> None:
    for _ in range(5):
        member = await death.take("!*")
        await death.shard.leave(member, "it left")
        assert await death.reaper.settle_lost() == 1
    job = await death.hands.job("a")
    assert (job.status, {attempt.error is None for attempt in job.attempts}) == (State.WAITING, {True})


TIMEOUT_MS = 1_000


class Monitor:
    """A monitor of jobs of the type "noop"."""

    def __init__(self, parts: Parts, job_type: jobd.JobType[Any, Any]) -> None:
        self.shard = parts.shard
        self.clock = Clock(parts.shard)
        self.hands = Hands(parts.shard, self.clock)
        self.membership = Membership(parts.store, 0, kind="monitor", lines=["@monitor"], lease_ms=LEASE_MS)
        self.reaper = Reaper(self.membership, Verdicts(Catalog([job_type]), Levels()), report=parts.report)

    async def job_after(self, job: NewJob, *, dies: bool) -> Job:
        """Its worker has died, or has let its time pass."""
        await self.membership.join()
        worker = await self.hands.join(f"of-{job.id}")
        await self.hands.active(job, member=worker)
        if dies:
            await self.shard.leave(worker, "killed")
        else:
            self.clock.forward(TIMEOUT_MS + DEADLINE_MARGIN_MS)
        assert await self.reaper.settle_lost() == 1
        return await self.hands.job(job.id)


async def test_the_rules_of_a_type_hold_for_a_job_that_took_too_long_and_not_for_one_that_was_lost(
    parts: Parts,
) -> None:
    @jobd.job("noop", on_error={TimeoutError: jobd.Cancel})
    async def impatient() -> None: ...

    late = await Monitor(parts, impatient).job_after(new_job("late", timeout_ms=TIMEOUT_MS), dies=False)
    assert (late.status, late.attempt) == (State.CANCELLED, 1)
    assert late.error is not None
    assert late.error["type"] == "TimeoutError"
    assert "it ran for more than 1 s" in late.error["message"]
    lost = await Monitor(parts, impatient).job_after(new_job("lost", timeout_ms=TIMEOUT_MS), dies=True)
    assert (lost.status, lost.error) == (State.WAITING, None)


async def test_a_job_that_took_too_long_and_may_not_run_again_before_its_deadline_has_failed_and_says_why(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    @jobd.job("noop", backoff="1h")
    async def slow() -> None: ...

    monitor = Monitor(parts, slow)
    monkeypatch.setattr(clock, "now_ms", lambda: monitor.clock.ms)
    deadline = When(after_ms=60_000)
    late = await monitor.job_after(new_job("late", timeout_ms=TIMEOUT_MS, deadline=deadline), dies=False)
    assert (late.status, late.attempts[-1].reason) == (State.FAILED, TOO_LATE)


async def test_a_monitor_is_called_when_jobs_are_left_behind(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaper, "LOOK_S", 10 * PATIENCE_S)
    hands = Hands(parts.shard, Clock(parts.shard))
    parts.shard.dictated_us = None
    monitor = Reaper(parts.membership("monitor", ["@monitor"]), Verdicts(parts.catalog, Levels()), report=parts.report)
    await monitor.start()
    await hands.join("w1")
    await hands.active(new_job("a"))
    await parts.shard.leave("w1", "killed")

    async def waits() -> bool:
        return (await hands.job("a")).status is State.WAITING

    await until(waits)
    await monitor.stop()
