"""How an attempt that runs is told to end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jobd.context import Context
from jobd.domain.delivery import Delivery
from jobd.domain.outcome import RETURNED, Ending, Outcome
from jobd.roles.worker.running import Running

FIRST, SECOND = Outcome(Ending.CANCELLED), Outcome(Ending.TIMED_OUT)


class Handler:
    """Counts how often it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


def attempt(handler: Handler | None, *, in_thread: bool = False) -> Running:
    delivery = cast("Delivery", None)
    context = cast("Context", SimpleNamespace(cancelled=False))
    running = Running(delivery, context, cast("asyncio.Task[Any]", handler))
    if in_thread:
        running.thread = cast("asyncio.Future[Any]", object())
    return running


def test_a_handler_is_told_to_end_once_and_ends_as_it_was_told_first() -> None:
    handler = Handler()
    running = attempt(handler)
    running.stop(FIRST, sync_too=True)
    running.stop(SECOND, sync_too=True)
    assert (running.stopped, handler.cancelled, running.context.cancelled) == (FIRST, 1, True)
    assert running.stopped_at is not None


def test_a_coroutine_is_stopped_also_where_threads_are_only_told() -> None:
    handler = Handler()
    running = attempt(handler)
    running.stop(FIRST, sync_too=False)
    assert (running.stopped, handler.cancelled) == (FIRST, 1)


@pytest.mark.parametrize("how", [{"ended": True}, {"outcome": RETURNED}])
def test_a_handler_that_has_ended_is_not_told_any_more(how: dict[str, Any]) -> None:
    handler = Handler()
    running = attempt(handler)
    for name, value in how.items():
        setattr(running, name, value)
    running.stop(FIRST, sync_too=True)
    assert (running.stopped, handler.cancelled, running.context.cancelled) == (None, 0, False)


def test_a_handler_in_a_thread_is_left_behind_only_if_it_must() -> None:
    handler = Handler()
    running = attempt(handler, in_thread=True)
    running.stop(FIRST, sync_too=False)
    assert (running.stopped, handler.cancelled, running.context.cancelled) == (None, 0, True)
    running.stop(SECOND, sync_too=True)
    assert (running.stopped, handler.cancelled) == (SECOND, 1)


def test_an_attempt_that_has_no_task_is_told_in_its_context_alone() -> None:
    running = attempt(None)
    running.stop(FIRST, sync_too=True)
    assert (running.stopped, running.context.cancelled) == (None, True)
