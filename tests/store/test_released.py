"""What becomes of the jobs of a batch when it is released or given up, one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobd.domain.delivery import NewJob
from jobd.domain.state import State
from jobd.store.once import AnsweredBefore, Once
from jobd.store.shard import Shard
from tests.store import raw
from tests.store.hands import Clock, Hands, LossyLink, ids, new_job
from tests.store.test_change import change
from tests.store.unique_jobs import job

pytestmark = pytest.mark.usefixtures("watched_worker")


async def release(shard: Shard, *jobs: NewJob) -> None:
    await shard.stage("batch", jobs)
    assert await shard.commit("batch", len(jobs))
    assert await shard.release("batch") == 0


async def test_jobs_with_keys_come_into_lanes_of_their_own_and_count_in_their_groups(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await release(
        hands.shard, new_job("a", lane_key="g=x"), new_job("b", lane_key="c=k:1"), new_job("c", lane_key="c=k:1")
    )
    found = whole()
    assert found.grouped == {"g/default/x": "1"}
    assert {lane: sorted(jobs) for lane, jobs in found.lane.items()} == {
        "default:5:g=x": ["a"],
        "default:5:c=k:1": ["b", "c"],
    }
    assert sorted(ids(await hands.fetch())) == ["a", "b"]


async def test_nothing_is_left_of_groups_and_keys_of_a_batch_that_is_given_up(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.shard.stage(
        "batch", [job("a", lane_key="g=x"), new_job("b", lane_key="g=x", due="+9000"), new_job("c")]
    )
    assert await hands.shard.release("batch", give_up=True) == 0
    found = whole()
    assert (found.grouped, found.uniques, found.jobs, found.delayed) == ({}, {}, {}, {})


async def test_a_part_of_a_batch_that_was_given_up_meanwhile_comes_in_with_its_repeat(
    hands: Hands, shard: Shard, whole: Callable[[], raw.Raw]
) -> None:
    plain = shard.link
    shard.link = lossy = LossyLink(plain)
    lossy.losing = 1

    async def given_up() -> None:
        shard.link = plain
        assert await shard.release("batch", give_up=True) == 0

    lossy.before_repeat = given_up
    await shard.stage("batch", [new_job("a")])
    assert await hands.states("a") == [State.BLOCKED]
    whole()


async def test_a_key_of_blocked_jobs_is_free_when_its_owner_is_let_go(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await release(hands.shard, job("a", "key:s:b:0"))
    assert whole().uniques == {}


async def test_a_job_that_was_sent_twice_or_has_been_removed_is_let_go_once_or_not_at_all(
    hands: Hands, shard: Shard, whole: Callable[[], raw.Raw]
) -> None:
    jobs = [new_job("a"), new_job("b"), new_job("c", due="+500")]
    await shard.stage("batch", jobs)
    twice = [b"a", b"c"]
    await shard.link.command("RPUSH", f"{shard.keys.base}stage:batch", *twice)  # as a copy that came late might
    await shard.delete(["b"], [State.BLOCKED])
    assert await shard.commit("batch", 3)
    assert await shard.release("batch") == 0
    assert whole().lane == {"default:5:": ["a"]}
    assert await hands.counts() == {State.WAITING: 1, State.DELAYED: 1}


async def test_a_batch_is_given_up_when_its_time_is_over_and_not_before(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await shard.stage("batch", [new_job("a")])
    clock.forward(60_000)
    assert await shard.release("batch") == -1
    clock.forward(1)
    assert await shard.release("batch") == 0
    assert await hands.states("a") == [None]


async def test_a_repeat_of_the_commit_is_one_a_minute_long_whoever_looks_at_the_batch_meanwhile(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await release(shard, new_job("a"))
    clock.forward(60_000)
    assert await shard.release("batch") == 0
    assert await shard.commit("batch", 1)
    clock.forward(1)
    assert await shard.release("batch") == 0
    assert not await shard.commit("batch", 1)


async def test_a_job_for_the_front_of_an_order_is_not_stopped_by_what_stops_the_first_there(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.shard.set_rule("g/default/shut", {"paused": {"reason": "why"}})
    await hands.put(new_job("first", lane_key="g=shut;o=key"))
    assert await hands.fetch() == []
    await release(hands.shard, new_job("urgent", lane_key="o=key", front=True))
    whole()
    assert ids(await hands.fetch()) == ["urgent"]


@pytest.mark.parametrize(("due", "whom"), [("", "w1"), ("+500", "s1")])
async def test_whoever_is_idle_is_woken(hands: Hands, due: str, whom: str) -> None:
    await hands.shard.join("s1", lease_ms=60_000, lines=["@scheduler"], about=b"{}")
    await hands.shard.promote("s1")
    assert await hands.fetch() == []
    await release(hands.shard, new_job("a", due=due))
    assert await hands.words(whom) == ["wake"]


async def test_a_job_that_is_changed_in_its_batch_is_let_go_as_what_it_is_then(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    plain = new_job("plain", priority=4)
    await hands.shard.stage("batch", [plain, new_job("other")])
    assert await hands.shard.change([change(plain, new_job("plain", lane_key="g=x"))]) == ["done"]
    assert await hands.shard.commit("batch", 2)
    assert await hands.shard.release("batch") == 0
    assert whole().lane == {"default:5:": ["other"], "default:5:g=x": ["plain"]}


@pytest.mark.damages
@pytest.mark.parametrize("more", [{"lane_key": "g=x"}, {"unique": "key:s:wdba:0"}], ids=["grouped", "unique"])
async def test_a_job_whose_spec_is_lost_does_not_come_to_wait(hands: Hands, shard: Shard, more: dict[str, Any]) -> None:
    await shard.stage("batch", [new_job("a", **more), new_job("b")])
    await shard.link.command("HDEL", shard.keys.fixed("jobs"), "a")
    assert await shard.commit("batch", 2)
    assert await shard.release("batch") == 0
    assert (await hands.counts())[State.WAITING] == 1
    assert ids(await hands.fetch()) == ["b"]


async def test_the_answer_of_a_batch_that_was_let_go_is_told_to_whoever_brings_nothing_new_under_its_name(
    shard: Shard,
) -> None:
    once = Once("name", "digest")
    await shard.stage("batch", [new_job("a")])
    assert await shard.commit("batch", 1, once=once, answers=[("created", "a")])
    assert await shard.release("batch") == 0
    with pytest.raises(AnsweredBefore):
        await shard.commit("batch", 0, once=once, answers=[("existing", "a")])


async def test_jobs_of_one_call_are_delayed_each_in_its_own_queue(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.put(*[new_job(queue, queue=queue, due="+500") for queue in ("one", "two", "one")])
    assert {job_id: job.queue for job_id, job in whole().jobs.items()} == {"one": "one", "two": "two"}
    assert await hands.counts("two") == {State.DELAYED: 1}
