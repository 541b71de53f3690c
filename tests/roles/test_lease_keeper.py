"""What the keeper of leases tells beside renewing them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobd.errors import StoreUnavailable
from jobd.store.lease_keeper import LeaseKeeper
from jobd.store.store import Store
from tests.roles.parts import PATIENCE_S, Parts
from tests.store.hands import LOST, Clock, Hands, ended, new_job


async def test_it_tells_of_suspects_that_wait_in_its_shard_as_long_as_there_are_any(parts: Parts) -> None:
    told: list[int] = []
    keeper = LeaseKeeper(parts.store.url, "jobd", 1, 60_000, on_suspects=told.append)
    for each in (keeper, silent := LeaseKeeper(parts.store.url, "jobd", 1, 60_000)):
        each.add(0, "w1", lambda: True, lambda: None)
    hands = Hands(parts.shard, Clock(parts.shard))
    await hands.join("w1")
    await keeper._renew(parts.shard)
    assert told == []
    (delivery,) = await hands.active(new_job("a"))
    await hands.settle(ended(delivery, LOST, "lost"))
    await keeper._renew(parts.shard)
    assert told == [0]
    await silent._renew(parts.shard)


async def test_people_are_told_what_keeps_it_from_renewing_unless_it_is_weather(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = LeaseKeeper(parts.store.url, "jobd", 1, 3)
    keeper._store = parts.store
    faults: list[Exception] = [StoreUnavailable("away"), ValueError("broken"), StoreUnavailable("away")]
    all_met = asyncio.Event()

    async def renew(shard: Any) -> None:
        if faults:
            raise faults.pop()
        all_met.set()

    monkeypatch.setattr(keeper, "_renew", renew)
    with capture_logs() as said:
        keeping = asyncio.create_task(keeper._keep_in(0))
        await all_met.wait()
    assert [line["error"] for line in said] == ["ValueError('broken')"]
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping


async def test_a_shard_that_the_store_has_got_meanwhile_is_asked_for_and_nothing_fails(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = LeaseKeeper(parts.store.url, "jobd", 1, 3)
    keeper._store = stale = Store.at(parts.store.url)
    await stale.learn()
    await parts.store.grow(2)
    renewed = asyncio.Event()

    async def renew(shard: Any) -> None:
        assert shard.number == 1
        renewed.set()

    monkeypatch.setattr(keeper, "_renew", renew)
    with capture_logs() as said, suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            keeping = asyncio.create_task(keeper._keep_in(1))
            await renewed.wait()
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    await stale.close()
    assert said == []
    assert renewed.is_set()
