"""Gates that open: whatever waits before one comes when it may, whoever else waits there and however many they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobd.domain.state import State
from tests.store.hands import Hands, done, ids, new_job

pytestmark = [
    pytest.mark.usefixtures("watched_worker"),
    pytest.mark.requirement("3.2"),
    pytest.mark.requirement("2.11"),
]

BOTH = ",noop,odd,"
LONG_MS = 3_600_000


async def fetched(hands: Hands, member: str = "w1", types: str = ",noop,") -> list[str]:
    """What a worker gets that asks twice: what the first one opens may be for the second."""
    return [job_id for _ in range(2) for job_id in ids(await hands.fetch(member, types=types))]


async def everything(hands: Hands, member: str) -> int:
    """How many jobs run when a scheduler and a worker do all there is to do."""
    ran = 0
    await hands.join(member)
    for _ in range(10):
        await hands.shard.promote()
        batch = await hands.fetch(member, want=500)
        await hands.settle(*map(done, batch), holder=member)
        ran += len(batch)
    return ran


# --- what cannot run now keeps no place from others ----------------------------------------------------------------


@pytest.mark.parametrize("reason", ["paused", "served by nobody"])
async def test_a_place_that_a_queue_cannot_use_is_for_other_queues_of_its_key(hands: Hands, reason: str) -> None:
    (running,) = await hands.active(new_job("first", queue="one", lane_key="c=key:1"))
    await hands.put(*[new_job(queue="one", lane_key=f"o={number};c=key:1") for number in range(20)])
    assert await fetched(hands) == []
    await hands.put(new_job("goes", queue="two", lane_key="c=key:1"))
    assert await fetched(hands) == []
    if reason == "paused":
        await hands.shard.set_rule("q/one", {"paused": {"reason": "why"}})
    await hands.settle(done(running))
    worker = await hands.join("w2", *(["*"] if reason == "paused" else ["two"]))
    assert await fetched(hands, worker) == ["goes"]


async def test_a_rate_that_hundreds_of_lanes_of_a_paused_queue_cannot_use_is_for_the_one_behind_them(
    hands: Hands,
) -> None:
    await hands.active(new_job(lane_key="r=key:1/1000"))
    await hands.put(*[new_job(queue="one", lane_key=f"g={number};r=key:1/1000") for number in range(150)])
    await drained(hands, "w1")
    await hands.put(new_job("goes", queue="two", lane_key="r=key:1/1000"))
    await drained(hands, "w1")
    await hands.shard.set_rule("q/one", {"paused": {"reason": "why"}})
    await hands.put(new_job(queue="one"))
    await drained(hands, "w1")  # now its line waits too
    hands.clock.forward(1_000)
    for _ in range(3):
        await hands.shard.promote()
    assert await fetched(hands) == ["goes"]


@pytest.mark.parametrize("limit", ["c=key:1", "r=key:1/60000", "r=key:1/60000/1"])
async def test_a_place_that_hundreds_of_lanes_which_nobody_serves_cannot_use_is_for_the_one_behind_them(
    hands: Hands, limit: str
) -> None:
    (running,) = await hands.active(new_job("first", queue="one", lane_key=limit))
    for half in range(2):
        await hands.put(*[new_job(queue="one", lane_key=f"g={half}-{number};{limit}") for number in range(150)])
    await drained(hands, "w1")
    await hands.put(new_job("goes", queue="two", lane_key=limit))
    assert await fetched(hands) == []
    await hands.settle(done(running))
    hands.clock.forward(60_000 if limit.startswith("r") else 0)
    worker = await hands.join("w2", "two")
    steps = 0
    while (found := await fetched(hands, worker)) == []:
        hands.clock.forward(250)
        await hands.shard.promote()
        steps += 1
        assert steps < 10
    assert found == ["goes"]


@pytest.mark.parametrize("part", ["g", "o"])
async def test_who_waits_before_a_gate_that_others_have_closed_again_is_left_alone(hands: Hands, part: str) -> None:
    limit = "c=key:1"
    (running,) = await hands.active(new_job(lane_key=limit))
    for half in range(2):
        await hands.put(*[new_job(lane_key=f"{part}={half}-{number};{limit}") for number in range(150)])
    await drained(hands, "w1")
    command, keys = hands.shard.link.command, hands.shard.keys
    assert await command("ZCARD", keys.gated("c/key")) == 300
    assert len((await hands.turn("w1", [done(running)], want=1))[1]) == 1
    assert await command("ZRANGE", keys.fixed("opens"), 0, -1) == [b"more/c/key"]
    hands.clock.forward(200)
    await hands.settle(done((await hands.fetch_again("w1", want=1))[0]))
    assert len(await hands.fetch("w1", want=1)) == 1
    # that one more has left does not put off when the others are looked at
    hands.clock.forward(50)
    await hands.shard.promote()
    assert await command("ZCARD", keys.gated("c/key")) == 298
    assert await command("ZCARD", keys.fixed("opens")) == 0


@pytest.mark.damages
async def test_a_job_whose_spec_is_lost_keeps_none_of_the_many_behind_it_before_a_gate(hands: Hands) -> None:
    (running,) = await hands.active(new_job(lane_key="c=key:1"))
    jobs = [new_job(lane_key=f"o={number};c=key:1") for number in range(150)]
    await hands.put(*jobs)
    await drained(hands, "w1")
    await hands.settle(done(running))
    command, keys = hands.shard.link.command, hands.shard.keys
    (first,) = await command("ZRANGE", keys.gated("c/key"), 0, 0)
    await command("HDEL", keys.fixed("jobs"), jobs[int(first.partition(b"=")[2])].id)
    hands.clock.forward(250)
    await hands.shard.promote()
    assert len(await fetched(hands)) == 1


async def test_a_rate_that_has_opened_for_all_who_waited_is_not_looked_at_any_more(hands: Hands) -> None:
    await hands.put(new_job("a", lane_key="r=key:1/1000"), new_job("b", lane_key="r=key:1/1000"))
    assert [await fetched(hands), await fetched(hands)] == [["a"], []]
    hands.clock.forward(1_000)
    assert await hands.shard.promote() == (0, None)
    assert await fetched(hands) == ["b"]


async def test_a_rate_that_opens_for_one_of_many_is_looked_at_again_in_a_moment_and_not_at_once(hands: Hands) -> None:
    await hands.put(*[new_job(lane_key=f"g={number};r=key:1/1000") for number in range(150)])
    assert len(await hands.fetch("w1", want=500)) == 1
    await drained(hands, "w1")
    hands.clock.forward(1_000)
    assert await hands.shard.promote() == (0, 250)


@pytest.mark.parametrize("key", ["c=key:1", "o=x;c=key:1"])
async def test_a_lane_comes_back_at_the_priority_of_its_jobs(hands: Hands, key: str) -> None:
    (running,) = await hands.active(new_job(lane_key="c=key:1"))
    await hands.put(*[new_job(job_id, lane_key=key, priority=7) for job_id in ("first", "second")])
    assert await hands.fetch() == []
    await hands.put(new_job("urgent", priority=6))
    if key.startswith("c"):
        await hands.shard.delete(["first"], [State.WAITING])
    await hands.settle(done(running))
    assert await fetched(hands) == ["urgent", "second" if key.startswith("c") else "first"]


async def test_nothing_is_left_of_groups_when_all_that_waited_have_come(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"group_concurrency": 1})
    await hands.put(*[new_job(lane_key="g=x") for _ in range(3)])
    assert await everything(hands, "w2") == 3
    assert await hands.shard.link.command("ZCARD", hands.shard.keys.gated("groups/default")) == 0


async def drained(hands: Hands, member: str) -> None:
    """A worker has looked at all that waits, and nothing of it may run."""
    assert await hands.fetch(member, want=500) == []
    while await hands.words(member) == ["wake"]:
        assert await hands.fetch(member, want=500) == []


async def test_a_place_that_a_type_cannot_use_is_for_other_types_of_its_key(hands: Hands) -> None:
    await hands.put(new_job("odd", type="odd", priority=3, lane_key="c=key:1"))
    assert await fetched(hands) == []  # nobody here knows it: it stands aside
    (running,) = await hands.active(new_job("first", lane_key="c=key:1"))
    await hands.join("w2")
    assert await fetched(hands, "w2", BOTH) == []
    await hands.put(new_job("goes", priority=7, lane_key="c=key:1"))
    assert await fetched(hands) == []
    await hands.settle(done(running))
    assert await fetched(hands) == ["goes"]


# --- rates that more have used than they allow now -----------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [("10/60000", "2/60000"), ("10/60000/10", "10/60000/2")])
async def test_a_rate_that_is_overdrawn_by_a_greater_one_opens_again(hands: Hands, before: str, after: str) -> None:
    await hands.active(*[new_job(lane_key=f"r=key:{before}") for _ in range(5)])
    await hands.put(new_job("late", lane_key=f"r=key:{after}"))
    assert await fetched(hands) == []
    hands.clock.forward(LONG_MS)
    assert await everything(hands, "w2") == 1


async def test_a_rate_that_is_lowered_opens_again(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"rate": {"n": 10, "ms": 60_000}})
    await hands.active(*[new_job() for _ in range(5)])
    await hands.shard.set_rule("q/default", {"rate": {"n": 2, "ms": 60_000}})
    await hands.put(new_job("late"))
    assert await fetched(hands) == []
    hands.clock.forward(LONG_MS)
    assert await everything(hands, "w2") == 1


@pytest.mark.parametrize("rate", ["2/1000", "2/1000/2"])
async def test_a_rate_is_not_closed_for_the_time_by_which_the_clock_has_stepped_back(hands: Hands, rate: str) -> None:
    await hands.active(*[new_job(lane_key=f"r=key:{rate}") for _ in range(2)])
    hands.clock.forward(-LONG_MS)
    await hands.join("w2")
    await hands.put(*[new_job(lane_key=f"r=key:{rate}") for _ in range(4)])
    started = len(await hands.fetch("w2"))
    assert started <= 2
    for _ in range(3):
        hands.clock.forward(1_000)
        await hands.shard.promote()
        started += len(await hands.fetch("w2"))
    assert started == 4


# --- many lanes before one gate --------------------------------------------------------------------------------------


async def pause_of_a_type_ends(hands: Hands) -> None:
    hands.clock.forward(LONG_MS)


async def limit_of_a_group_ends(hands: Hands) -> None:
    await hands.shard.set_rule("g/default/many", {"concurrency": None})


async def limit_of_all_groups_ends(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"group_concurrency": None})


@pytest.mark.parametrize(
    ("gate", "rule", "ends"),
    [
        ("t/noop", {"paused": {"reason": "why", "until_ms": 1_800_000_010_000}}, pause_of_a_type_ends),
        ("g/default/many", {"concurrency": 1, "weight": 2}, limit_of_a_group_ends),
        ("q/default", {"group_concurrency": 1}, limit_of_all_groups_ends),
    ],
)
async def test_all_lanes_come_when_a_gate_is_none_any_more(
    hands: Hands, gate: str, rule: dict[str, Any], ends: Callable[[Hands], Any]
) -> None:
    await hands.shard.set_rule(gate, rule)
    await hands.put(*[new_job(lane_key=f"g=many;o={number}") for number in range(250)])
    ran = len(await hands.fetch("w1", want=500))
    while (await hands.words("w1")) == ["wake"]:
        assert await hands.fetch("w1", want=500) == []
    await ends(hands)
    assert ran + await everything(hands, "w2") == 250


async def test_all_groups_come_when_their_rate_is_none_any_more_however_many_they_are(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"group_rate": {"n": 1, "ms": LONG_MS}})
    for _ in range(2):
        await hands.put(*[new_job(lane_key=f"g={number}") for number in range(45)])
    first = await hands.fetch("w1", want=500)
    await drained(hands, "w1")
    await hands.shard.set_rule("q/default", {"group_rate": None})
    for _ in range(3):
        await hands.shard.promote()
    assert [len(first), len(await hands.fetch("w1", want=500))] == [45, 45]
    assert await hands.shard.promote() == (0, LONG_MS)


async def test_a_pause_that_is_prolonged_while_many_wait_lasts_until_its_new_end(hands: Hands) -> None:
    end = hands.clock.ms + 1_000
    await hands.put(*[new_job(lane_key=f"o={number}") for number in range(150)])
    for until in (end, end + 5_000):
        await hands.shard.set_rule("t/noop", {"paused": {"reason": "why", "until_ms": until}})
        await hands.shard.promote()
        await drained(hands, "w1")
    hands.clock.ms = end
    await hands.shard.promote()
    await drained(hands, "w1")
    hands.clock.forward(5_000)
    assert await everything(hands, "w2") == 150


async def test_all_lanes_of_a_group_come_when_its_limit_is_changed_before_any_has_come(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"group_concurrency": 1})
    await hands.put(*[new_job(lane_key=f"g=many;o={number}") for number in range(250)])
    ran = len(await hands.fetch("w1", want=500))
    while (await hands.words("w1")) == ["wake"]:
        assert await hands.fetch("w1", want=500) == []
    await hands.shard.set_rule("q/default", {"group_concurrency": 2})
    hands.clock.forward(1)
    await hands.shard.promote()
    await hands.shard.set_rule("q/default", {"group_concurrency": None})
    hands.clock.forward(1)
    assert ran + await everything(hands, "w2") == 250


async def test_a_place_that_is_let_go_of_opens_the_gate_and_wakes_who_is_idle(hands: Hands) -> None:
    await hands.join("w1")
    await hands.join("w2")
    await hands.put(new_job("a", lane_key="c=k:1"), new_job("b", lane_key="c=k:1"))
    (first,) = await hands.fetch("w1", want=1)
    assert await hands.fetch("w2") == []
    await hands.words("w2")
    await hands.settle(done(first))
    assert await hands.words("w2") == ["wake"]
    assert ids(await hands.fetch("w2")) == ["b"]


# --- who counts for several ------------------------------------------------------------------------------------------

RATE = "r=key:10/1000"


async def second(hands: Hands, member: str = "w1") -> list[str]:
    """What starts within a second, in which a scheduler and a worker look ten times."""
    started = []
    await hands.shard.renew([member], 10_000, patience_s=5)
    for _ in range(10):
        hands.clock.forward(100)
        await hands.shard.promote()
        batch = await hands.fetch(member)
        await hands.settle(*map(done, batch), holder=member)
        started += ids(batch)
    return started


@pytest.mark.parametrize("rate", ["10/1000", "1/100/10"])
@pytest.mark.parametrize("queue", ["default", "another"])
@pytest.mark.parametrize("lanes", [1, 150])
async def test_a_heavy_job_is_not_passed_by_light_ones_of_its_key_for_ever(
    hands: Hands, rate: str, queue: str, lanes: int
) -> None:
    await hands.put(*[new_job(queue=queue, lane_key=f"g={n % lanes};r=key:{rate}") for n in range(300)])
    await second(hands)
    await hands.put(new_job("heavy", lane_key=f"r=key:{rate}", weight=8))
    seconds = 1
    while "heavy" not in await second(hands):
        seconds += 1
        assert seconds <= 4 + lanes // 10


async def test_the_heavy_job_for_which_room_is_kept_comes_before_hundreds_that_wait_longer(hands: Hands) -> None:
    await hands.put(*[new_job(lane_key=f"g={number};{RATE}") for number in range(150)])
    await hands.fetch("w1", want=500)
    await drained(hands, "w1")
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert len(await hands.fetch("w1", want=5)) == 5
    await hands.put(new_job("heavy", lane_key=f"c=free:5;{RATE}", weight=8, priority=1))
    assert len(await hands.fetch("w1", want=500)) == 5
    await drained(hands, "w1")
    await hands.put(new_job("late", lane_key=f"g=late;{RATE}"))
    assert await hands.fetch("w1") == []
    hands.clock.forward(1_000)
    await hands.shard.promote()
    started = [job_id for _ in range(4) for job_id in ids(await hands.fetch("w1", want=1))]
    assert (started[0], len(started)) == ("heavy", 3), "what it leaves is for others at once"


async def test_room_is_kept_also_for_a_job_that_counts_for_two(hands: Hands) -> None:
    rate = "r=key:2/1000"
    await hands.active(new_job(lane_key=rate))
    await hands.put(new_job("heavy", lane_key=f"g=heavy;{rate}", weight=2))
    assert await fetched(hands) == []
    await hands.put(new_job("light", lane_key=rate))
    assert await fetched(hands) == []
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert await fetched(hands) == ["heavy"]


async def test_of_several_heavy_jobs_each_comes_in_its_turn(hands: Hands) -> None:
    for number in range(6):
        await hands.put(*[new_job(f"{lane}{number}", lane_key=f"g={lane};{RATE}", weight=7) for lane in "abz"])
    started = [job_id[0] for _ in range(20) for job_id in await second(hands)]
    assert sorted(started) == sorted("abz" * 6)
    assert all(set(started[at : at + 6]) == set("abz") for at in range(0, 12, 3))


async def test_room_is_kept_for_a_heavy_job_of_another_lane_before_that_of_one_which_has_just_been_served(
    hands: Hands,
) -> None:
    for job_id in ("a0", "a1", "b0"):
        await hands.put(new_job(job_id, lane_key=f"g={job_id[0]};{RATE}", weight=7))
    assert [job_id for _ in range(4) for job_id in await second(hands)] == ["a0", "b0", "a1"]


async def test_what_is_more_urgent_passes_a_heavy_job(hands: Hands) -> None:
    await hands.put(*[new_job(lane_key=RATE, priority=5) for _ in range(5)])
    await hands.put(new_job("heavy", lane_key=f"g=heavy;{RATE}", weight=8, priority=7))
    assert len(await second(hands)) == 5
    await hands.put(new_job("urgent", lane_key=RATE, priority=1), new_job("not", lane_key=RATE, priority=8))
    hands.clock.forward(-500)
    await hands.shard.promote()
    assert await fetched(hands) == ["urgent"]


@pytest.mark.parametrize("fate", ["cancelled", "paused", "of a type that nobody knows"])
async def test_room_is_not_kept_for_a_heavy_job_that_cannot_come(hands: Hands, fate: str) -> None:
    slow = "r=key:10/60000"
    await hands.put(*[new_job(lane_key=slow) for _ in range(5)])
    type_name = "odd" if fate.startswith("of") else "noop"
    await hands.put(new_job("heavy", queue="other", lane_key=slow, weight=8, type=type_name))
    await hands.fetch("w1", types=BOTH)
    assert await fetched(hands, types=BOTH) == []
    if fate == "cancelled":
        await hands.shard.cancel(["heavy"], {})
    elif fate == "paused":
        await hands.shard.set_rule("q/other", {"paused": {"reason": "why"}})
    await hands.put(*[new_job(f"light{number}", lane_key=slow) for number in range(5)])
    assert await fetched(hands) == []
    started = [job_id for _ in range(12) for job_id in await second(hands)]
    assert started == [f"light{number}" for number in range(5)]


async def test_room_is_not_kept_for_a_heavy_job_that_another_key_holds_back(hands: Hands) -> None:
    await hands.active(new_job(lane_key="c=busy:1"))
    await hands.active(*[new_job(lane_key=RATE) for _ in range(5)])
    await hands.put(new_job("heavy", lane_key=f"o=x;{RATE};c=busy:1", weight=8))
    assert await fetched(hands) == []
    await hands.put(new_job("light", lane_key=RATE))
    assert await fetched(hands) == ["light"]


@pytest.mark.parametrize("first", ["urgent", "other"])
async def test_room_is_kept_for_the_most_urgent_of_several_heavy_jobs(hands: Hands, first: str) -> None:
    await hands.active(*[new_job(lane_key=RATE) for _ in range(5)])
    for name in ("urgent", "other") if first == "urgent" else ("other", "urgent"):
        await hands.put(new_job(name, lane_key=f"g={name};{RATE}", weight=8, priority=3 if name == "urgent" else 7))
        assert await fetched(hands) == []
    kept = await hands.shard.link.command("HGET", hands.shard.keys.fixed("rates"), "r/key!")
    assert kept.endswith(b" 3:g=urgent;" + RATE.encode())
