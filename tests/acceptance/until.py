"""Waits for what no signal tells: a line in a journal, the end of a process that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.acceptance.program import PATIENCE_S

_LOOK_AGAIN_S = 0.01


async def until(look: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """What `look` gives, once that is something."""
    async with asyncio.timeout(patience_s):
        while True:
            seen = look()
            value = await seen if isinstance(seen, Awaitable) else seen
            if value:
                return value
            await asyncio.sleep(_LOOK_AGAIN_S)
