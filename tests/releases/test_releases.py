"""The store of each release is one that this jobd goes on with: everything reads back, and everything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobd.domain.state import State
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.releases.snapshot import put
from tests.store import raw
from tests.store.hands import LOST, Clock, Hands, done, ended

FILES = sorted(Path(__file__).parent.glob("*.json"))
ENDED = {
    "completed": State.COMPLETED,
    "kept": State.COMPLETED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}
TO_RUN = [
    *("active", "held", "waiting", "urgent", "other", "gated", "ordered-1", "ordered-2", "tenant", "limited"),
    *("retried", "suspect", "delayed", "dated", "staged-1", "staged-2"),
]


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def release(request: pytest.FixtureRequest, redis_url: str) -> dict[str, Any]:
    """The store of a release, which is in the server now."""
    told: dict[str, Any] = json.loads(request.param.read_text())
    with Redis.from_url(redis_url) as redis:
        put(redis, told["keys"])
    return told


@pytest.fixture
async def shard(redis_url: str) -> Any:
    store = Store.at(redis_url)
    yield store.shards[0]
    await store.close()


@pytest.fixture
def hands(shard: Shard, release: dict[str, Any]) -> Hands:
    """At the time at which the release left it."""
    clock = Clock(shard)
    clock.ms = release["ms"]
    return Hands(shard, clock)


@pytest.fixture
def whole(shard: Shard, redis_url: str) -> Callable[[], raw.Raw]:
    """Looks at all keys, which must agree."""

    def look() -> raw.Raw:
        with Redis.from_url(redis_url) as redis:
            found = raw.read(redis, shard.keys.base)
        raw.check(found)
        return found

    return look


def test_there_is_one_for_this_release() -> None:
    assert "0.1.0" in {file.stem for file in FILES}


async def test_all_its_jobs_read_back(hands: Hands, shard: Shard, whole: Callable[[], raw.Raw]) -> None:
    whole()
    for job_id, state in ENDED.items():
        assert (await hands.job(job_id)).status is state
    job = await hands.job("completed")
    assert (job.data, job.result, dict(job.metadata)) == ({"a": [1, 2.5, "ä"]}, {"r": 1}, {"m": 1})
    assert (await hands.job("failed")).error == {"type": "ValueError", "message": "no"}
    assert (await hands.job("cancelled")).reason == "no more"
    active = await hands.job("active")
    assert (active.status, active.worker, active.progress and active.progress.total) == (State.ACTIVE, "w1", 3)
    assert (await hands.job("retried")).status is State.DELAYED
    assert all(await shard.get(TO_RUN))


async def test_all_that_had_not_ended_runs_to_its_end(hands: Hands, shard: Shard, whole: Callable[[], raw.Raw]) -> None:
    hands.clock.forward(100_000)
    await hands.monitor("m2")
    lost = await hands.take_over("m2")
    assert {item.delivery.id for item in lost} == {"active", "held"}
    await hands.settle(*[ended(item.delivery, LOST, "lost") for item in lost], holder="m2")
    while await shard.release("batch"):
        pass
    await shard.release("left")
    assert (await shard.promote())[0] == 3
    await hands.join("new")
    await hands.join("alone", "!*")
    ran: list[str] = []
    while True:
        batches = {member: await hands.fetch(member, want=2) for member in ("new", "alone")}
        if not any(batches.values()):
            break
        for member, batch in batches.items():
            ran += [delivery.id for delivery in batch]
            await hands.settle(*[done(delivery) for delivery in batch], holder=member)
    assert sorted(ran) == sorted(TO_RUN)
    assert ran.index("ordered-1") < ran.index("ordered-2")
    assert await hands.states("odd", "staged-3", "gone") == [State.WAITING, None, None]
    whole()
