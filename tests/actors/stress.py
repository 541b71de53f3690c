"""Start and stop an actor in every way that must be harmless. Each role passes through here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from anyio import create_task_group, fail_after
from anyio.lowlevel import checkpoint

from jobd.actors.actor import Actor, NotStarted


async def stress(make: Callable[[], Actor], *, rounds: int = 20, limit: float = 60.0) -> None:
    """Put actors from `make` through their starts and stops, `rounds` times each way, within `limit` seconds."""
    others = asyncio.all_tasks()
    with fail_after(limit, reason="the stress did not end in time"):
        await stopped_before_it_was_started(make())
        await started_and_stopped_again_and_again(make(), rounds)
        await started_and_stopped_by_many_at_once(make(), rounds)
        for turns in range(rounds):
            await stopped_while_it_starts(make(), turns)
            await cancelled_while_it_starts(make(), turns)
    left = asyncio.all_tasks() - others
    assert not left, f"tasks that nobody owns any more: {left}"


async def stopped_before_it_was_started(actor: Actor) -> None:
    await actor.stop()
    assert not actor.alive


async def started_and_stopped_again_and_again(actor: Actor, rounds: int) -> None:
    for _ in range(rounds):
        await actor.start()
        await actor.start()
        assert actor.ready
        for _ in range(2):
            await actor.quiet()
            await actor.drain()
            await actor.interrupt()
        assert not actor.failed
        await actor.stop()
        await actor.stop()
        assert not actor.alive


async def started_and_stopped_by_many_at_once(actor: Actor, rounds: int) -> None:
    async with create_task_group() as crowd:
        for _ in range(rounds):
            crowd.start_soon(actor.start)
    assert actor.ready
    async with create_task_group() as crowd:
        for _ in range(rounds):
            crowd.start_soon(actor.stop)
    assert not actor.alive


async def stopped_while_it_starts(actor: Actor, turns: int) -> None:
    """The stop comes so many turns of the event loop after the start began."""
    start = asyncio.create_task(actor.start())
    await _take(turns)
    await actor.stop()
    with suppress(NotStarted):
        await start
    await actor.stop()  # when the first came before the start had begun at all
    assert not actor.alive


async def cancelled_while_it_starts(actor: Actor, turns: int) -> None:
    """The start is cancelled so many turns of the event loop after it began."""
    start = asyncio.create_task(actor.start())
    await _take(turns)
    start.cancel()
    with suppress(asyncio.CancelledError):
        await start
    await actor.stop()
    assert not actor.alive


async def _take(turns: int) -> None:
    for _ in range(turns):
        await checkpoint()
