"""Queues, groups and types are paused and resumed, by whom and until when is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.delivery import Delivery
from jobd.domain.state import State
from jobd.errors import OptionError
from jobd.store.store import Store
from tests.store.hands import START_MS, Hands, done, ids, new_job

NOW = datetime.fromtimestamp(START_MS / 1_000, UTC)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=Catalog()) as client:
        yield client


async def fetched(hands: Hands) -> list[str]:
    found: list[Delivery] = []
    while batch := await hands.fetch(types=",noop,odd-one,"):
        found += batch
    return sorted(ids(found))


@pytest.mark.requirement("3.1")
async def test_a_paused_queue_starts_nothing_and_tells_why(client: Client, hands: Hands) -> None:
    await hands.active(new_job("running"))
    await hands.put(new_job("a"), new_job("b", queue="other"))
    pause = await client.pause("default", reason="the provider is down", by="ada")
    assert (pause.reason, pause.by, pause.at, pause.until) == ("the provider is down", "ada", NOW, None)
    await hands.put(new_job("c", priority=1))
    assert await fetched(hands) == ["b"]
    queues = await client.queues()
    assert queues["default"].paused == pause
    assert queues["default"].counts[State.WAITING] == 2
    assert queues["default"][State.ACTIVE] == 1
    assert queues["other"].paused is None
    assert await client.resume("default")
    assert not await client.resume("default")
    assert (await client.queues())["default"].paused is None
    assert await fetched(hands) == ["a", "c"]


async def test_what_waits_in_a_paused_queue_group_or_type_is_listed_all_the_same(client: Client, hands: Hands) -> None:
    await client.pause("default", group="g")
    await client.pause("other")
    await client.pause(type="odd-one")
    await hands.put(new_job("grouped", lane_key="g=g"), new_job("plain"), new_job("ordered", lane_key="o=k"))
    await hands.put(new_job("elsewhere", queue="other"), new_job("odd", type="odd-one"))
    assert await fetched(hands) == ["ordered", "plain"]
    await hands.put(new_job("behind", lane_key="o=k"))
    await fetched(hands)
    for limit in (1, 50):
        found, cursor = [], None
        while True:
            page = await client.list(status="waiting", limit=limit, cursor=cursor)
            found += [job.id for job in page.jobs]
            cursor = page.cursor
            if cursor is None:
                break
        assert sorted(found) == ["behind", "elsewhere", "grouped", "odd"]


async def test_a_group_is_paused_alone(client: Client, hands: Hands) -> None:
    await hands.put(new_job("a", lane_key="g=tenant%2042"), new_job("b", lane_key="g=other"), new_job("c"))
    pause = await client.pause("default", group="tenant 42", reason="owes us money")
    assert pause.what == "group tenant 42 of queue default"
    assert await fetched(hands) == ["b", "c"]
    (queue,) = (await client.queues()).values()
    assert (queue.paused, queue.paused_groups) == (None, (pause,))
    assert await client.resume("default", group="tenant 42")
    assert await fetched(hands) == ["a"]


async def test_a_type_is_paused_in_all_queues_however_it_is_spelled(client: Client, hands: Hands) -> None:
    await hands.put(*[new_job(f"odd{at}", type="odd-one", queue=f"q{at}") for at in range(2)], new_job("plain"))
    assert (await client.pause(type="odd_one")).type == "odd-one"
    assert await fetched(hands) == ["plain"]
    assert [pause.what for pause in await client.pauses()] == ["type odd-one"]
    assert await client.resume(type="ODD_one")
    assert await fetched(hands) == ["odd0", "odd1"]


@pytest.mark.parametrize("until", ["5s", NOW + timedelta(seconds=5)])
async def test_a_pause_ends_by_itself_at_its_time(client: Client, hands: Hands, until: datetime | str) -> None:
    await hands.put(new_job("a"))
    assert (await client.pause("default", until=until)).until == NOW + timedelta(seconds=5)
    assert await fetched(hands) == []
    hands.clock.forward(5_000)
    assert await client.pauses() == []
    await hands.shard.promote()
    assert await fetched(hands) == ["a"]
    assert not await client.resume("default")


async def test_pausing_again_changes_reason_and_end_and_resuming_leaves_limits(client: Client, hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"concurrency": 1, "rate": {"n": 5, "ms": 1_000}})
    await client.pause("default", reason="one", until="1s")
    await client.pause("default", reason="two")
    hands.clock.forward(1_001)
    await hands.shard.promote()
    await hands.put(new_job("a"), new_job("b"))
    assert await fetched(hands) == []
    assert (await client.queues())["default"].paused is not None
    await client.resume("default")
    assert await hands.shard.rules() == {"q/default": {"concurrency": 1, "rate": {"n": 5, "ms": 1_000}}}
    assert await fetched(hands) == ["a"]


async def test_a_job_that_runs_while_its_queue_is_paused_ends_as_ever(client: Client, hands: Hands) -> None:
    (delivery,) = await hands.active(new_job("a"))
    await client.pause("default")
    assert await hands.settle(done(delivery)) == [1]
    assert (await client.queues())["default"][State.COMPLETED] == 1


async def test_a_queue_may_be_paused_before_its_first_job(client: Client, hands: Hands) -> None:
    await client.pause("new")
    assert (await client.queues())["new"].unfinished == 0
    await hands.put(new_job("a", queue="new"))
    assert await fetched(hands) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "name the queue"),
        ({"queue": "Q!"}, "a name has"),
        ({"queue": "q", "type": "t"}, "in all queues"),
        ({"queue": "q", "group": ""}, "printable"),
        ({"queue": "q", "until": NOW.replace(tzinfo=None)}, "no time zone"),
        ({"queue": "q", "until": NOW - timedelta(seconds=1)}, "over already"),
        ({"queue": "q", "reason": "x" * 1_001}, "reason: a text of up to"),
    ],
)
async def test_what_cannot_be_paused_is_refused(
    client: Client, hands: Hands, wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        await client.pause(**wrong)  # type: ignore[arg-type]  # wrong on purpose
    assert await client.pauses() == []
