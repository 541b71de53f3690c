"""Rules: what limits or pauses queues, types, keys and groups, and the options of a queue's jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from jobd.store.caller import Caller
from jobd.store.link import pairs

DECLARED, SET = "declared", "set"
FENCE = "#"
"""stands among the gates in a store that has grown; its rule says how many shards whoever brings jobs has to know of"""


class Rules(Caller):
    """The part of a shard that knows rules."""

    async def set_rule(self, gate: str, changes: Mapping[str, Any] | None) -> None:
        """Changes at run time what limits or pauses the queue, type, key or group behind a gate (lua/lib/rules.lua).
        Other fields stay as they are. A value of None takes back; None alone takes all back."""
        await self._run("rule", gate, SET, "" if changes is not None else "1", orjson.dumps(changes or {}))

    async def declare_rule(self, gate: str, rule: Mapping[str, Any]) -> None:
        """Says what the configuration says of a gate, in the place of all that it said before."""
        await self._run("rule", gate, DECLARED, "1", orjson.dumps(rule))

    async def rules(self, layer: str = "") -> dict[str, dict[str, Any]]:
        """What limits or pauses, by gate: all that holds, or what one layer says ('declared' or 'set')."""
        layers = (layer,) if layer else (DECLARED, SET)
        return {gate: said for gate, rule in (await self.stored_rules()).items() if (said := in_layers(rule, layers))}

    async def stored_rules(self) -> dict[str, dict[str, Any]]:
        """All rules as they are stored: in layers, with the edition of the options in them."""
        fields = await self.link.command("HGETALL", self.keys.fixed("rules"))
        return {name.decode(): orjson.loads(rule) for name, rule in pairs(fields) if name != FENCE.encode()}

    async def rule(self, gate: str) -> dict[str, Any]:
        """The rule of one gate as it is stored."""
        (raw,) = await self.link.command("HMGET", self.keys.fixed("rules"), gate)
        return orjson.loads(raw) if raw else {}


def in_layers(rule: Mapping[str, Any], layers: Sequence[str] = (DECLARED, SET)) -> dict[str, Any]:
    """What a stored rule says in these layers; the later ones win."""
    return {field: value for layer in layers for field, value in rule.get(layer, {}).items()}
