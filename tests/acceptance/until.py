"""Waits for what no signal tells: a line in a journal, the end of a process that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.acceptance.program import PATIENCE_S

T = TypeVar("T")

_LOOK_AGAIN_S = 0.01


async def until(look: Callable[[], T | Awaitable[T]], patience_s: float = PATIENCE_S) -> T:
    """What `look` gives, once that is something."""
    async with asyncio.timeout(patience_s):
        while True:
            seen = look()
            value: T = await seen if isinstance(seen, Awaitable) else seen
            if value:
                return value
            await asyncio.sleep(_LOOK_AGAIN_S)
