"""What the configuration says of queues, made known to all processes: their limits, and which are spread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from jobd.actors.actor import Actor
from jobd.store.store import Store


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

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: they are declared. What an earlier configuration declared, and this one does not, is taken back."""
        if self._rules is not None:
            await self._declare(self._rules)
        for queue in self._spread:
            await self._store.spread(queue)
        yield

    async def _declare(self, rules: Mapping[str, Mapping[str, Any]]) -> None:
        for shard in self._store.shards:
            declared = await shard.rules("declared")
            for gate in declared.keys() | rules.keys():
                if rules.get(gate, {}) != declared.get(gate, {}):
                    await shard.declare_rule(gate, rules.get(gate, {}))
