"""Nobody polls: the script that makes work ready wakes one who is idle, and the one who finds more wakes the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from jobd.domain.delivery import NewJob
from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.store import link
from jobd.store.shard import Retention, Shard
from tests.store.hands import LEASE_MS, LOST, Clock, Hands, done, ended, given_back, new_job, retried
from tests.store.strict_scripts import strict

Work = Callable[[Hands], Awaitable[object]]


@pytest.fixture(autouse=True)
def under_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "load", strict)


async def idle(hands: Hands, *members: str) -> None:
    """These workers join, and find nothing to do."""
    for member in members:
        await hands.join(member)
        assert await hands.fetch(member) == []


async def woken(hands: Hands, *members: str) -> list[str]:
    """Those among them that were woken."""
    return [member for member in members if "wake" in await hands.words(member)]


async def test_new_work_wakes_one_idle_worker_and_no_more(hands: Hands) -> None:
    await idle(hands, "w1", "w2", "w3")
    await hands.put(*[new_job() for _ in range(100)])
    assert len(await woken(hands, "w1", "w2", "w3")) == 1


async def test_who_was_woken_is_not_woken_again_before_it_looked(hands: Hands) -> None:
    await idle(hands, "w1")
    await hands.put(new_job())
    await hands.put(new_job())
    assert await hands.words("w1") == ["wake"]


async def test_each_enqueue_wakes_another_one(hands: Hands) -> None:
    await idle(hands, "w1", "w2", "w3")
    for _ in range(3):
        await hands.put(new_job())
    assert await woken(hands, "w1", "w2", "w3") == ["w1", "w2", "w3"]


async def test_a_worker_that_took_all_there_was_and_has_free_slots_is_woken_for_more(hands: Hands) -> None:
    await idle(hands, "w1")
    for _ in range(3):
        await hands.put(new_job())
        assert await hands.words("w1") == ["wake"]
        assert len(await hands.fetch("w1", want=10)) == 1


async def test_a_worker_without_free_slots_is_not_woken(hands: Hands) -> None:
    await hands.join()
    await hands.active(new_job("a"))
    await hands.put(new_job())
    assert await hands.words("w1") == []


async def test_a_worker_that_stops_fetching_is_not_woken(hands: Hands) -> None:
    await idle(hands, "w1")
    await hands.fetch("w1", want=0)
    await hands.put(new_job())
    assert await hands.words("w1") == []


async def test_who_finds_more_than_it_can_take_wakes_the_next_in_a_chain(hands: Hands) -> None:
    await idle(hands, "w1", "w2", "w3")
    await hands.put(*[new_job() for _ in range(25)])
    order = []
    waiting = ["w1", "w2", "w3"]
    while waiting:
        (member,) = await woken(hands, *waiting)
        order.append(member)
        waiting.remove(member)
        await hands.fetch(member)
    assert sorted(order) == ["w1", "w2", "w3"]
    assert await hands.counts() == {State.ACTIVE: 25}


@pytest.mark.parametrize(
    "rest",
    [
        [new_job(priority=9)],
        [new_job(queue="zzz")],
        [new_job(priority=9, queue="zzz")],
        [new_job(queue="zzz"), new_job(priority=6), new_job(queue="yyy")],
    ],
    ids=["another priority", "another queue", "both", "several"],
)
async def test_the_chain_goes_on_wherever_the_rest_is(hands: Hands, clock: Clock, rest: list[NewJob]) -> None:
    await hands.join("w1")
    await hands.put(*[new_job(priority=1) for _ in range(10)])
    clock.forward(1)
    await hands.put(*rest)
    await idle_elsewhere(hands, "w2")
    assert len(await hands.fetch("w1", want=10)) == 10
    assert await woken(hands, "w1", "w2") == ["w2"]


async def idle_elsewhere(hands: Hands, member: str) -> None:
    """This worker is idle although there is work, as if that had only just come."""
    await hands.join(member)
    await hands.shard.link.command("SADD", hands.shard.keys.idle("*"), member)
    await hands.shard.link.command("HSET", hands.shard.keys.member(member), "idle", "1", "types", ",odd,noop,")


async def test_an_idle_worker_that_looks_by_itself_does_not_wake_itself(hands: Hands) -> None:
    await idle_elsewhere(hands, "w1")
    await hands.put(*[new_job() for _ in range(3)])
    await hands.words("w1")
    await idle_elsewhere(hands, "w1")
    await idle_elsewhere(hands, "w2")
    assert len(await hands.fetch("w1", want=2)) == 2
    assert await woken(hands, "w1", "w2") == ["w2"]


async def test_the_dead_are_not_woken(hands: Hands, clock: Clock) -> None:
    await idle(hands, "w1")
    clock.forward(LEASE_MS + 1)
    await idle(hands, "w2")
    for _ in range(5):
        await hands.put(new_job())
    assert await hands.words("w1") == []
    assert await hands.words("w2") == ["wake"]


async def test_who_has_left_is_not_woken(hands: Hands, shard: Shard) -> None:
    await idle(hands, "w1")
    await hands.active(new_job("a"))
    await hands.fetch()
    await shard.leave("w1")
    await hands.words("w1")
    await hands.put(new_job())
    assert await hands.words("w1") == []


async def test_a_worker_is_woken_for_the_queues_it_serves(hands: Hands) -> None:
    await hands.join("w1", "a", "b")
    await hands.fetch("w1")
    await hands.put(new_job(queue="c"))
    assert await hands.words("w1") == []
    await hands.put(new_job(queue="b"))
    assert await hands.words("w1") == ["wake"]
    await hands.put(new_job(queue="a"))
    assert await hands.words("w1") == []


async def test_who_serves_few_queues_is_woken_before_those_who_serve_all(hands: Hands) -> None:
    await idle(hands, "w1", "w2")
    await hands.join("few", "default", "other")
    await hands.fetch("few")
    await hands.put(new_job())
    assert await woken(hands, "w1", "w2", "few") == ["few"]
    await hands.put(new_job())
    assert len(await woken(hands, "w1", "w2", "few")) == 1


async def test_suspects_wake_workers_for_suspects(hands: Hands, shard: Shard) -> None:
    await idle(hands, "w2")
    await hands.join("solo", "!*")
    await hands.fetch("solo")
    await hands.join("w1")
    (delivery,) = await hands.active(new_job(), member="w1")
    await hands.fetch("w2")
    await hands.words("w2")
    await shard.settle("w1", [ended(delivery, LOST, "lost")])
    assert await hands.words("solo") == ["wake"]
    assert await hands.words("w2") == []


async def settle_one(hands: Hands, verdict: Verdict) -> None:
    (delivery,) = await hands.fetch("busy")
    await hands.shard.settle("busy", [ended(delivery, verdict)])


async def promote(hands: Hands) -> None:
    hands.clock.forward(5)
    await hands.shard.promote()


async def release(hands: Hands) -> None:
    await hands.shard.stage("batch", [new_job()])
    await hands.shard.commit("batch", 1)
    await hands.shard.release("batch")


async def complete_with_child(hands: Hands) -> None:
    (delivery,) = await hands.fetch("busy", want=1)
    await hands.shard.settle("busy", [done(delivery, children=[new_job()])])


async def retry(hands: Hands) -> None:
    await hands.put(new_job("again"))
    await hands.words("w1")
    (delivery,) = await hands.fetch("busy", want=1)
    await hands.shard.settle("busy", [done(delivery)])
    await idle_elsewhere(hands, "w1")
    await hands.shard.retry([delivery.id])


@pytest.mark.parametrize("work", [promote, release, complete_with_child, retry])
async def test_work_that_becomes_ready_wakes_a_worker_wherever_it_comes_from(hands: Hands, work: Work) -> None:
    await hands.put(new_job(due="+5"))
    await hands.join("busy")
    await hands.put(new_job())
    await idle_elsewhere(hands, "w1")
    await work(hands)
    assert await hands.words("w1") == ["wake"]


async def test_a_job_given_back_wakes_a_worker(hands: Hands, shard: Shard) -> None:
    await hands.join("w2")
    (delivery,) = await hands.active(new_job(), member="w2")
    await idle(hands, "w1")
    await shard.settle("w2", [given_back(delivery)])
    assert await hands.words("w1") == ["wake"]


async def test_jobs_that_stand_aside_wake_another_worker(hands: Hands) -> None:
    await hands.put(new_job(type="odd"))
    await hands.join("w1")
    await idle_elsewhere(hands, "w2")
    assert await hands.fetch("w1") == []
    assert await hands.words("w2") == ["wake"]
    assert len(await hands.fetch("w2", types=",odd,")) == 1


async def test_jobs_that_stand_aside_wake_one_who_knows_them_among_many_who_do_not(hands: Hands) -> None:
    await idle(hands, "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9")
    await hands.join("odd")
    assert await hands.fetch("odd", types=",odd,") == []
    await hands.put(new_job(type="odd"))
    everybody = ["odd", *(f"w{number}" for number in range(1, 10))]
    (first,) = await woken(hands, *everybody)
    await hands.fetch(first)
    if first != "odd":
        assert await woken(hands, *everybody) == ["odd"]


async def test_each_type_that_stands_aside_wakes_one_who_knows_it(hands: Hands) -> None:
    await hands.put(new_job(type="odd"), new_job(type="even"))
    await hands.join("w1")
    for member, types in (("odd", ",odd,"), ("even", ",even,")):
        await idle_elsewhere(hands, member)
        await hands.shard.link.command("HSET", hands.shard.keys.member(member), "types", types)
    assert await hands.fetch("w1") == []
    assert await woken(hands, "odd", "even") == ["odd", "even"]


async def test_jobs_that_nobody_knows_wake_nobody_again_and_again(hands: Hands) -> None:
    await hands.put(new_job(type="odd", priority=1))
    await idle(hands, "w1", "w2")
    await hands.words("w1")
    await idle(hands, "w1", "w2")
    for _ in range(5):
        await hands.put(*[new_job() for _ in range(10)])
        (member,) = await woken(hands, "w1", "w2")
        assert len(await hands.fetch(member, want=10)) == 10
        assert await woken(hands, "w1", "w2") == []
        await hands.fetch(member)


async def test_a_scheduler_is_woken_when_the_next_job_due_is_sooner(hands: Hands, shard: Shard) -> None:
    await shard.join("s1", lease_ms=LEASE_MS, lines=["@scheduler"], about=b"{}")
    assert await shard.promote("s1") == (0, None)
    await hands.put(new_job(due="+1000"))
    assert await hands.words("s1") == ["wake"]
    assert await shard.promote("s1") == (0, 1_000)
    await hands.put(new_job(due="+2000"))
    assert await hands.words("s1") == []
    await hands.put(new_job(due="+10"))
    assert await hands.words("s1") == ["wake"]


async def test_a_retry_that_is_due_soonest_wakes_a_scheduler(hands: Hands, shard: Shard) -> None:
    await shard.join("s1", lease_ms=LEASE_MS, lines=["@scheduler"], about=b"{}")
    await hands.join()
    (delivery,) = await hands.active(new_job())
    await shard.promote("s1")
    await shard.settle("w1", [retried(delivery, 5)])
    assert await hands.words("s1") == ["wake"]


async def test_a_scheduler_without_a_lease_leaves_no_trace(hands: Hands, shard: Shard, clock: Clock) -> None:
    await shard.promote("stranger")
    await shard.join("s1", lease_ms=LEASE_MS, lines=["@scheduler"], about=b"{}")
    clock.forward(LEASE_MS + 1)
    await shard.promote("s1")
    assert await shard.link.command("KEYS", "*idle*") == []


async def test_who_waits_for_an_end_is_told_once(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(new_job("a"), new_job("b"), new_job("c", due="+9"))
    for job_id in "abc":
        for client in ("c1", "c2", "c1"):
            assert await shard.watch(job_id, client) == "watching"
    assert await shard.watch("missing", "c1") == "missing"
    (first, second) = await hands.fetch()
    await shard.settle("w1", [done(first), retried(second)])
    assert await hands.words("c1") == ["ended a"]
    assert await hands.words("c2") == ["ended a"]
    assert await shard.watch("a", "c3") == "ended"
    await shard.cancel(["c"], {})
    await shard.cancel(["b"], {})
    assert await hands.words("c1") == ["ended c", "ended b"]
    assert await shard.link.command("EXISTS", shard.keys.fixed("waiters")) == 0


async def test_who_waits_for_a_job_of_a_batch_that_is_given_up_is_told(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await shard.stage("batch", [new_job("a")])
    await shard.watch("a", "c1")
    clock.forward(60_001)
    await shard.release("batch")
    assert await hands.words("c1") == ["ended a"]
    assert await shard.link.command("EXISTS", shard.keys.fixed("waiters")) == 0


async def test_so_many_wait_for_one_job_as_is_good_for_the_store(hands: Hands, shard: Shard) -> None:
    await hands.put(new_job("a"))
    for number in range(500):
        await shard.watch("a", f"client-{number:026}")
    assert await shard.link.command("HSTRLEN", shard.keys.fixed("waiters"), "a") < 3_000
    await shard.cancel(["a"], {})
    assert await hands.words(f"client-{499:026}") == ["ended a"]


async def test_the_inbox_of_a_client_does_not_outlive_it_for_long(hands: Hands, shard: Shard) -> None:
    await hands.put(new_job("a"))
    await shard.watch("a", "c1")
    await shard.cancel(["a"], {})
    assert 0 < await shard.link.command("PTTL", shard.keys.inbox("c1")) <= 60_000


async def test_who_watches_a_job_that_is_removed_at_its_end_is_told(hands: Hands, shard: Shard) -> None:
    shard.retention = Retention(completed=0, least=0)
    await hands.join()
    await hands.put(new_job("a"))
    await shard.watch("a", "c1")
    (delivery,) = await hands.fetch()
    await shard.settle("w1", [done(delivery)])
    assert await hands.words("c1") == ["ended a"]


# --- hearing, in earnest ---------------------------------------------------------------------------------------------


async def test_a_gate_that_opens_wakes_a_second_worker_and_scheduler_as_one_may_be_dead(hands: Hands) -> None:
    """Nothing else may come behind that would wake another one, and whoever was killed is idle until its lease ends."""
    for name in ("s1", "s2", "s3"):
        await hands.shard.join(name, lease_ms=LEASE_MS, lines=["@scheduler"], about=b"{}")
        await hands.shard.promote(name)
    for name in ("w1", "w2", "w3"):
        await hands.join(name)
    await hands.put(new_job(lane_key="r=k:1/1000"), new_job(lane_key="r=k:1/1000"))
    assert len(await hands.fetch("w1")) == 1
    for name in ("w2", "w3"):
        assert await hands.fetch(name) == []
    assert sorted([len(await hands.words(name)) for name in ("s1", "s2", "s3")]) == [0, 1, 1]
    for name in ("w1", "w2", "w3"):
        await hands.words(name)
        assert await hands.fetch(name) == []
    hands.clock.forward(1_000)
    await hands.shard.promote("s1")
    assert sorted([len(await hands.words(name)) for name in ("w1", "w2", "w3")]) == [0, 1, 1]


async def test_a_wake_up_that_meets_one_who_knows_no_type_of_what_is_left_is_passed_on(hands: Hands) -> None:
    knows = {"w1": ",noop,", "w2": ",odd,", "w3": ",odd,"}
    await hands.join("w1", "default")  # who names a queue is woken before those who serve all
    for name, types in knows.items():
        if name != "w1":
            await hands.join(name)
        assert await hands.fetch(name, types=types) == []
    await hands.put(*[new_job(type="odd") for _ in range(2)])
    heard = True
    while heard:
        heard = False
        for name, types in knows.items():
            if await hands.words(name):
                await hands.fetch(name, want=1, types=types)
                heard = True
    assert await hands.counts() == {State.ACTIVE: 2}


async def test_nobody_but_a_scheduler_is_woken_for_what_is_due_later(hands: Hands) -> None:
    await hands.join()
    assert await hands.fetch() == []
    await hands.put(new_job("a", due="+1000"))
    assert await hands.words("w1") == []
