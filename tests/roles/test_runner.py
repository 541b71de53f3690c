"""What the runner asks of an attempt before and while it runs."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

import jobd
from jobd.context import Context
from jobd.domain.delivery import Delivery
from jobd.domain.isolation import Isolation
from jobd.domain.time_limits import TimeLimits
from jobd.roles.worker.attempt_limits import PAST_DEADLINE
from jobd.roles.worker.nursery import Nursery
from jobd.roles.worker.runner import Runner, _isolation_of
from jobd.roles.worker.running import Running
from jobd.services import Services
from tests.roles.parts import PATIENCE_S, Parts

APART = Isolation()
asked: list[int] = []


def pause(failure: jobd.Failure) -> int:
    asked.append(failure.attempt)
    return 7


@jobd.job("plain", backoff=pause)
async def plain() -> None: ...


@jobd.job("apart", isolation="process")
async def apart() -> None: ...


def attempt(job_type: jobd.JobType[Any, Any] | None, options: bytes = b"", **more: Any) -> Running:
    told: tuple[Any, ...] = ("j", "plain", "default", b"{}", options, 5, 4, more.get("timeout_ms", 0), 0.0, 1, 1, 0)
    told += False, 1, 10.0, "w", more.get("limits")
    running = Running(Delivery(*told), cast("Context", SimpleNamespace(limits=None, cancelled=False)), more.get("task"))
    running.job_type = job_type
    return running


def told(isolation: str) -> bytes:
    return orjson.dumps({"isolation": isolation})


@pytest.mark.parametrize(
    ("job_type", "options", "isolation"),
    [
        (apart, b"", APART),
        (apart, told("none"), None),
        (apart, told("process"), APART),
        (plain, told("process"), APART),
        (plain, told("none"), None),
        (plain, b'{"tags":["isolation"]}', None),
        (None, told("process"), APART),
        (None, b'{"tags":["isolation"]}', None),
    ],
)
def test_a_handler_runs_in_a_process_of_its_own_as_the_job_says_or_else_its_type(
    job_type: jobd.JobType[Any, Any] | None, options: bytes, isolation: Isolation | None
) -> None:
    assert _isolation_of(attempt(job_type, options)) == isolation


async def stopped_by_its_limits(parts: Parts, **how: Any) -> Running:
    """An attempt that goes on until it is stopped."""
    runner = Runner(
        parts.catalog,
        parts.shard,
        parts.client,
        cast("Services", None),
        1,
        Nursery(),
        slots=1,
        settle=lambda delivery, outcome, context: None,
        on_late_end=lambda: None,
        on_fault=lambda error: None,
    )
    task = asyncio.create_task(asyncio.sleep(PATIENCE_S))
    running = attempt(plain, task=task, **how)
    runner._limit(running)
    await asyncio.wait({task})
    assert task.cancelled()
    await runner.close()
    return running


async def test_a_limit_of_time_holds_where_there_is_no_timeout_and_no_rule_is_asked_at_the_deadline(
    parts: Parts,
) -> None:
    asked.clear()
    deadline = TimeLimits(expires_ms=0, queue_ends_ms=0, deadline_ms=11, heartbeat_ms=0)
    running = await stopped_by_its_limits(parts, limits=deadline)
    assert running.stopped is not None
    assert (running.stopped.final, running.stopped.reason, asked) == (True, PAST_DEADLINE, [])


async def test_the_rules_of_its_type_say_what_follows_from_a_timeout(parts: Parts) -> None:
    asked.clear()
    running = await stopped_by_its_limits(parts, timeout_ms=1)
    assert running.stopped is not None
    assert (running.stopped.final, running.stopped.after_ms, asked) == (False, 7_000, [1])
