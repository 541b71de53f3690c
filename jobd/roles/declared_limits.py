"""What the configuration says of queues, made known to all processes: their limits, and which are spread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from anyio import create_task_group

from jobd import log
from jobd.actors.actor import Actor
from jobd.errors import OptionError, StoreError
from jobd.store.store import Store

_PAUSE_S = 1.0


class DeclaredLimits(Actor):
    """Ready when the store has what the configuration of this process declares of queues: their limits, and the
    options of their jobs."""

    def __init__(self, store: Store, rules: Mapping[str, Mapping[str, Any]] | None, spread: Sequence[str] = ()) -> None:
        """`spread` are the queues that are to be in all shards; `rules` are all that the configuration declares, by
        gate; None if it says nothing of queues, so that a worker without a configuration file leaves alone what others
        have declared."""
        super().__init__("limits")
        self._store = store
        self._rules = rules
        self._spread = spread
        self._log = log.get("store")
        self._loop = asyncio.get_running_loop()
        self._forgotten = asyncio.Event()

    def declare_again(self) -> None:
        """The store has forgotten it, maybe. May be called in any thread."""
        self._loop.call_soon_threadsafe(self._forgotten.set)

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: they are declared. What an earlier configuration declared, and this one does not, is taken back."""
        await self._tell()
        async with create_task_group() as tasks:
            tasks.start_soon(self._tell_again)
            yield
            tasks.cancel_scope.cancel()

    async def _tell_again(self) -> NoReturn:
        while True:
            await self._forgotten.wait()
            self._forgotten.clear()
            try:
                await self._tell()
            except (StoreError, OptionError) as error:
                self._log.warning("limits of queues are not declared yet; trying again", error=str(error))
                await asyncio.sleep(_PAUSE_S)
                self._forgotten.set()

    async def _tell(self) -> None:
        if self._rules is not None:
            await self._declare(self._rules)
        for queue in self._spread:
            await self._store.spread(queue)

    async def _declare(self, rules: Mapping[str, Mapping[str, Any]]) -> None:
        for shard in self._store.shards:
            declared = await shard.rules("declared")
            for gate in declared.keys() | rules.keys():
                if rules.get(gate, {}) != declared.get(gate, {}):
                    await shard.declare_rule(gate, rules.get(gate, {}))
