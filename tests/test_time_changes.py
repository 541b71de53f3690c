"""Limits of time of jobs whose time, or anything else, is changed before they start."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.state import State
from jobd.store.store import Store
from tests.store.hands import Clock, Hands


@jobd.job("noop")
async def noop() -> None: ...


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=Catalog([noop])) as client:
        yield client


@pytest.fixture
async def hands(client: Client) -> Hands:
    shard = client.store.shards[0]
    return Hands(shard, Clock(shard))


async def test_a_job_that_is_put_off_expires_so_much_later(client: Client, hands: Hands) -> None:
    await client.enqueue(noop, id="a", delay="1h", expires="10m")
    hands.clock.forward(1_800_000)
    await client.reschedule("a", delay="1h")
    hands.clock.forward(3_600_000 + 599_999)
    await hands.shard.expire()
    assert await hands.states("a") == [State.DELAYED]
    hands.clock.forward(1)
    await hands.shard.expire()
    assert await hands.states("a") == [State.CANCELLED]


async def test_a_limit_that_is_given_later_counts_from_then(client: Client, hands: Hands) -> None:
    await client.enqueue(noop, id="a")
    hands.clock.forward(3_600_000)
    await client.change("a", deadline="10m")
    hands.clock.forward(599_999)
    await hands.shard.expire()
    assert await hands.states("a") == [State.WAITING]
    hands.clock.forward(1)
    await hands.shard.expire()
    assert await hands.states("a") == [State.FAILED]


@pytest.mark.parametrize("others_time", [0, 1_800_000])
async def test_what_has_nothing_to_do_with_time_leaves_the_limits_alone(
    client: Client, hands: Hands, others_time: int
) -> None:
    unique = jobd.Unique("k", mode="replace")
    await client.enqueue(noop, id="a", expires="10m", unique=unique)
    if others_time:  # its data and its limits come from another one
        hands.clock.forward(300_000)
        await client.enqueue(noop, expires="30m", unique=unique)
    hands.clock.forward(60_000)
    await client.change("a", priority="high", tags=["x"])
    hands.clock.forward((others_time or 600_000) - 60_001)
    await hands.shard.expire()
    assert await hands.states("a") == [State.WAITING]
    hands.clock.forward(1)
    await hands.shard.expire()
    assert await hands.states("a") == [State.CANCELLED]
