"""Links of the random moves: one that sends its last script again, and one on which calls arrive late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobd.store.link import Argument, Link
from jobd.store.scripts import Script
from jobd.store.topology.owner import Owner
from jobd.store.topology.wire import Wire
from tests.store.hands import Clock


class RecordingLink(Link):
    """A link that remembers the last script it sent, byte by byte."""

    last: tuple[Script, Sequence[bytes], Sequence[Argument]] | None = None

    async def _evaluate(self, wire: Wire, script: Script, keys: Sequence[bytes], arguments: Sequence[Argument]) -> Any:
        self.last = (script, keys, arguments)
        return await super()._evaluate(wire, script, keys, arguments)

    async def again(self) -> Any:
        """Sends it once more."""
        assert self.last is not None
        script, keys, words = self.last
        if script.name == "enqueue":  # which says so itself when it is a repeat
            self.last = script, keys, [*words[:4], "1", *words[5:]]
        return await super()._evaluate(await self.owner.wire(), *self.last)


class Late(Link):
    """A link on which an enqueue arrives now that was sent at another time."""

    def __init__(self, owner: Owner, clock: Clock, sent_ms: int, repeat: bool) -> None:
        super().__init__(owner)
        self._clock, self._sent_ms, self._repeat = clock, sent_ms, repeat

    async def run_repeating(
        self,
        script: str,
        keys: Sequence[bytes],
        first: Sequence[Argument],
        again: Sequence[Argument],
        patience_s: float,
    ) -> Any:
        sent_us = self._sent_ms * 1_000
        words = [*first[:2], sent_us + 60_000_000, sent_us, "1" if self._repeat else "", *first[5:]]
        return await self.run(script, keys, words, patience_s=patience_s)
