"""Limits at run time: what operators say of queues, groups, types and keys, for all processes at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jobd.domain.kinds.kind import Kind
from jobd.domain.limits import SPREAD_FORBIDS, Limits, Scope, gate_of, read_limits, scope_of, tell_limits
from jobd.errors import OptionError

if TYPE_CHECKING:
    from jobd.store.shard import Shard
    from jobd.store.store import Store


class LimitControl:
    """The part of a client that is about limits."""

    store: Store

    async def limits(self) -> list[Limits]:
        """All limits of queues, groups, types and keys. Those that jobs bring along themselves are not among them."""
        found: dict[str, Limits] = {}
        await self.store.learn()
        for shard in self.store.shards:
            at_run_time = await shard.rules("set")
            for gate, rule in (await shard.rules()).items():
                if holds := tell_limits(rule):
                    scope, names = scope_of(gate)
                    here = tell_limits(at_run_time.get(gate, {}))
                    found[gate] = Limits(scope=scope, names=names, holds=holds, set=here)
        return [limits for _, limits in sorted(found.items())]

    async def set_limits(
        self,
        *,
        queue: str | None = None,
        group: str | None = None,
        type: str | None = None,
        key: str | None = None,
        rate_key: str | None = None,
        **limits: Any,
    ) -> Limits:
        """Limits a `queue`, a `group` of it, a `type`, a concurrency `key` or a `rate_key`, at once and for all
        processes; jobs that run go on. `limits` are `concurrency`, `rate` ("100/1m"), for a queue `group_concurrency`,
        `group_rate`, `group_size` and `ageing`, for a group its `weight`, for both their `size`; None takes one back,
        so that configuration, type or job say it again. Raises OptionError."""
        scope, names = which(queue=queue, group=group, type=type, key=key, rate_key=rate_key)
        changes = read_limits(scope, limits, lambda kind: kind.parse)
        return await self.change_limits(scope, names, changes)

    async def change_limits(self, scope: Scope, names: Sequence[str], changes: dict[str, Any]) -> Limits:
        """The same for changes that have been read (domain/limits.py)."""
        gate, holds, here = gate_of(scope, *names), {}, {}
        for shard in await self._shards_with(scope, names, changes):
            await shard.set_rule(gate, changes)
            holds = tell_limits((await shard.rules()).get(gate, {}))
            here = tell_limits((await shard.rules("set")).get(gate, {}))
        return Limits(scope=scope, names=scope_of(gate)[1], holds=holds, set=here)

    async def _shards_with(self, scope: Scope, names: Sequence[str], changes: dict[str, Any]) -> Sequence[Shard]:
        if scope not in (Scope.QUEUE, Scope.GROUP):
            await self.store.learn()
            return self.store.shards
        shards = await self.store.shards_with(names[0])
        if scope is Scope.QUEUE and len(shards) > 1:
            for name in SPREAD_FORBIDS:
                if changes.get(name) is not None:
                    raise OptionError(
                        f"{name}: queue {names[0]} is spread over {len(shards)} shards, none of which sees all of its "
                        "jobs; limit its groups, its types or keys of its jobs"
                    )
        return shards


def which(
    *,
    queue: str | None = None,
    group: str | None = None,
    type: str | None = None,
    key: str | None = None,
    rate_key: str | None = None,
) -> tuple[Scope, tuple[str, ...]]:
    """What is to be limited. Raises OptionError if it is not one thing."""
    named = {Scope.QUEUE: queue, Scope.TYPE: type, Scope.KEY: key, Scope.RATE: rate_key}
    given = [(scope, name) for scope, name in named.items() if name is not None]
    if len(given) != 1 or (group is not None and queue is None):
        raise OptionError("limits: name one thing: a queue, a group with its queue, a type, a key, or a rate_key")
    scope, name = given[0]
    return (Scope.GROUP, (name, group)) if group is not None else (scope, (name,))


def from_texts(kind: Kind) -> Any:
    """How limits are read from the words of a command."""
    return lambda value, name: kind.from_text(value, name) if isinstance(value, str) else kind.parse(value, name)
