"""Calls scripts in one shard, with its keys and its time."""

from __future__ import annotations

from typing import Any

from jobd import clock
from jobd.store.keys import Keys
from jobd.store.link import PATIENCE_S, Argument, Link
from jobd.store.retention import Retention
from jobd.store.scripts import load

TIME_HOLDS_S = 60.0
"""how long the store's time is reckoned by this host's monotonic clock before it is asked for again"""


class Caller:
    """What the verbs of a shard have in common."""

    def __init__(
        self, link: Link, prefix: str = "jobd", number: int = 0, *, retention: Retention | None = None, among: int = 1
    ) -> None:
        """`number` of so many shards, `among` which it was chosen for what is sent to it."""
        self.link = link
        self.number = number
        self.among = among
        self.keys = Keys(prefix, number)
        self.retention = retention or Retention()
        self.dictated_us: int | None = None
        """the time in microseconds that a test dictates to the scripts"""
        self._ahead_us: int | None = None
        self._asked_us = 0
        self._declared: dict[tuple[str, bool], list[bytes]] = {}

    async def now_us(self) -> int:
        """The store's time in microseconds since 1970, as this process knows it since it last asked."""
        if self.dictated_us is not None:
            return self.dictated_us
        if self._ahead_us is None or _monotonic_us() - self._asked_us > TIME_HOLDS_S * 1e6:
            seconds, micros = await self.link.command("TIME")
            self._know_time(int(seconds) * 1_000_000 + int(micros))
        return _monotonic_us() + (self._ahead_us or 0)

    async def next_ms(self) -> int:
        """The first millisecond behind the store's present one, asked now: what has happened was before it."""
        if self.dictated_us is not None:
            return self.dictated_us // 1_000 + 1
        seconds, micros = await self.link.command("TIME")
        return int(seconds) * 1_000 + int(micros) // 1_000 + 1

    def _know_time(self, now_us: int) -> None:
        self._asked_us = _monotonic_us()
        self._ahead_us = now_us - self._asked_us

    def _head(self) -> tuple[Argument, Argument]:
        return ("" if self.dictated_us is None else self.dictated_us, self.keys.base)

    def _keys(self, script: str) -> list[bytes]:
        """The keys to declare. A server that may have given away some of them wants to know all before a script begins;
        elsewhere one says where it goes, and each more costs the server 1 µs."""
        which = script, self.link.owner.slots_move
        if (keys := self._declared.get(which)) is None:
            names = load(script).keys
            keys = self._declared[which] = self.keys.all_fixed(names if self.link.owner.slots_move else names[:1])
        return keys

    async def _run(self, script: str, *arguments: Argument, patience_s: float = PATIENCE_S) -> Any:
        return await self.link.run(script, self._keys(script), [*self._head(), *arguments], patience_s=patience_s)


def _monotonic_us() -> int:
    return round(clock.monotonic() * 1e6)
