"""Handlers that write down outside jobd when they start and how they end, each line on disk before they go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from pydantic import BaseModel

import jobd
from tests.chaos.history import Scribe
from tests.chaos.sabotage import answers_first


class Work(BaseModel):
    """What to do, under a key of the producer's own."""

    key: str
    seconds: float = 0.0
    fails: int = 0
    """so many attempts raise"""
    child: bool = False
    """enqueue another job through the context"""


@jobd.job("chaos", backoff="200ms", max_attempts=20)
async def chaos(ctx: jobd.Context, work: Work) -> int:
    """Sleeps for its time; the result is the fence that it ran under."""
    if answers_first():
        _afterwards.add(asyncio.create_task(_run(ctx, work)))
        return ctx.fence
    await _run(ctx, work)
    return ctx.fence


@jobd.job("chaos-sync", backoff="200ms", max_attempts=20)
def chaos_sync(ctx: jobd.SyncContext, work: Work) -> int:
    """The same in a thread."""
    with _written(ctx, work):
        time.sleep(work.seconds)
        _fail(ctx.attempt, work)
    return ctx.fence


async def _run(ctx: jobd.Context, work: Work) -> None:
    with _written(ctx, work):
        await asyncio.sleep(work.seconds)
        _fail(ctx.attempt, work)
        if work.child and not answers_first():
            await ctx.enqueue(chaos, Work(key=f"{work.key}>{ctx.fence}"))


class AsPlanned(Exception):
    """Raised by attempts that are to fail."""


def _fail(attempt: int, work: Work) -> None:
    if attempt <= work.fails:
        raise AsPlanned(f"attempt {attempt} of {work.key}")


@contextmanager
def _written(ctx: jobd.Context | jobd.SyncContext, work: Work) -> Iterator[None]:
    run = {"key": work.key, "job": ctx.job.id, "attempt": ctx.attempt, "fence": ctx.fence}
    _scribe().write("start", **run)
    try:
        yield
    except (AsPlanned, jobd.StoreUnavailable):  # the store may be away when a child is enqueued
        _scribe().write("raised", **run)
        raise
    except BaseException:
        _scribe().write("stopped", **run)
        raise
    _scribe().write("end", **run)


_afterwards: set[asyncio.Task[None]] = set()


@cache
def _scribe() -> Scribe:
    return Scribe.of_this_process(on_disk=True)


@jobd.hookimpl
def jobd_job_types() -> list[jobd.JobType[Any, Any]]:
    return [chaos, chaos_sync]
