"""Gates: order, limits, rates and pauses of keys, groups, types and queues; what is stopped holds nobody up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from jobd.domain.state import State
from tests.store.hands import (
    CRASHED_ALONE,
    LEASE_MS,
    LOST,
    Hands,
    done,
    ended,
    failed,
    given_back,
    new_job,
    retried,
)
from tests.store.lane_jobs import names, put

pytestmark = [
    pytest.mark.usefixtures("watched_worker"),
    pytest.mark.requirement("3.2"),
    pytest.mark.requirement("2.11"),
]


# --- concurrency -------------------------------------------------------------------------------------------------


async def test_no_more_jobs_of_a_key_run_than_its_limit_and_others_pass_them(hands: Hands) -> None:
    await put(hands, "a1", "a2", "a3", "a4", key="c=acct:2")
    await put(hands, "free")
    batch = await hands.fetch("w1", want=10)
    assert sorted(names(batch)) == ["a1", "a2", "free"]
    assert names(await hands.fetch("w1", want=10)) == []
    await hands.settle(*[done(job) for job in batch if job.id == "a1"])
    assert names(await hands.fetch("w1", want=10)) == ["a3"]
    assert names(await hands.fetch("w1", want=10)) == []


@pytest.mark.parametrize("way", ["completed", "failed", "retried", "given back", "suspect"])
async def test_every_way_out_frees_a_place(hands: Hands, way: str) -> None:
    await put(hands, "a1", "a2", key="c=acct:1")
    (first,) = await hands.fetch("w1", want=10)
    settlement = {
        "completed": done(first),
        "failed": failed(first),
        "retried": retried(first, 60_000),
        "given back": given_back(first),
        "suspect": ended(first, LOST, "lost"),
    }[way]
    await hands.settle(settlement)
    assert names(await hands.fetch("w1", want=10)) == (["a1"] if way == "given back" else ["a2"])


async def test_a_dead_worker_frees_its_places_when_its_jobs_are_settled(hands: Hands) -> None:
    await put(hands, "a1", "a2", key="c=acct:1")
    await hands.fetch("w1", want=10)
    hands.clock.forward(LEASE_MS + 1)
    await hands.monitor()
    await hands.join("w2")
    assert await hands.fetch("w2", want=10) == []
    (lost,) = await hands.take_over()
    assert await hands.fetch("w2", want=10) == []
    await hands.shard.settle("m1", [ended(lost.delivery, CRASHED_ALONE, "lost")])
    assert names(await hands.fetch("w2", want=10)) == ["a2"]


async def test_two_lanes_share_the_limit_of_their_key(hands: Hands) -> None:
    await put(hands, "a", key="c=acct:1", queue="one")
    await put(hands, "b", key="c=acct:1", queue="two")
    (first,) = await hands.fetch("w1", want=10)
    assert await hands.fetch("w1", want=10) == []
    await hands.settle(done(first))
    (second,) = await hands.fetch("w1", want=10)
    assert {first.id, second.id} == {"a", "b"}


async def test_a_lane_that_meets_a_second_closed_gate_lets_the_next_one_use_the_first(hands: Hands) -> None:
    await put(hands, "runs", key="c=x:1")
    await put(hands, "holds", key="c=y:1")
    held = {delivery.id: delivery for delivery in await hands.fetch("w1", want=10)}
    await put(hands, "both", key="c=x:1;c=y:1")
    await put(hands, "only", key="c=x:1", priority=9)
    assert await hands.fetch("w1", want=10) == []
    await hands.settle(done(held["runs"]))
    assert names([*await hands.fetch("w1", want=10), *await hands.fetch("w1", want=10)]) == ["only"]


async def test_nothing_is_left_of_a_key_when_its_jobs_are_done(hands: Hands) -> None:
    await put(hands, "a1", "a2", "a3", key="o=x;c=acct:1")
    for _ in range(3):
        (job,) = await hands.fetch("w1", want=10)
        await hands.settle(done(job))
    keys = {key.decode() for key in await hands.shard.link.command("KEYS", "*")}
    assert {key.removeprefix(hands.shard.keys.base) for key in keys} == {
        *("jobs", "runs", "counts", "holds", "leases", "ended:default:c", "member:w1"),
    } | {key.removeprefix(hands.shard.keys.base) for key in keys if "idle" in key or "inbox" in key}
    assert await hands.shard.link.command("HKEYS", hands.shard.keys.fixed("holds")) == [b""]


async def test_places_at_few_gates_are_kept_where_each_is_found_at_once(hands: Hands) -> None:
    holds = hands.shard.keys.fixed("holds")
    await put(hands, "a", key="c=acct:1")
    (job,) = await hands.fetch("w1", want=10)
    assert await hands.shard.link.command("OBJECT", "ENCODING", holds) == b"hashtable"
    await hands.settle(done(job))
    assert await hands.shard.link.command("OBJECT", "ENCODING", holds) == b"hashtable"


# --- order -------------------------------------------------------------------------------------------------------


async def test_jobs_of_an_ordering_key_run_one_at_a_time_in_their_order_beside_other_keys(
    hands: Hands,
) -> None:
    await put(hands, "a1", "a2", key="o=a")
    await put(hands, "b1", "b2", key="o=b")
    await put(hands, "a3", key="o=a", priority=1)
    seen = []
    while batch := await hands.fetch("w1", want=10):
        assert len({job_id[0] for job_id in names(batch)}) == len(batch)
        seen += names(batch)
        await hands.settle(*map(done, batch))
    assert [job_id for job_id in seen if job_id[0] == "a"] == ["a1", "a2", "a3"]
    assert [job_id for job_id in seen if job_id[0] == "b"] == ["b1", "b2"]


@pytest.mark.parametrize("how", ["retried", "given back", "suspect"])
async def test_a_job_keeps_its_turn_until_it_ends(hands: Hands, how: str) -> None:
    await put(hands, "a1", "a2", key="o=a")
    (first,) = await hands.fetch("w1", want=10)
    again = {"retried": retried(first, 1_000), "given back": given_back(first), "suspect": ended(first, LOST, "lost")}
    await hands.settle(again[how])
    if how == "retried":
        assert await hands.fetch("w1", want=10) == []
        hands.clock.forward(1_000)
        await hands.shard.promote()
    solo = await hands.join("solo", "!*")
    worker = solo if how == "suspect" else "w1"
    assert await hands.fetch("w1" if how == "suspect" else solo, want=10) == []
    (first,) = await hands.fetch(worker, want=10)
    assert first.id == "a1"
    await hands.settle(failed(first), holder=worker)
    assert names(await hands.fetch("w1", want=10)) == ["a2"]


@pytest.mark.parametrize("state", ["waiting", "delayed", "aside"])
async def test_cancelling_the_one_whose_turn_it_is_passes_the_turn_on(hands: Hands, state: str) -> None:
    await put(hands, "a1", key="o=a", type="odd" if state == "aside" else "noop")
    await put(hands, "a2", key="o=a")
    if state == "delayed":
        (first,) = await hands.fetch("w1", want=10)
        await hands.settle(retried(first, 60_000))
    if state == "aside":
        assert await hands.fetch("w1", want=10) == []
    await hands.shard.cancel(["a1"], {})
    assert names(await hands.fetch("w1", want=10)) == ["a2"]


async def test_a_job_of_an_unknown_type_keeps_its_order(hands: Hands) -> None:
    await put(hands, "a1", key="o=a", type="odd")
    await put(hands, "a2", key="o=a")
    assert await hands.fetch("w1", want=10) == []
    assert await hands.fetch("w1", want=10) == []
    await hands.join("w2")
    (first,) = await hands.fetch("w2", want=10, types=",noop,odd,")
    assert first.id == "a1"
    await hands.settle(done(first), holder="w2")
    assert names(await hands.fetch("w1", want=10)) == ["a2"]


# --- groups ------------------------------------------------------------------------------------------------------


async def test_groups_are_served_in_turn_however_many_jobs_one_has(hands: Hands) -> None:
    await put(hands, *[f"a{number:03}" for number in range(200)], key="g=a")
    await put(hands, *[f"b{number}" for number in range(5)], key="g=b")
    first = await hands.fetch("w1", want=10)
    assert Counter(job_id[0] for job_id in names(first)) == {"a": 5, "b": 5}
    assert len(await hands.fetch("w1", want=100)) == 100


async def test_a_group_that_comes_late_is_served_within_two_rounds(hands: Hands) -> None:
    await put(hands, *[f"a{number}" for number in range(50)], key="g=a")
    await hands.fetch("w1", want=4)
    hands.clock.forward(5)
    await put(hands, "b", key="g=b")
    rounds = []
    for _ in range(2):
        hands.clock.forward(1)
        rounds.append(names(await hands.fetch("w1", want=1)))
    assert ["b"] in rounds


@pytest.mark.parametrize("rule", [{"concurrency": 1}, {"rate": {"n": 1, "ms": 1_000}}], ids=["limit", "rate"])
async def test_groups_are_served_in_turn_also_where_their_queue_has_room_for_one_job_at_a_time(
    hands: Hands, rule: dict[str, Any]
) -> None:
    await hands.shard.set_rule("q/default", rule)
    await put(hands, *[f"a{number}" for number in range(3)], key="g=a")
    await put(hands, *[f"b{number}" for number in range(3)], key="g=b")
    seen = []
    for _ in range(6):
        hands.clock.forward(1_000)
        await hands.shard.promote()
        batch = await hands.fetch("w1", want=10)
        seen += names(batch)
        await hands.settle(*map(done, batch))
    assert seen == ["a0", "b0", "a1", "b1", "a2", "b2"]


async def test_a_weight_is_a_share(hands: Hands) -> None:
    await hands.shard.set_rule("g/default/a", {"weight": 3})
    await put(hands, *[f"a{number}" for number in range(50)], key="g=a")
    await put(hands, *[f"b{number}" for number in range(50)], key="g=b")
    assert Counter(job_id[0] for job_id in names(await hands.fetch("w1", want=20))) == {"a": 15, "b": 5}


async def test_a_group_of_which_a_small_batch_has_none_loses_none_and_comes_next(hands: Hands) -> None:
    await hands.shard.set_rule("g/default/a", {"weight": 9})
    await put(hands, "a0", "a1", "a2", key="g=a")
    await put(hands, "b0", "b1", key="g=b")
    hands.clock.forward(1)
    assert names(await hands.fetch("w1", want=2)) == ["a0", "a1"]
    assert names(await hands.fetch("w1", want=1)) == ["b0"]
    assert sorted(names(await hands.fetch("w1", want=10))) == ["a2", "b1"]


async def test_every_group_of_a_queue_may_have_a_limit(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"group_concurrency": 1})
    await hands.shard.set_rule("g/default/b", {"concurrency": 2})
    await put(hands, "a1", "a2", key="g=a")
    await put(hands, "b1", "b2", "b3", key="g=b")
    assert sorted(names(await hands.fetch("w1", want=10))) == ["a1", "b1", "b2"]


# --- queues and types ----------------------------------------------------------------------------------------------


async def test_a_queue_runs_no_more_than_its_limit_over_all_workers(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"concurrency": 2})
    await put(hands, "a", "b", "c", "d")
    await put(hands, "other", queue="other")
    await hands.join("w2")
    batch = await hands.fetch("w1", want=10)
    assert sorted(names(batch)) == ["a", "b", "other"]
    assert await hands.fetch("w2", want=10) == []
    await hands.settle(*[done(job) for job in batch if job.id == "a"])
    assert names(await hands.fetch("w2", want=10)) == ["c"]


async def test_a_limited_queue_gives_its_most_urgent_job_next_however_long_others_wait(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"concurrency": 1})
    for job_id, priority in (("8", 8), ("7", 7), ("x", 5), ("y", 5)):
        hands.clock.forward(1)
        await put(hands, job_id, priority=priority)
    for expected in "xy78":
        (delivery,) = await hands.fetch("w1", want=10)
        assert delivery.id == expected
        await hands.settle(done(delivery))


async def test_a_place_that_is_free_in_a_limited_queue_wakes_who_is_idle(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"concurrency": 1})
    await hands.fetch("w1")
    await put(hands, "a", "b")
    (delivery,) = await hands.fetch("w1")
    await hands.words("w1")
    await hands.settle(done(delivery))
    assert await hands.words("w1") == ["wake"]


async def test_a_paused_queue_gives_nothing_until_it_is_resumed(hands: Hands) -> None:
    await put(hands, "a", "b")
    await hands.shard.set_rule("q/default", {"paused": {"reason": "why"}})
    assert await hands.fetch("w1", want=10) == []
    await put(hands, "c", priority=1)
    assert await hands.fetch("w1", want=10) == []
    assert await hands.shard.rules() == {"q/default": {"paused": {"reason": "why"}}}
    await hands.shard.set_rule("q/default", {"paused": None})
    assert await hands.shard.rules() == {}
    assert names(await hands.fetch("w1", want=10)) == ["c", "a", "b"]


async def test_a_pause_with_an_end_ends_by_itself(hands: Hands) -> None:
    until = hands.clock.ms + 5_000
    await hands.shard.set_rule("q/default", {"paused": {"until_ms": until}})
    await put(hands, "a")
    assert await hands.fetch("w1", want=10) == []
    assert (await hands.shard.promote())[1] == 5_000
    hands.clock.forward(5_000)
    await hands.shard.promote()
    assert names(await hands.fetch("w1", want=10)) == ["a"]


async def test_a_type_that_is_limited_holds_up_no_other_type(hands: Hands) -> None:
    await hands.shard.set_rule("t/noop", {"concurrency": 1})
    await put(hands, "a", "b", "c")
    await put(hands, "odd", type="odd")
    both = ",noop,odd,"
    seen = names([job for _ in range(3) for job in await hands.fetch("w1", want=10, types=both)])
    assert seen in (["odd", "a"], ["a", "odd"])
    await hands.shard.set_rule("t/noop", None)
    assert names(await hands.fetch("w1", want=10, types=both)) == ["b", "c"]


async def test_who_comes_while_others_of_its_type_stand_aside_does_not_pass_the_limit_of_that_type(
    hands: Hands,
) -> None:
    await hands.shard.set_rule("t/noop", {"concurrency": 1})
    await put(hands, "a", "b")
    # they stand aside, and are looked at again there
    assert (await hands.fetch("w1", want=10), await hands.words("w1")) == ([], ["wake"])
    hands.clock.forward(1)
    await put(hands, "c")
    assert names(await hands.fetch("w1", want=10)) == ["a"]
    assert await hands.fetch("w1", want=10) == []


async def test_those_who_stand_aside_where_the_last_one_leaves_are_not_forgotten(hands: Hands) -> None:
    await hands.shard.set_rule("t/noop", {"concurrency": 2})
    await put(hands, "a", "b", "c")
    await hands.fetch("w1", want=10)
    batch = await hands.fetch("w1", want=10)
    assert names(batch) == ["a", "b"]
    await put(hands, "d", "e")
    await hands.settle(*map(done, batch))
    seen: list[str] = []
    for _ in range(6):
        batch = await hands.fetch("w1", want=10)
        seen += names(batch)
        await hands.settle(*map(done, batch))
    assert sorted(seen) == ["c", "d", "e"]


# --- ranks ---------------------------------------------------------------------------------------------------------


async def test_jobs_may_go_to_the_front_in_their_order(hands: Hands) -> None:
    await put(hands, "a", "b")
    await put(hands, "c", "d", front=True)
    assert names(await hands.fetch("w1", want=10)) == ["c", "d", "a", "b"]


async def test_with_ageing_what_waits_long_enough_passes_what_is_more_urgent(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"ageing_ms": 1_000})
    await put(hands, "low", priority=8)
    hands.clock.forward(2_900)
    await put(hands, "normal", priority=5)
    assert names(await hands.fetch("w1", want=1)) == ["normal"]
    hands.clock.forward(200)
    await put(hands, "another", priority=5)
    assert names(await hands.fetch("w1", want=2)) == ["low", "another"]


async def test_a_retry_goes_before_those_that_have_not_run_yet(hands: Hands) -> None:
    await put(hands, "a", "b", "c")
    (first,) = await hands.fetch("w1", want=1)
    await hands.settle(retried(first, 1))
    hands.clock.forward(1)
    await hands.shard.promote()
    assert names(await hands.fetch("w1", want=10)) == ["a", "b", "c"]


async def test_a_free_place_is_not_lost_to_a_lane_whose_queue_is_paused(hands: Hands) -> None:
    (first,) = await hands.active(new_job(queue="one", lane_key="c=k:1"))
    await hands.put(new_job("paused", queue="one", lane_key="c=k:1"))
    await hands.fetch()
    await hands.put(new_job("goes", queue="two", lane_key="c=k:1"))
    assert await hands.fetch() == []
    await hands.shard.set_rule("q/one", {"paused": {}})
    assert await hands.fetch() == []
    await hands.settle(done(first))
    assert names(await hands.fetch()) == ["goes"]


async def test_a_free_place_is_not_lost_to_a_queue_that_nobody_serves(hands: Hands) -> None:
    await hands.join("w2", "two")
    (first,) = await hands.active(new_job(queue="one", lane_key="c=k:1"))
    await hands.put(new_job("unserved", queue="one", lane_key="c=k:1"))
    await hands.fetch()
    await hands.put(new_job("goes", queue="two", lane_key="c=k:1"))
    assert await hands.fetch("w2") == []
    await hands.settle(done(first))
    assert names(await hands.fetch("w2")) == ["goes"]


async def test_a_retry_that_is_due_while_its_key_is_used_up_waits_and_goes_before_the_others(hands: Hands) -> None:
    await put(hands, "a", "b", "c", key="c=acct:1")
    (first,) = await hands.fetch("w1", want=10)
    assert first.id == "a"
    await hands.settle(retried(first, delay_ms=100))
    (second,) = await hands.fetch("w1", want=10)
    assert second.id == "b"
    hands.clock.forward(100)
    await hands.shard.promote()
    assert (await hands.fetch("w1", want=10), await hands.states("a")) == ([], [State.WAITING])
    await hands.settle(done(second))
    (again,) = await hands.fetch("w1", want=10)
    assert (again.id, again.attempt) == ("a", 2)
