from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from anyio import CancelScope, Event, create_task_group, move_on_after, sleep_forever
from anyio.lowlevel import checkpoint

from jobd.actors.actor import Actor, EndedUnasked, NotStarted
from tests.actors.cast import Bench, Broken, Extra
from tests.actors.stress import stress


async def test_an_actor_can_be_started_and_stopped_in_any_way() -> None:
    await stress(lambda: Extra("extra", []))


async def test_start_returns_when_ready_and_stop_when_done() -> None:
    class Slow(Actor):
        state = "new"

        @asynccontextmanager
        async def life(self) -> AsyncIterator[None]:
            await checkpoint()
            self.state = "open"
            yield
            await checkpoint()
            self.state = "closed"

    actor = Slow("slow")
    await actor.start()
    assert (actor.state, actor.ready, actor.alive) == ("open", True, True)
    await actor.stop()
    assert (actor.state, actor.ready, actor.alive) == ("closed", False, False)


async def test_a_start_while_the_stop_is_going_on_waits_for_it_and_begins_anew() -> None:
    journal: list[str] = []
    actor = Extra("a", journal)
    await actor.start()
    async with create_task_group() as tasks:
        tasks.start_soon(actor.stop)
        await checkpoint()
        tasks.start_soon(actor.start)
    assert journal == ["a start", "a stop", "a start"]
    assert actor.ready
    await actor.stop()


async def test_a_failed_start_undoes_what_it_had_opened_and_raises() -> None:
    journal: list[str] = []

    class HalfOpen(Actor):
        @asynccontextmanager
        async def life(self) -> AsyncIterator[None]:
            async with create_task_group():
                journal.append("opened the first half")
                try:
                    raise Broken("the second half")
                    yield
                finally:
                    journal.append("closed the first half")

    actor = HalfOpen("half")
    with pytest.raises(Broken, match="the second half"):
        await actor.start()
    assert journal == ["opened the first half", "closed the first half"]
    assert not actor.alive
    await actor.stop()


class Unwinding(Actor):
    """Hangs in its start and takes its time to undo it."""

    def __init__(self) -> None:
        super().__init__("unwinding")
        self.opening, self.undoing, self.may_end, self.undone = Event(), Event(), Event(), Event()

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        try:
            self.opening.set()
            await sleep_forever()
            yield
        finally:
            self.undoing.set()
            await self.may_end.wait()
            self.undone.set()


async def test_a_cancelled_start_is_broken_off_and_undone() -> None:
    actor = Unwinding()
    async with create_task_group() as tasks:
        tasks.start_soon(actor.start)
        await actor.opening.wait()
        tasks.cancel_scope.cancel()
    assert actor.alive
    actor.may_end.set()
    await actor.undone.wait()


async def test_stops_do_not_disturb_the_undoing_of_a_start() -> None:
    actor = Unwinding()
    async with create_task_group() as tasks:
        tasks.start_soon(actor.start)
        await actor.opening.wait()
        tasks.cancel_scope.cancel()
    async with create_task_group() as tasks:
        tasks.start_soon(actor.stop)
        await actor.undoing.wait()
        tasks.start_soon(actor.stop)
        await checkpoint()
        actor.may_end.set()
    assert actor.undone.is_set()
    assert not actor.alive


async def test_a_cancelled_second_start_leaves_the_actor_alone() -> None:
    actor = Extra("a", [])
    await actor.start()
    with CancelScope() as scope:
        scope.cancel()
        await actor.start()
    assert actor.ready
    await actor.stop()


async def test_a_stop_breaks_off_a_start_which_then_says_so() -> None:
    actor = Extra("a", [], hangs_in="start")
    start = asyncio.create_task(actor.start())
    await actor.hanging.wait()
    await actor.stop()
    with pytest.raises(NotStarted):
        await start


async def test_a_child_that_raises_makes_the_actor_fail_with_its_very_error() -> None:
    actor = Extra("a", [])
    await actor.start()
    actor.break_now()
    error = await actor.wait_failed()
    assert isinstance(error, Broken)
    assert actor.failed
    assert not actor.ready
    with pytest.raises(Broken):
        await actor.stop()
    await actor.stop()


async def test_a_failing_actor_takes_nobody_along() -> None:
    actor, other = Extra("a", []), Extra("b", [])
    await actor.start()
    await other.start()
    actor.break_now()
    await actor.wait_failed()
    assert other.ready
    await other.stop()
    with pytest.raises(Broken):
        await actor.stop()


async def test_an_actor_that_ends_unasked_has_failed() -> None:
    class Short(Actor):
        @asynccontextmanager
        async def life(self) -> AsyncIterator[None]:
            with CancelScope() as self.scope:
                yield

    actor = Short("short")
    await actor.start()
    actor.scope.cancel()
    assert isinstance(await actor.wait_failed(), EndedUnasked)
    with pytest.raises(EndedUnasked):
        await actor.stop()


@pytest.mark.asyncio(loop_factories=["autojump"])
async def test_an_actor_that_says_it_has_failed_lives_on_so_that_it_can_be_drained() -> None:
    bench = Bench([])
    await bench.start()
    bench.take("job", 5)
    bench.fail(Broken("lease"))
    assert str(await bench.wait_failed()) == "lease"
    assert bench.ready
    await bench.drain()
    assert bench.journal == ["bench open", "job done"]
    with pytest.raises(Broken, match="lease"):
        await bench.stop()
    assert bench.journal == ["bench open", "job done", "bench closed"]


async def test_stop_raises_what_the_closing_raised_once() -> None:
    actor = Extra("a", [], breaks_in="stop")
    await actor.start()
    with pytest.raises(Broken, match="a stop"):
        await actor.stop()
    await actor.stop()


async def test_no_error_hides_another() -> None:
    actor = Extra("a", [], breaks_in="stop")
    await actor.start()
    actor.fail(Broken("first"))
    with pytest.raises(BaseExceptionGroup) as caught:
        await actor.stop()
    assert [str(error) for error in caught.value.exceptions] == ["first", "a stop"]


async def test_the_closing_is_not_cancelled_and_outlives_a_stop_that_is() -> None:
    may_close = Event()

    class Careful(Actor):
        closed = False

        @asynccontextmanager
        async def life(self) -> AsyncIterator[None]:
            async with create_task_group() as tasks:
                yield
                tasks.cancel_scope.cancel()
            await may_close.wait()
            self.closed = True

    actor = Careful("careful")
    await actor.start()
    with move_on_after(0):
        await actor.stop()
    assert actor.alive
    assert not actor.ready
    may_close.set()
    await actor.stop()
    assert actor.closed


async def test_what_needs_a_started_actor_says_so() -> None:
    actor = Extra("a", [])
    with pytest.raises(NotStarted):
        await actor.wait_failed()
    with pytest.raises(NotStarted):
        actor.fail(Broken("too early"))
