"""The number of shards, on which all who use a store agree: a queue is looked for where that number says."""

from __future__ import annotations

from jobd.errors import StoreRefused
from jobd.store.keys import Keys
from jobd.store.topology.wire import Wire


class Agreement:
    """What the settings of this process say, compared with what the store says."""

    def __init__(self, keys: Keys, shards: int, name: str) -> None:
        """`keys` are those of the first shard, which keeps the number."""
        self._keys = keys
        self._shards = shards
        self._name = name

    async def reach(self, wire: Wire) -> None:
        """Compares, on a wire to the first shard; in a store that was never used, the number is written down. Raises
        StoreRefused if it is another one, RedisError, OSError."""
        key = f"{self._keys.base}shards"
        said = await wire.execute("GET", key)
        if said is None and self._shards > 1:
            # whoever enqueues into one shard at this moment does no harm: all shards serve all queues
            used = await wire.execute("EXISTS", *self._keys.all_fixed(["counts", "leases", "jobs"]))
            said = b"1" if used else await wire.execute("SET", key, self._shards, "NX", "GET")
            said = said or str(self._shards).encode()
        stored = int(said or 1)
        if stored != self._shards:
            raise StoreRefused(
                f"{self._name} was set up with {stored} shard{'s' if stored > 1 else ''}, and the settings of this "
                f"process say {self._shards}: jobs would be looked for where they are not. Set `shards` (JOBD_SHARDS) "
                f"to {stored}"
            )
