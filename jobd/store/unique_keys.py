"""Unique keys: who has them, and how they are freed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobd.store.keys import Keys
from jobd.store.link import PATIENCE_S, Argument, Link, pairs


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A unique key, and who has it."""

    name: str
    owner: str
    """the id of the job that has it"""
    since_ms: int
    until_ms: int
    """0: as long as its owner is in the states in which it keeps it"""
    follower: str
    """the id of the job that waits, blocked, for the end of the owner; empty if none does"""


class UniqueKeys:
    """The part of a shard that knows unique keys."""

    link: Link
    keys: Keys

    async def unique_key(self, name: str) -> UniqueKey | None:
        """Who has this unique key; None if nobody has."""
        raw = await self.link.command("HGET", self.keys.fixed("uniques"), name)
        return (await self._owned([(name, raw)]))[0] if raw else None

    async def unique_keys(self, start: int, most: int) -> tuple[list[UniqueKey], int]:
        """Some of the unique keys that are owned, about `most`, in no order, and where to go on (0: these were the
        last). One that is taken or freed meanwhile may be told or not."""
        more, fields = await self.link.command("HSCAN", self.keys.fixed("uniques"), start, "COUNT", most)
        owned = await self._owned([(name.decode(), raw) for name, raw in pairs(fields)])
        return [key for key in owned if key is not None], int(more)

    async def free_unique(self, name: str, owner: str = "") -> tuple[bool, UniqueKey | None]:
        """Frees a unique key, if `owner` has it, where one is named. Returns whether it is free now, and who has had
        it, or has it still."""
        raw: bytes = await self._run("free", name, owner)
        return not raw.startswith(b"!"), _read(name, raw.removeprefix(b"!")) if raw else None

    async def sweep(self) -> int:
        """Forgets up to 500 unique keys whose period is over. Returns how many."""
        return int(await self._run("sweep"))

    async def _owned(self, records: Sequence[tuple[str, bytes]]) -> list[UniqueKey | None]:
        now_ms = await self.now_us() / 1_000
        keys = [_read(name, raw) for name, raw in records]
        return [key if not key.until_ms or key.until_ms > now_ms else None for key in keys]

    async def now_us(self) -> int:
        raise NotImplementedError

    async def _run(self, script: str, *arguments: Argument, patience_s: float = PATIENCE_S) -> Any:
        raise NotImplementedError


def _read(name: str, raw: bytes) -> UniqueKey:
    owner, since, until, follower = raw.decode().split(" ")
    return UniqueKey(name, owner, int(since), int(until), follower)
