"""Rules: what limits or pauses queues, types, keys and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from jobd.store.caller import Caller
from jobd.store.link import pairs


class Rules(Caller):
    """The part of a shard that knows rules."""

    async def set_rule(self, gate: str, changes: Mapping[str, Any] | None) -> None:
        """Changes at run time what limits or pauses the queue, type, key or group behind a gate (lua/lib/rules.lua).
        Other fields stay as they are. A value of None takes back; None alone takes all back."""
        await self._run("rule", gate, "set", "" if changes is not None else "1", orjson.dumps(changes or {}))

    async def declare_rule(self, gate: str, rule: Mapping[str, Any]) -> None:
        """Says what the configuration says of a gate, in the place of all that it said before."""
        await self._run("rule", gate, "declared", "1", orjson.dumps(rule))

    async def rules(self, layer: str = "") -> dict[str, dict[str, Any]]:
        """What limits or pauses, by gate: all that holds, or what one layer says ('declared' or 'set')."""
        fields = await self.link.command("HGETALL", self.keys.fixed("rules"))
        stored = {name.decode(): orjson.loads(rule) for name, rule in pairs(fields)}
        layers = (layer,) if layer else ("declared", "set")
        return {
            name: said
            for name, rule in stored.items()
            if (said := {field: value for each in layers for field, value in rule.get(each, {}).items()})
        }
