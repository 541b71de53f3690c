"""What servers say of what they keep, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from jobd.errors import StoreRefused
from jobd.store.durability import Durability, Kept
from jobd.store.store import Store
from tests.real_server import RealServer

WELL: Mapping[str, str] = {"appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction"}


def set_up(server: RealServer, **settings: str) -> None:
    with server.client() as client:
        for name, value in {**WELL, **{name.replace("_", "-"): value for name, value in settings.items()}}.items():
            client.config_set(name, value)


async def asked(url: str) -> Durability:
    store = Store.at(url)
    try:
        return await store.durability()
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("settings", "kept", "loss"),
    [
        ({}, Kept.ALL, "nothing"),
        ({"appendfsync": "everysec"}, Kept.EACH_SECOND, "up to 2 s"),
        ({"appendfsync": "no"}, Kept.AT_LEISURE, "30 s or more"),
        ({"appendonly": "no", "save": "3600 1"}, Kept.SNAPSHOTS, "since the last snapshot"),
        ({"appendonly": "no"}, Kept.NOTHING, "everything"),
    ],
)
async def test_a_server_says_what_it_keeps(
    server_of_ones_own: RealServer, settings: dict[str, str], kept: Kept, loss: str
) -> None:
    set_up(server_of_ones_own, **settings)
    found = await asked(server_of_ones_own.url)
    assert (found.kept, found.eviction) == (kept, "noeviction")
    assert loss in found.loss
    assert bool(found.warning) == (kept <= Kept.SNAPSHOTS)


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
async def test_a_server_that_would_throw_away_jobs_is_refused(server_of_ones_own: RealServer, policy: str) -> None:
    set_up(server_of_ones_own, maxmemory_policy=policy)
    with pytest.raises(StoreRefused, match=f"maxmemory-policy is {policy}"):
        await asked(server_of_ones_own.url)


async def test_a_server_that_may_drop_only_what_expires_is_taken(server_of_ones_own: RealServer) -> None:
    set_up(server_of_ones_own, maxmemory_policy="volatile-lru")
    assert (await asked(server_of_ones_own.url)).eviction == "volatile-lru"


async def test_a_server_that_keeps_its_settings_to_itself_is_asked_otherwise(server_of_ones_own: RealServer) -> None:
    set_up(server_of_ones_own, maxmemory_policy="allkeys-lfu")
    with server_of_ones_own.client() as client:
        client.execute_command("ACL", "SETUSER", "guest", "on", ">guest", "~*", "+@all", "-config")
        with pytest.raises(StoreRefused, match="allkeys-lfu"):
            await asked(server_of_ones_own.url.replace("//", "//guest:guest@"))
        client.config_set("maxmemory-policy", "noeviction")
        found = await asked(server_of_ones_own.url.replace("//", "//guest:guest@"))
        assert found == Durability(Kept.UNKNOWN, "noeviction")
        client.execute_command("ACL", "SETUSER", "guest", "-info")
        assert await asked(server_of_ones_own.url.replace("//", "//guest:guest@")) == Durability(
            Kept.UNKNOWN, "unknown"
        )
