"""What a queue says of its jobs, asked of the store. Whoever enqueues is told without asking (lua/lib/intake.lua)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobd.domain.limits import Scope, gate_of
from jobd.domain.options import from_record
from jobd.domain.queue_options import options_in
from jobd.store.rules import in_layers

if TYPE_CHECKING:
    from jobd.domain.levels import Levels
    from jobd.store.store import Store


async def learn_queue(store: Store, levels: Levels, queue: str) -> dict[str, Any]:
    """Lets `levels` know it. Returns the rule of the queue, as it is stored. Raises OptionError if this cannot name
    one."""
    gate = gate_of(Scope.QUEUE, queue)
    rule = await (await store.shards_with(queue))[0].rule(gate)
    levels.learn(queue, rule.get("edition", ""), from_record(options_in(in_layers(rule))))
    return rule
