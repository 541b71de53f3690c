"""Writes down what the store holds after a history under this version of jobd."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from jobd import __version__
from jobd.store.store import Store
from tests.real_server import RealServer, bundled
from tests.releases.history import live
from tests.releases.snapshot import take
from tests.store.hands import Clock, Hands


async def main() -> None:
    """Makes the file of this version; an existing one stays as it is."""
    file = Path(__file__).with_name(f"{__version__}.json")
    with RealServer(bundled()) as server:
        store = Store.at(server.url)
        shard = store.shards[0]
        clock = Clock(shard)
        await live(Hands(shard, clock), shard)
        await store.close()
        with server.client() as redis, file.open("x") as written:
            json.dump({"version": __version__, "ms": clock.ms, "keys": take(redis)}, written, indent=1)


asyncio.run(main())
