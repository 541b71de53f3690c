"""Unique keys: who has them, and how they are freed by hand."""

from __future__ import annotations

from collections.abc import Sequence

from jobd.domain.job import moment
from jobd.domain.unique import Unique, UniqueKey
from jobd.store.caller import Caller
from jobd.store.codec import LETTERS
from jobd.store.link import pairs


class UniqueKeys(Caller):
    """The part of a shard that knows unique keys."""

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
        if not owner:
            # a repeat would take it from the next one: so from the one who has it now, who has it no more in any case
            key = await self.unique_key(name)
            if key is not None:
                await self._run("free", name, key.owner)
            return True, key
        raw: bytes = await self._run("free", name, owner)
        return not raw.startswith(b"!"), _read(name, raw.removeprefix(b"!")) if raw else None

    async def sweep(self) -> int:
        """Forgets up to 500 unique keys whose period is over, and as many answers that were kept for their time.
        Returns how many, of the kind of which there were more."""
        return int(await self._run("sweep"))

    async def _owned(self, records: Sequence[tuple[str, bytes]]) -> list[UniqueKey | None]:
        now = moment(await self.now_us() / 1_000)
        keys = [_read(name, raw) for name, raw in records]
        return [key if key.until is None or key.until > now else None for key in keys]


def pack_unique(unique: Unique, key: str) -> str:
    """What makes a job unique, as the scripts know it (lua/lib/unique.lua)."""
    mode = {"replace": "r", "debounce": "r", "keep_last": "k"}.get(unique.mode, "s")
    states = "".join(letter for state, letter in LETTERS.items() if state in unique.states)
    removed = "g" if unique.mode == "throttle" else ""
    period = 0 if unique.mode == "debounce" else unique.period_ms
    insists = "!" if unique.on_conflict == "error" else ""
    return f"{key}:{mode}{insists}:{states}{removed}:{period}"


def _read(name: str, raw: bytes) -> UniqueKey:
    owner, since, until, follower = raw.decode().split(" ")
    return UniqueKey(name, owner, moment(int(since)), moment(int(until)) if until != "0" else None, follower or None)
