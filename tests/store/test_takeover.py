"""What a dead worker held, and what ran too long, is taken over and settled as lost."""

from __future__ import annotations

import pytest

from jobd.domain.settle import COMPLETED
from jobd.domain.state import State
from jobd.errors import LeaseLost
from jobd.store.shard import DEADLINE_MARGIN_MS, Settlement, Shard
from tests.store.hands import LEASE_MS, LOST, Clock, Hands, LossyLink, done, ended, given_back, ids, new_job


async def test_a_worker_whose_lease_has_run_out_loses_its_jobs(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    batch = await hands.active(new_job("a"), new_job("b"))
    clock.forward(LEASE_MS)
    await hands.monitor()
    assert await hands.take_over() == []
    clock.forward(1)
    lost = await hands.take_over()
    assert [item.delivery.id for item in lost] == ["a", "b"]
    for item, before in zip(lost, batch, strict=True):
        assert (item.former_holder, item.overdue, item.neighbours, item.cause) == ("w1", False, 2, "")
        assert not item.holder_was_solo
        assert item.delivery.holder == "m1"
        assert item.delivery.fence > before.fence
        assert (item.delivery.attempt, item.delivery.deliveries) == (1, 1)
    assert await hands.states("a", "b") == [State.ACTIVE, State.ACTIVE]
    assert await shard.settle("m1", [ended(item.delivery, LOST, "lost") for item in lost]) == [1, 1]
    assert await hands.states("a", "b") == [State.WAITING, State.WAITING]
    assert await hands.take_over() == []
    left = {shard.keys.member("w1"), shard.keys.held("w1"), shard.keys.inbox("w1")}
    assert await shard.link.command("EXISTS", *left) == 0
    assert await shard.link.command("ZRANGE", shard.keys.fixed("leases"), 0, -1) == [b"m1"]


async def test_what_a_zombie_settles_after_the_takeover_is_refused(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    (old,) = await hands.active(new_job("a"))
    clock.forward(LEASE_MS + 1)
    await hands.monitor()
    await hands.take_over()
    zombie = Settlement(old.id, old.fence, COMPLETED, result=b"1", children=[new_job("child")])
    assert await shard.settle("w1", [zombie]) == [0]
    assert not await shard.say(old, "progress", b'"done":1')
    assert not await shard.say(old, "log", b'"level":"info","text":"x"')
    assert not await shard.say(old, "heartbeat", 1_000)
    assert await hands.states("a", "child") == [State.ACTIVE, None]


async def test_a_job_past_its_deadline_is_taken_alone_from_a_worker_that_lives(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join()
    await hands.monitor()
    late, other = await hands.active(new_job("late", timeout_ms=1_000), new_job("other", timeout_ms=2_000))
    clock.forward(1_000 + DEADLINE_MARGIN_MS)
    (item,) = await hands.take_over()
    assert (item.delivery.id, item.overdue, item.former_holder) == ("late", True, "w1")
    assert await shard.settle("w1", [done(late), done(other)]) == [0, 1]


async def test_a_repeated_fetch_does_not_hand_out_again_what_was_taken_over(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join()
    await hands.monitor()
    await hands.active(new_job("late", timeout_ms=1_000), new_job("other"))
    clock.forward(1_000 + DEADLINE_MARGIN_MS)
    assert len(await hands.take_over()) == 1
    assert ids(await hands.fetch_again()) == ["other"]


async def test_a_heartbeat_moves_the_deadline(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    await hands.monitor()
    (delivery,) = await hands.active(new_job("a", timeout_ms=1_000))
    clock.forward(15_000)
    assert await shard.say(delivery, "heartbeat", 4_000)
    clock.forward(3_999)
    assert await hands.take_over() == []
    clock.forward(1)
    assert len(await hands.take_over()) == 1


async def test_a_worker_seen_to_die_loses_its_jobs_at_once_and_the_cause_is_told(hands: Hands, shard: Shard) -> None:
    await hands.join("solo", "!*")
    await hands.join()
    await hands.monitor()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [ended(delivery, LOST, "lost")])
    await hands.fetch("solo")
    assert await shard.leave("solo", "killed by signal 9") == 1
    (item,) = await hands.take_over()
    assert (item.cause, item.holder_was_solo, item.neighbours) == ("killed by signal 9", True, 1)
    assert item.delivery.suspect


async def test_the_answer_is_given_again_until_its_jobs_are_settled(hands: Hands, shard: Shard, clock: Clock) -> None:
    """A reply that was lost must not leave jobs in the hands of a monitor that does not know of them."""
    await hands.join()
    await hands.active(new_job("a"), new_job("b"))
    await shard.leave("w1", "it died")
    await hands.monitor()
    shard.link = link = LossyLink(shard.link)
    link.losing = 1
    lost = await hands.take_over()
    assert sorted(item.delivery.id for item in lost) == ["a", "b"]
    assert {(item.former_holder, item.cause, item.neighbours) for item in lost} == {("w1", "it died", 2)}
    await hands.join("w2")
    await hands.active(new_job("c"), member="w2")
    await shard.leave("w2")
    again, start, more = await shard.take_over("m1")
    assert sorted(item.delivery.fence for item in again) == sorted(item.delivery.fence for item in lost)
    assert (start, more) == (0, True)
    await shard.settle("m1", [ended(again[0].delivery, LOST, "lost")])
    assert [item.delivery.id for item in await hands.take_over()] == [again[1].delivery.id]
    await shard.settle("m1", [ended(again[1].delivery, LOST, "lost")])
    assert [item.delivery.id for item in await hands.take_over()] == ["c"]


async def test_a_monitor_that_dies_with_jobs_in_hand_loses_them_to_the_next(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join("solo", "!*")
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [ended(delivery, LOST, "lost")])
    await hands.fetch("solo")
    await shard.leave("solo", "exit code 1")
    await hands.monitor("m1")
    (first,) = await hands.take_over("m1")
    clock.forward(LEASE_MS + 1)
    await hands.monitor("m2")
    (second,) = await hands.take_over("m2")
    assert second.delivery.fence > first.delivery.fence
    assert (second.former_holder, second.cause, second.neighbours, second.holder_was_solo) == (
        "solo",
        "exit code 1",
        1,
        True,
    )
    assert await shard.settle("m1", [ended(first.delivery, LOST, "lost")]) == [0]
    assert await shard.settle("m2", [ended(second.delivery, LOST, "lost")]) == [1]
    assert await hands.states("a") == [State.WAITING]


@pytest.mark.parametrize("step_ms", [1, 30_000, 3_600_000])
async def test_a_clock_that_steps_back_does_not_keep_the_jobs_of_the_dead(
    hands: Hands, shard: Shard, clock: Clock, step_ms: int
) -> None:
    await hands.join()
    await hands.active(new_job("a"))
    await hands.monitor()
    clock.forward(-step_ms)
    assert await hands.take_over() == []
    clock.forward(LEASE_MS)
    await shard.renew(["m1"], LEASE_MS, patience_s=1)
    assert await hands.take_over() == []
    clock.forward(1)
    assert [item.delivery.id for item in await hands.take_over()] == ["a"]


async def test_a_long_lease_is_left_as_it_is(hands: Hands, shard: Shard, clock: Clock) -> None:
    await shard.join("long", lease_ms=3_600_000, lines=["*"], about=b"{}")
    await hands.active(new_job("a"), member="long")
    await hands.monitor()
    assert await hands.take_over() == []
    clock.forward(3_600_000)
    await hands.monitor("m2")
    assert await hands.take_over("m2") == []
    clock.forward(1)
    assert len(await hands.take_over("m2")) == 1


async def test_a_monitor_without_a_lease_takes_nothing(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    await hands.active(new_job("a"))
    await hands.monitor()
    clock.forward(LEASE_MS + 1)
    with pytest.raises(LeaseLost):
        await hands.take_over()
    with pytest.raises(LeaseLost):
        await hands.take_over("stranger")
    assert (await hands.job("a")).worker == "w1"


async def test_many_jobs_are_taken_in_several_calls_and_each_tells_how_many_neighbours_it_had(
    hands: Hands, shard: Shard
) -> None:
    await hands.join()
    await hands.active(*[new_job() for _ in range(25)])
    await shard.leave("w1")
    await hands.monitor()
    seen = []
    more, start = True, 0
    while more or start:
        lost, start, more = await shard.take_over("m1", most=12, start=start)
        seen += [item.neighbours for item in lost]
        await shard.settle("m1", [ended(item.delivery, LOST, "lost") for item in lost])
    assert seen == [25] * 25
    assert await hands.counts() == {State.WAITING: 25}
    assert await shard.link.command("EXISTS", shard.keys.member("w1")) == 0


async def test_the_dead_the_living_and_the_late_are_all_seen_however_many(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    for number in range(70):
        await hands.join(f"dead-{number}")
        await hands.active(new_job(), member=f"dead-{number}")
    await hands.join("late")
    await hands.active(new_job(timeout_ms=1), member="late")
    clock.forward(LEASE_MS + 1)
    for number in range(240):
        await hands.join(f"w{number:03}")
        await hands.active(new_job("overdue" if number == 239 else "", timeout_ms=1), member=f"w{number:03}")
    await hands.monitor()
    clock.forward(2 + DEADLINE_MARGIN_MS)
    taken = 0
    more, start = True, 0
    while more or start:
        lost, start, more = await shard.take_over("m1", most=40, start=start)
        taken += len(lost)
        await shard.settle("m1", [ended(item.delivery, LOST, "lost") for item in lost])
    assert taken == 70 + 1 + 240
    assert await hands.counts() == {State.WAITING: 311}


async def test_that_more_have_died_than_are_looked_at_at_once_is_told_even_if_those_had_no_jobs(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    for number in range(33):
        await hands.join(f"dead-{number:02}")
    await hands.active(new_job("a"), member="dead-32")
    clock.forward(LEASE_MS + 1)
    await hands.monitor()
    assert await shard.take_over("m1") == ([], 0, True)
    assert [item.delivery.id for item in await hands.take_over()] == ["a"]


async def test_an_idle_monitor_is_woken_when_a_worker_leaves_jobs_behind(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.monitor()
    await hands.active(new_job("a"))
    assert await hands.take_over() == []
    await shard.leave("w1")
    assert await hands.words("m1") == ["wake"]


async def test_a_monitor_that_leaves_with_jobs_in_hand_wakes_another_and_not_itself(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.active(new_job("a"))
    for monitor in ("m1", "m2"):
        await hands.monitor(monitor)
        assert await hands.take_over(monitor) == []
    await shard.leave("w1")
    (woken,) = [monitor for monitor in ("m1", "m2") if await hands.words(monitor)]
    await hands.take_over(woken)
    await shard.link.command("SADD", shard.keys.idle("@monitor"), woken)
    await shard.leave(woken)
    assert await hands.words(woken) == []
    assert await hands.words({"m1": "m2", "m2": "m1"}[woken]) == ["wake"]


async def test_a_job_given_back_before_the_takeover_is_not_taken(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [given_back(delivery)])
    clock.forward(LEASE_MS + 1)
    await hands.monitor()
    assert await hands.take_over() == []
    await hands.join("w2")
    assert ids(await hands.fetch("w2")) == ["a"]


@pytest.mark.damages
async def test_a_member_that_works_and_watches_does_not_take_its_own_jobs(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join("both")
    await hands.join("w2")
    await hands.active(new_job("mine"), member="both")
    await hands.active(new_job("theirs"), member="w2")
    await shard.leave("w2")
    (item,) = await hands.take_over("both")
    assert item.delivery.id == "theirs"
    await shard.settle("both", [ended(item.delivery, given_back(item.delivery).verdict)])
    (again,) = await hands.fetch("both")
    assert again.id == "theirs"
    assert await hands.take_over("both") == []
    assert await hands.states("mine", "theirs") == [State.ACTIVE, State.ACTIVE]


async def test_a_job_that_is_removed_in_the_hands_of_a_monitor_does_not_stop_it(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.active(new_job("a"), new_job("b"))
    await shard.leave("w1")
    await hands.monitor()
    assert len(await hands.take_over()) == 2
    assert await shard.delete(["a"], [State.ACTIVE]) == ["gone"]
    (item,) = await hands.take_over()
    assert item.delivery.id == "b"


@pytest.mark.damages
async def test_who_works_and_watches_and_dies_is_said_to_have_held_what_it_ran_itself(
    hands: Hands, shard: Shard
) -> None:
    await hands.join("both")
    await hands.join()
    await hands.active(new_job("a"))
    await shard.leave("w1", "it died")
    (item,) = await hands.take_over("both")
    assert item.former_holder == "w1"
    await shard.settle("both", [given_back(item.delivery)])
    assert ids(await hands.fetch("both")) == ["a"]
    await shard.leave("both", "it died too")
    await hands.monitor()
    (item,) = await hands.take_over()
    assert (item.former_holder, item.cause) == ("both", "it died too")


async def test_a_long_lease_is_not_prolonged_by_whoever_watches(hands: Hands, shard: Shard, clock: Clock) -> None:
    await shard.join("long", lease_ms=3_600_000, lines=["*"], about=b"{}")
    await hands.active(new_job("a"), member="long")
    clock.forward(1_800_000)
    await hands.monitor()
    assert await hands.take_over() == []
    clock.forward(1_800_001)
    await hands.monitor("m2")
    assert len(await hands.take_over("m2")) == 1


async def test_no_more_is_taken_in_one_call_than_was_asked_for_however_many_have_died(
    hands: Hands, shard: Shard
) -> None:
    for worker in ("w1", "w2", "w3"):
        await hands.join(worker)
        await hands.active(*[new_job() for _ in range(4)], member=worker)
    for worker in ("w1", "w2", "w3"):
        await shard.leave(worker)
    await hands.monitor()
    lost, _, more = await shard.take_over("m1", most=8)
    assert (len(lost), more) == (8, True)


@pytest.mark.damages
async def test_a_job_whose_spec_is_lost_keeps_no_other_one_from_being_taken_over(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.active(new_job("a"), new_job("b"))
    await shard.link.command("HDEL", shard.keys.fixed("jobs"), "a")
    await shard.leave("w1")
    await hands.monitor()
    (item,) = await hands.take_over()
    assert item.delivery.id == "b"
