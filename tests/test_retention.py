"""What is kept of ended jobs: by state, age and count, as the job says, or its type, or its queue, or the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.keep import Keep
from jobd.domain.settle import COMPLETED, FAILED
from jobd.domain.state import State
from jobd.errors import JobFailed, OptionError
from jobd.roles.pruner import Pruner
from jobd.store.retention import Retention
from jobd.store.shard import LINGER_MS, Settlement
from jobd.store.store import Store
from tests.store import raw
from tests.store.hands import Hands


@jobd.job("brief", keep_completed=2, keep_failed="1h")
async def brief() -> None: ...


@jobd.job("plain")
async def plain() -> None: ...


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=Catalog([brief, plain])) as client:
        yield client


async def end(client: Client, hands: Hands, *names: str, failed: Sequence[str] = (), **how: Any) -> None:
    """Enqueues and ends jobs, one a millisecond."""
    for name in names:
        await client.enqueue(how.get("type", "plain"), id=name, **{key: how[key] for key in how if key != "type"})
        (delivery,) = await hands.fetch(types=",plain,brief,")
        verdict = FAILED if name in failed else COMPLETED
        assert await hands.settle(Settlement(delivery.id, delivery.fence, verdict, b"7")) == [1]
        hands.clock.forward(1)


async def left(client: Client) -> list[str]:
    return sorted(job.id for job in (await client.list(limit=200)).jobs)


async def prune(client: Client) -> int:
    return await Pruner(client.store, report=lambda *_: None).run_once()


@pytest.mark.requirement("2.9")
async def test_who_keeps_nothing_still_gives_results_to_those_who_wait(client: Client, hands: Hands) -> None:
    hands.shard.retention = Retention(completed=0, failed=0)
    await end(client, hands, "good", "bad", failed=["bad"])
    assert await client.result("good") == 7
    with pytest.raises(JobFailed):
        await client.result("bad")
    await client.enqueue("plain", id="never", delay="1h")
    assert (await client.cancel("never", reason="no")).reason == "no"
    assert await prune(client) == 0
    hands.clock.forward(LINGER_MS)
    assert await prune(client) == 3
    assert await left(client) == []


async def test_a_job_says_what_is_kept_of_its_kind_whatever_the_others_do(client: Client, hands: Hands) -> None:
    hands.shard.retention = Retention(completed=1)
    await end(client, hands, "own1", "own2", "own3", keep_completed="last 2")
    await end(client, hands, "none1", keep_completed="none")
    await end(client, hands, "aged", keep_completed="1h")
    await end(client, hands, "usual1", "usual2")
    hands.clock.forward(LINGER_MS)
    await prune(client)
    assert await left(client) == ["aged", "own2", "own3", "usual2"]
    hands.clock.forward(3_600_000)
    await prune(client)
    assert await left(client) == ["own2", "own3", "usual2"]


async def test_a_type_says_it_for_its_jobs_by_their_ending(client: Client, hands: Hands) -> None:
    await end(client, hands, "a", "b", "c", "d", failed=["a"], type="brief")
    hands.clock.forward(LINGER_MS)
    await prune(client)
    assert await left(client) == ["a", "c", "d"]
    hands.clock.forward(3_600_000)
    await prune(client)
    assert await left(client) == ["c", "d"]


async def test_a_queue_says_it_at_run_time_for_jobs_that_say_nothing(client: Client, hands: Hands) -> None:
    await client.set_limits(queue="default", keep_completed="1 for 1h")
    await end(client, hands, "a", "b")
    await end(client, hands, "own", keep_completed=5)
    hands.clock.forward(LINGER_MS)
    await prune(client)
    assert await left(client) == ["b", "own"]
    await client.set_limits(queue="default", keep_completed=None)
    await end(client, hands, "c")
    hands.clock.forward(LINGER_MS)
    await prune(client)
    assert await left(client) == ["b", "c", "own"]


async def test_jobs_leave_a_shelf_of_their_own_as_any_other(client: Client, hands: Hands) -> None:
    await end(client, hands, "a", "b", "c", failed=["a", "b"], keep_failed=5, keep_completed="all")
    assert (await client.retry("a")).status is State.WAITING
    await client.remove("c")
    assert (await client.move("b", "other")).queue == "other"
    assert await hands.counts() == {State.WAITING: 1, State.CANCELLED: 1}
    (delivery,) = [one for one in await hands.fetch(types=",plain,") if one.id == "a"]
    await client.cancel("a")
    await hands.settle(Settlement("a", delivery.fence, COMPLETED, b"7"))
    assert await client.result("a") == 7
    await client.clean("default")
    await prune(client)
    assert await hands.shard.shelves() == []


async def test_what_is_there_is_counted_and_indexed_truly(client: Client, hands: Hands, redis_url: str) -> None:
    from redis import Redis

    await end(client, hands, "a", "b", failed=["b"], type="brief")
    await end(client, hands, "c", type="brief", keep_completed=0, group="g", deadline="1h")
    with Redis.from_url(redis_url) as outside:
        raw.check(raw.read(outside, hands.shard.keys.base))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (0, Keep(0)),
        ("none", Keep(0)),
        ("all", Keep()),
        (10, Keep(10)),
        ("last 10", Keep(10)),
        ("7d", Keep(None, 604_800_000)),
        ("10 for 7d", Keep(10, 604_800_000)),
        ("10, 1h30m", Keep(10, 5_400_000)),
        ({"count": 3}, Keep(3)),
    ],
)
def test_what_is_kept_is_said_as_people_say_it(said: object, meant: Keep) -> None:
    assert Keep.parse(said) == meant
    assert Keep.parse(meant.to_json()) == Keep.parse(str(meant)) == meant


@pytest.mark.parametrize("said", [-1, True, 1.5, "", "for", "some", "10 7", {}, {"count": -1}, {"age": 5}, None])
def test_what_says_nothing_of_what_is_kept_is_refused(said: object) -> None:
    with pytest.raises(OptionError, match=r"keep: .* does not say what is kept; use 10"):
        Keep.parse(said)
