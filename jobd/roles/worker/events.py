"""Waits for events."""

from __future__ import annotations

import asyncio


async def all_set(events: list[asyncio.Event], unless: list[asyncio.Task[None]]) -> None:
    """Returns when all events are set; at once when a task ends before, with what it raises."""
    everything = asyncio.create_task(_each_set(events), name="all posts manned")
    try:
        await asyncio.wait({everything, *unless}, return_when=asyncio.FIRST_COMPLETED)
        for task in unless:
            if task.done():
                task.result()
    finally:
        everything.cancel()


async def _each_set(events: list[asyncio.Event]) -> None:
    for event in events:
        await event.wait()


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Is it set by then?"""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
