"""The number of shards, on which all who use a store agree: a queue is looked for where that number says.

A store may grow. The first shard then knows all the numbers that it has had, and each shard refuses jobs from whoever
knows of fewer than there are, so that they look again where their jobs belong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobd.errors import StoreError, StoreRefused
from jobd.store.keys import Keys
from jobd.store.topology.wire import Wire


class Outgrown(StoreError):
    """A shard has taken nothing in, because the sender knew of another number of shards than it does."""

    def __init__(self, message: str, shard: int = 0, shards: int = 0) -> None:
        super().__init__(message)
        self.shard = shard
        self.shards = shards


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many shards a store has had, the first number first."""

    had: tuple[int, ...]
    growing_to: int = 0
    """the number that it will have in a moment, if it is growing"""
    text: str = ""
    """as it was read; nothing was, of a store of one shard"""

    @classmethod
    def read(cls, said: bytes | None) -> Numbers:
        """'4', '1 4' (it had one, and has four now), or '1 4>8' (it grows)."""
        text = (said or b"").decode()
        had, _, growing_to = text.partition(">")
        return cls(tuple(map(int, had.split())) or (1,), int(growing_to or 0), text)

    @property
    def now(self) -> int:
        """How many there are."""
        return self.had[-1]

    def grow_to(self, number: int) -> Numbers:
        """The same of a store that grows."""
        return Numbers.read(f"{' '.join(map(str, self.had))}>{number}".encode())

    def grown(self) -> Numbers:
        """The same when it has grown."""
        return Numbers.read(" ".join(map(str, (*self.had, self.growing_to))).encode())


class Agreement:
    """What the settings of this process say, compared with what the store says."""

    def __init__(self, keys: Keys, shards: int, name: str, heed: Callable[[Numbers], None]) -> None:
        """`keys` are those of the first shard, which keeps the number; `heed` is told it, each time it is read."""
        self._keys = keys
        self._shards = shards
        self._name = name
        self._heed = heed

    async def reach(self, wire: Wire) -> None:
        """Compares, on a wire to the first shard; in a store that was never used, the number is written down. Raises
        StoreRefused if the store never had this one, RedisError, OSError."""
        key = self._keys.fixed("shards")
        said = await wire.execute("GET", key)
        if said is None and self._shards > 1:
            # whoever enqueues into one shard at this moment does no harm: all shards serve all queues
            used = await wire.execute("EXISTS", *self._keys.all_fixed(["counts", "leases", "jobs"]))
            said = b"1" if used else await wire.execute("SET", key, self._shards, "NX", "GET")
            said = said or str(self._shards).encode()
        numbers = Numbers.read(said)
        if self._shards not in numbers.had:
            stored = numbers.now
            raise StoreRefused(
                f"{self._name} was set up with {stored} shard{'s' if stored > 1 else ''}, and the settings of this "
                f"process say {self._shards}: jobs would be looked for where they are not. Set `shards` (JOBD_SHARDS) "
                f"to {stored}" + (f", or let it grow: jobd shards grow {self._shards}" if self._shards > stored else "")
            )
        self._heed(numbers)
