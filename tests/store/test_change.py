"""Jobs that have not started are changed, moved and removed, at the edges."""

from __future__ import annotations

import pytest

from jobd.domain.delivery import NewJob
from jobd.domain.state import State
from jobd.store.edits import Change, Move
from jobd.store.shard import Shard
from tests.store.hands import LOST, Clock, Hands, LossyLink, done, ended, failed, ids, new_job, retried

pytestmark = pytest.mark.usefixtures("watched_worker")

STAMP = bytes(9)
ANY = frozenset(State) - {State.ACTIVE}


def change(old: NewJob, new: NewJob | None = None, due: str = "") -> Change:
    return Change(old.id, STAMP + old.spec, new.spec, due) if new else Change(old.id, due=due)


def move(old: NewJob, new: NewJob) -> Move:
    return Move(old.id, STAMP + old.spec, new)


async def test_a_waiting_job_comes_to_the_line_of_its_new_priority_and_leaves_the_old(
    hands: Hands, shard: Shard
) -> None:
    await hands.join()
    jobs = [new_job(name) for name in "abc"]
    await hands.put(*jobs)
    assert await shard.change([change(jobs[2], new_job("c", priority=1))]) == ["done"]
    assert ids(await hands.fetch(want=2)) == ["c", "a"]
    assert ids(await hands.fetch()) == ["b"]


async def test_a_job_of_a_batch_is_released_by_the_priority_that_it_has_then(hands: Hands, shard: Shard) -> None:
    await hands.join()
    jobs = [new_job("a", priority=4), new_job("b"), new_job("c")]
    await shard.stage("batch", jobs)
    assert await shard.change([change(jobs[2], new_job("c", priority=1))]) == ["done"]
    assert await shard.commit("batch", 3)
    assert await shard.release("batch") == 0
    assert ids(await hands.fetch()) == ["c", "a", "b"]


async def test_a_job_that_is_changed_there_and_back_is_given_out_once(hands: Hands, shard: Shard) -> None:
    await hands.join()
    plain, urgent = new_job("a"), new_job("a", priority=1)
    await hands.put(plain, new_job("b"))
    await shard.change([change(plain, urgent)])
    await shard.change([change(urgent, plain)])
    assert sorted(ids(await hands.fetch())) == ["a", "b"]
    assert await hands.fetch() == []


async def test_the_new_payload_is_what_is_delivered(hands: Hands, shard: Shard) -> None:
    await hands.join()
    old = new_job("a", payload=b'{"n":1}')
    await hands.put(old)
    assert await shard.change([change(old, new_job("a", payload=b'{"n":2}'))]) == ["done"]
    (delivery,) = await hands.fetch()
    assert delivery.payload == b'{"n":2}'


async def test_who_changes_what_another_has_changed_meanwhile_is_told(hands: Hands, shard: Shard) -> None:
    old, theirs, ours = new_job("a"), new_job("a", payload=b"1"), new_job("a", payload=b"2")
    await hands.put(old)
    await shard.change([change(old, theirs)])
    assert await shard.change([change(old, ours)]) == ["stale"]
    assert await shard.change([change(theirs, ours)]) == ["done"]


async def test_a_change_that_is_repeated_is_made_once(hands: Hands, shard: Shard) -> None:
    old = new_job("a")
    await hands.put(old)
    shard.link = link = LossyLink(shard.link)
    link.losing = 1
    assert await shard.change([change(old, new_job("a", priority=1), "+1000")]) == ["done"]
    assert await hands.counts() == {State.DELAYED: 1}


async def test_a_job_that_runs_or_has_ended_is_not_changed(hands: Hands, shard: Shard) -> None:
    await hands.join()
    one, two = new_job("one"), new_job("two")
    first, _ = await hands.active(one, two)
    await hands.settle(done(first))
    urgent = [change(job, new_job(job.id, priority=1), "+5") for job in (one, two, new_job("three"))]
    assert await shard.change(urgent) == ["completed", "active", "missing"]
    assert [job.priority for job in (await hands.job("one"), await hands.job("two"))] == [5, 5]


async def test_a_delayed_job_is_promoted_and_a_waiting_one_rescheduled(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join()
    await hands.put(new_job("later", due="+5000"), new_job("now"))
    await shard.change([Change("later", due="now"), Change("now", due="+100")])
    assert await hands.counts() == {State.WAITING: 1, State.DELAYED: 1}
    assert ids(await hands.fetch()) == ["later"]
    clock.forward(100)
    assert await shard.promote() == (1, None)
    assert ids(await hands.fetch()) == ["now"]


async def test_a_job_that_waits_keeps_its_place_when_it_is_promoted(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(new_job("a"), new_job("b"))
    assert await shard.change([Change("a", due="now")]) == ["done"]
    assert ids(await hands.fetch()) == ["a", "b"]


async def test_a_retry_that_is_promoted_goes_before_those_that_have_not_run(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("again"))
    await hands.settle(retried(delivery, 60_000))
    await hands.put(new_job("fresh"))
    await shard.change([Change("again", due="now")])
    (first, _) = await hands.fetch()
    assert (first.id, first.attempt) == ("again", 2)


async def test_a_suspect_stays_one_whatever_is_changed(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.join("solo", "!*")
    old = new_job("a")
    (delivery,) = await hands.active(old)
    await hands.settle(ended(delivery, LOST, "lost"))
    await shard.change([change(old, new_job("a", priority=1))])
    assert await hands.fetch() == []
    assert ids(await hands.fetch("solo")) == ["a"]


async def test_a_promotion_wakes_an_idle_worker_and_a_nearer_time_the_scheduler(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await shard.join("s1", lease_ms=60_000, lines=["@scheduler"], about=b"{}")
    await hands.put(new_job("later", due="+5000"))
    assert await hands.fetch() == []
    await shard.promote("s1")
    await shard.change([Change("later", due="+10")])
    assert await hands.words("s1") == ["wake"]
    await shard.change([Change("later", due="now")])
    assert await hands.words("w1") == ["wake"]


async def test_a_job_that_leaves_the_order_of_its_key_gives_up_its_turn(hands: Hands, shard: Shard) -> None:
    await hands.join()
    first = new_job("first", lane_key="o=k")
    (delivery,) = await hands.active(first)
    await hands.put(new_job("second", lane_key="o=k"))
    await hands.settle(retried(delivery, 1_000))
    assert await hands.fetch() == []
    await shard.change([Change("first", due="now")])
    (delivery,) = await hands.fetch()
    assert delivery.id == "first"
    await hands.settle(retried(delivery, 0))
    await shard.promote()
    assert await shard.change([change(first, new_job("first"))]) == ["done"]
    assert sorted(ids(await hands.fetch())) == ["first", "second"]


# --- moved -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["o=other", ""])
async def test_a_retry_that_leaves_the_order_of_its_key_while_it_is_delayed_gives_up_its_turn(
    hands: Hands, shard: Shard, clock: Clock, key: str
) -> None:
    await hands.join()
    first, second = new_job("a", lane_key="o=key"), new_job("b", lane_key="o=key")
    (running,) = await hands.active(first)
    await hands.put(second)
    await hands.settle(retried(running, 1_000))
    assert await hands.fetch() == []
    assert await shard.change([change(first, new_job("a", lane_key=key))]) == ["done"]
    assert ids(await hands.fetch()) == ["b"]
    clock.forward(1_000)
    await shard.promote()
    assert ids(await hands.fetch()) == ["a"]


@pytest.mark.parametrize("start", ["waiting", "delayed", "blocked", "failed"])
async def test_a_job_is_moved_from_any_state_in_which_nobody_works_on_it(
    hands: Hands, shard: Shard, start: str
) -> None:
    await hands.join()
    old = new_job("old", due="+5000" if start == "delayed" else "")
    if start == "blocked":
        await shard.stage("batch", [old])
    elif start == "failed":
        await hands.settle(failed((await hands.active(old))[0]))
    else:
        await hands.put(old)
    new = new_job("new", queue="other")
    assert await shard.move([move(old, new)], {"reason": "elsewhere"}) == ["moved"]
    job = await hands.job("old")
    assert (job.status, job.reason, job.moved_to) == (State.CANCELLED, "elsewhere", "new")
    assert await hands.counts() == {State.CANCELLED: 1}
    assert await hands.counts("other") == {State.WAITING: 1}
    assert ids(await hands.fetch()) == ["new"]
    assert await shard.promote() == (0, None)


async def test_a_move_that_is_repeated_makes_one_job(hands: Hands, shard: Shard) -> None:
    old = new_job("old")
    await hands.put(old)
    shard.link = link = LossyLink(shard.link)
    link.losing = 1
    assert await shard.move([move(old, new_job("new", queue="other"))], {}) == ["moved"]
    assert await shard.move([move(old, new_job("newer", queue="other"))], {}) == ["cancelled"]
    assert await hands.counts("other") == {State.WAITING: 1}


async def test_a_job_that_is_twice_in_one_call_is_moved_once(hands: Hands, shard: Shard) -> None:
    old = new_job("old")
    await hands.put(old)
    moves = [move(old, new_job(name, queue="other")) for name in ("new", "newer")]
    assert await shard.move(moves, {}) == ["moved", "moved"]
    assert await hands.counts() == {State.CANCELLED: 1}
    assert await hands.states("new", "newer") == [State.WAITING, None]


async def test_a_late_copy_of_a_move_does_not_cancel_what_was_run_again_meanwhile(hands: Hands, shard: Shard) -> None:
    old = new_job("old")
    await hands.put(old)
    for expected in ("moved", "moved"):
        assert await shard.move([move(old, new_job("new", queue="other"))], {}) == [expected]
        await shard.retry(["old"])
    assert await hands.states("old", "new") == [State.WAITING, State.WAITING]


async def test_what_runs_or_has_ended_well_or_was_changed_is_not_moved(hands: Hands, shard: Shard) -> None:
    await hands.join()
    jobs = [new_job(name) for name in ("runs", "done", "changed", "missing")]
    _, finished = await hands.active(*jobs[:2])
    await hands.settle(done(finished))
    await hands.put(new_job("changed", payload=b"1"))
    moves = [move(job, new_job(queue="other")) for job in jobs]
    assert await shard.move(moves, {}) == ["active", "completed", "stale", "missing"]
    assert await hands.counts("other") == {}
    assert await hands.counts() == {State.ACTIVE: 1, State.COMPLETED: 1, State.WAITING: 1}


async def test_a_job_that_completes_before_it_is_moved_is_not_made_again(hands: Hands, shard: Shard) -> None:
    """Who asks for a move and who settles race; one of them is first."""
    await hands.join()
    old = new_job("old")
    (delivery,) = await hands.active(old)
    assert await shard.move([move(old, new_job("new", queue="other"))], {}) == ["active"]
    assert await hands.settle(done(delivery)) == [1]
    assert await shard.move([move(old, new_job("new", queue="other"))], {}) == ["completed"]
    assert await hands.states("new") == [None]


# --- removed ---------------------------------------------------------------------------------------------------------


async def test_a_job_is_removed_with_all_that_is_known_of_it(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.say(delivery, "log", b'"level":"info","text":"x"')
    await shard.say(delivery, "progress", b'"done":1')
    await hands.settle(done(delivery, b"1"))
    assert await shard.delete(["a", "a", "b"], ANY) == ["gone", "gone", "missing"]
    assert await shard.delete(["a"], ANY) == ["gone"]
    assert await hands.counts() == {}
    left = {key.decode().rpartition(":")[2] for key in await shard.link.command("KEYS", "*") if b"gone" not in key}
    assert left <= {"counts", "leases", "w1"}


async def test_what_runs_is_not_removed_and_what_is_not_meant_stays(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.active(new_job("runs"))
    await hands.put(new_job("waits"), new_job("later", due="+5"))
    assert await shard.delete(["runs", "waits", "later"], {State.WAITING}) == ["active", "gone", "delayed"]
    assert await hands.fetch() == []
    assert await hands.counts() == {State.ACTIVE: 1, State.DELAYED: 1}


async def test_removing_what_waits_for_its_turn_or_has_it_lets_the_next_one_come(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("first", lane_key="o=k"))
    await hands.put(new_job("second", lane_key="o=k"), new_job("third", lane_key="o=k"))
    await hands.settle(retried(delivery, 60_000))
    assert await shard.delete(["first", "second"], ANY) == ["gone", "gone"]
    assert ids(await hands.fetch()) == ["third"]


async def test_whoever_waits_for_a_job_that_is_removed_is_told(hands: Hands, shard: Shard) -> None:
    await hands.put(new_job("a"))
    await shard.watch("a", "client")
    await shard.delete(["a"], ANY)
    assert await hands.words("client") == ["ended a"]
