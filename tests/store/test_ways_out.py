"""However a job leaves that has not ended, what waited for it comes: its follower, its order, who counts or watches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from jobd.domain.delivery import Delivery, NewJob
from jobd.domain.state import State
from jobd.domain.when import When
from jobd.store.edits import Move
from jobd.store.shard import Settlement
from tests.store import raw
from tests.store.hands import Clock, Hands, cancelled, done, failed, ids, new_job, retried
from tests.store.unique_jobs import DEBOUNCE, KEEP_LAST, THROTTLE, job

pytestmark = pytest.mark.usefixtures("watched_worker")

EVERY = frozenset(State)
ENDED_TOO = "key:k:wdbac:0"
LIMIT = When(after_ms=10_000)

Way = Callable[[Hands], Awaitable[None]]


async def is_cancelled(hands: Hands) -> None:
    assert await hands.shard.cancel(["a"], {}) == ["cancelled"]


async def is_removed(hands: Hands) -> None:
    assert await hands.shard.delete(["a"], EVERY) == ["gone"]


async def expires(hands: Hands) -> None:
    hands.clock.forward(10_000)
    assert await hands.shard.expire() == 1


async def is_moved(hands: Hands) -> None:
    spec = await hands.shard.link.command("HGET", hands.shard.keys.fixed("jobs"), "a")
    assert await hands.shard.move([Move("a", spec, new_job("moved", queue="elsewhere"))], {}) == ["moved"]


async def loses_its_key(hands: Hands) -> None:
    assert (await hands.shard.free_unique("key"))[0]


WAYS = [is_cancelled, is_removed, expires, is_moved]


async def between_attempts(hands: Hands, lane_key: str = "") -> None:
    """A job that has started, and is delayed for a minute."""
    (running,) = await hands.active(job("a", KEEP_LAST, deadline=LIMIT, lane_key=lane_key))
    await hands.settle(retried(running, 60_000))


async def idle_scheduler(hands: Hands) -> None:
    await hands.shard.join("s1", lease_ms=60_000, lines=["@scheduler"], about=b"{}")
    await hands.shard.promote("s1")


# --- who follows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leaves", [*WAYS, loses_its_key])
async def test_who_follows_comes_at_once_and_wakes_a_worker(
    hands: Hands, whole: Callable[[], raw.Raw], leaves: Way
) -> None:
    await between_attempts(hands)
    await hands.put(job("b", KEEP_LAST))
    assert await hands.fetch() == []
    await leaves(hands)
    whole()
    assert await hands.words("w1") == ["wake"]
    assert "b" in ids(await hands.fetch())


@pytest.mark.parametrize("leaves", [*WAYS, loses_its_key])
async def test_who_follows_and_is_due_later_is_delayed_until_then_and_wakes_a_scheduler(
    hands: Hands, clock: Clock, whole: Callable[[], raw.Raw], leaves: Way
) -> None:
    await between_attempts(hands)
    await hands.put(job("b", KEEP_LAST, due="+15000"))
    await idle_scheduler(hands)
    begun = clock.ms
    await leaves(hands)
    whole()
    assert await hands.words("s1") == ["wake"]
    assert await hands.states("b") == [State.DELAYED]
    clock.ms = begun + 15_000
    await hands.shard.promote()
    assert "b" in ids(await hands.fetch())


@pytest.mark.parametrize("leaves", [*WAYS, loses_its_key])
async def test_who_follows_to_the_front_of_an_order_is_not_stopped_by_what_stops_the_first_there(
    hands: Hands, whole: Callable[[], raw.Raw], leaves: Way
) -> None:
    await hands.shard.set_rule("g/default/shut", {"paused": {"reason": "why"}})
    await between_attempts(hands)
    await hands.put(new_job("first", lane_key="g=shut;o=key"), job("b", KEEP_LAST, lane_key="o=key", front=True))
    assert await hands.fetch() == []
    await leaves(hands)
    whole()
    assert "b" in ids(await hands.fetch())


@pytest.mark.parametrize(
    ("follower", "woken", "state"),
    [
        (job("b", ENDED_TOO), "w1", State.WAITING),
        (job("b", ENDED_TOO, due="+500"), "s1", State.DELAYED),
        (job("b", ENDED_TOO, lane_key="o=key", front=True), "w1", State.WAITING),
    ],
    ids=["now", "later", "to the front"],
)
async def test_who_follows_one_that_has_ended_comes_when_that_is_removed_by_its_age(
    hands: Hands, whole: Callable[[], raw.Raw], follower: NewJob, woken: str, state: State
) -> None:
    await hands.shard.set_rule("g/default/shut", {"paused": {"reason": "why"}})
    (running,) = await hands.active(job("a", ENDED_TOO))
    await hands.settle(done(running))
    await hands.put(new_job("first", lane_key="g=shut;o=key"), follower)
    assert await hands.fetch() == []
    await idle_scheduler(hands)
    assert await hands.states("b") == [State.BLOCKED]
    assert await hands.shard.prune("default", State.COMPLETED, 0) == 1
    whole()
    assert await hands.words(woken) == ["wake"]
    assert await hands.states("b") == [state]
    hands.clock.forward(500)
    await hands.shard.promote()
    assert ids(await hands.fetch()) == ["b"]


# --- who waits for a turn, a place, a word ---------------------------------------------------------------------------


@pytest.mark.parametrize("leaves", WAYS)
async def test_the_next_one_of_its_order_comes_and_wakes_a_worker(
    hands: Hands, whole: Callable[[], raw.Raw], leaves: Way
) -> None:
    await between_attempts(hands, lane_key="o=k")
    await hands.put(new_job("next", lane_key="o=k"))
    assert await hands.fetch() == []
    await leaves(hands)
    whole()
    assert await hands.words("w1") == ["wake"]
    assert "next" in ids(await hands.fetch())


@pytest.mark.parametrize("state", [State.WAITING, State.DELAYED, State.BLOCKED])
@pytest.mark.parametrize("leaves", [is_cancelled, is_removed, is_moved])
async def test_its_group_its_key_and_whoever_watches_it_learn_of_it(
    hands: Hands, whole: Callable[[], raw.Raw], leaves: Way, state: State
) -> None:
    leaver = job("a", lane_key="g=x", due="+1000" if state is State.DELAYED else "")
    if state is State.BLOCKED:
        await hands.shard.stage("batch", [leaver])
    else:
        await hands.put(leaver)
    assert await hands.states("a") == [state]
    assert await hands.shard.watch("a", "client") == "watching"
    await leaves(hands)
    found = whole()
    assert (found.grouped, found.uniques) == ({}, {})
    assert await hands.words("client") == ["ended a"]
    assert await hands.put(job("another", lane_key="g=x")) == [True]


@pytest.mark.parametrize("limit", ["key", "queue", "order"])
async def test_a_job_that_is_removed_while_it_runs_makes_room_and_its_worker_and_who_watches_it_are_told(
    hands: Hands, whole: Callable[[], raw.Raw], limit: str
) -> None:
    lane_key = {"key": "c=k:1", "queue": "", "order": "o=k"}[limit]
    if limit == "queue":
        await hands.shard.set_rule("q/default", {"concurrency": 1})
    await hands.join("w2")
    await hands.put(job("a", lane_key=lane_key), new_job("next", lane_key=lane_key))
    (running,) = await hands.fetch(want=1)
    assert await hands.fetch("w2") == []
    await hands.shard.watch("a", "client")
    assert await hands.shard.delete(["a"], EVERY) == ["gone"]
    whole()
    assert await hands.words("w1") == [f"cancel a {running.fence}"]
    assert await hands.words("client") == ["ended a"]
    assert await hands.words("w2") == ["wake"]
    assert ids(await hands.fetch("w2")) == ["next"]
    assert await hands.settle(done(running)) == [2]
    assert await hands.states("a") == [None]


@pytest.mark.parametrize("unique", ["key:s:wdbacfx:0", THROTTLE])
@pytest.mark.parametrize("end", [done, failed, cancelled])
async def test_a_key_that_ended_jobs_keep_is_free_when_its_owner_is_removed_by_hand(
    hands: Hands, whole: Callable[[], raw.Raw], end: Callable[[Delivery], Settlement], unique: str
) -> None:
    (running,) = await hands.active(job("a", unique))
    await hands.settle(end(running))
    assert await hands.shard.delete(["a"], EVERY) == ["gone"]
    assert whole().uniques == {}
    assert await hands.put(job("b")) == [True]


async def test_a_job_that_gets_another_type_and_place_from_a_newer_one_gives_up_the_turn_it_had(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(job("a", DEBOUNCE, type="odd", lane_key="o=k"), new_job("next", lane_key="o=k"))
    assert await hands.fetch() == []
    assert whole().holds == {"o/default/k": "a"}
    await hands.put(job("b", DEBOUNCE, due="+1000"))
    whole()
    assert ids(await hands.fetch()) == ["next"]
