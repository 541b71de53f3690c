"""Waits for what no signal tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.roles.parts import PATIENCE_S

_LOOK_AGAIN_S = 0.005


async def until(look: Callable[[], Awaitable[bool] | bool]) -> None:
    """Returns once `look` says yes."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            seen = look()
            if await seen if isinstance(seen, Awaitable) else seen:
                return
            await asyncio.sleep(_LOOK_AGAIN_S)
