"""Unique keys in the hands of people: jobs that run again, keys that are shown and freed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobd.domain.delivery import Met
from jobd.domain.job import moment
from jobd.domain.settle import COMPLETED
from jobd.domain.state import State
from jobd.domain.unique import UniqueKey
from jobd.store.shard import Settlement, Shard
from tests.store import raw
from tests.store.hands import (
    Arguments,
    BentLink,
    Clock,
    Hands,
    LossyLink,
    done,
    failed,
    ids,
    made_id,
    new_job,
    retried,
)
from tests.store.unique_jobs import KEEP_LAST, REPLACE, THROTTLE, job, owner, payload

pytestmark = pytest.mark.usefixtures("watched_worker")


async def test_a_job_that_is_run_again_by_hand_takes_its_key_again(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.settle(failed((await hands.active(job("a")))[0]))
    assert await hands.shard.retry(["a"]) == ["waiting"]
    whole()
    assert await hands.put(job("b")) == [Met("a", False)]


async def test_a_job_is_not_run_again_while_another_has_its_key(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.settle(failed((await hands.active(job("a")))[0]))
    await hands.settle(failed((await hands.active(job("b")))[0]))
    assert await hands.shard.retry(["a", "b"]) == ["waiting", "unique a"]
    whole()
    assert await hands.shard.retry(["b"]) == ["unique a"]
    assert await hands.states("b") == [State.FAILED]


async def test_the_period_of_a_throttled_key_does_not_stop_a_retry_by_hand(hands: Hands) -> None:
    (first,) = await hands.active(job("a", THROTTLE))
    await hands.settle(failed(first))
    hands.clock.forward(5_000)
    await hands.put(job("b", THROTTLE))
    assert await hands.shard.retry(["a"]) == ["waiting"]
    assert await owner(hands.shard) == "b"


@pytest.mark.parametrize(("due", "state"), [("", State.WAITING), ("+500", State.DELAYED)])
async def test_a_job_that_takes_its_key_again_from_one_that_does_not_stand_in_its_way_lets_the_follower_of_that_go(
    hands: Hands, whole: Callable[[], raw.Raw], due: str, state: State
) -> None:
    await hands.settle(failed((await hands.active(job("a", "key:s:wd:0")))[0]))
    await hands.active(job("b", KEEP_LAST))
    await hands.put(job("c", KEEP_LAST, due=due))
    assert await hands.shard.retry(["a"]) == ["waiting"]
    whole()
    assert await owner(hands.shard) == "a"
    assert await hands.states("c") == [state]


async def test_a_job_that_was_cancelled_run_again_and_replaced_remembers_both(hands: Hands) -> None:
    await hands.put(job("a", REPLACE))
    await hands.shard.cancel(["a"], {"by": "ann"})
    await hands.shard.retry(["a"])
    await hands.put(job("b", REPLACE, payload=b'{"n":2}'))
    assert await payload(hands, "a") == {"n": 2}
    record = await hands.shard.link.command("HGET", hands.shard.keys.fixed("runs"), "a")
    assert [word in record for word in (b"cancelled_at", b'"by":"ann"', b"retried_at")] == [True, True, True]


async def test_a_key_tells_who_has_it_since_when_and_until_when(hands: Hands, clock: Clock) -> None:
    await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST), job("c", "other:s:wdba:500"))
    keys, more = await hands.shard.unique_keys(0, 100)
    assert more == 0
    assert sorted(keys, key=lambda key: key.name) == [
        UniqueKey("key", "a", moment(clock.ms), None, "b"),
        UniqueKey("other", "c", moment(clock.ms), moment(clock.ms + 500), None),
    ]
    clock.forward(500)
    assert [key.name for key in (await hands.shard.unique_keys(0, 100))[0]] == ["key"]
    assert await hands.shard.unique_key("other") is None


async def test_a_key_is_freed_from_the_owner_that_is_named_and_no_other(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    (delivery,) = await hands.active(job("a"))
    was = await hands.shard.unique_key("key")
    assert await hands.shard.free_unique("key", "z") == (False, was)
    assert await hands.shard.free_unique("key", "a") == (True, was)
    assert await hands.shard.free_unique("key") == (True, None)
    await hands.put(job("b"))
    await hands.settle(done(delivery))
    assert await owner(hands.shard) == "b"


async def test_a_key_that_nobody_has_is_taken_from_nobody(hands: Hands, clock: Clock) -> None:
    assert await hands.shard.free_unique("key", "a") == (True, None)
    await hands.put(job("a", THROTTLE))
    clock.forward(5_000)  # its period is over
    assert await hands.shard.free_unique("key", "a") == (True, None)


async def test_freeing_a_key_lets_the_follower_go(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    await hands.shard.free_unique("key")
    assert whole().uniques == {}
    assert ids(await hands.fetch()) == ["b"]


async def test_an_owner_of_several_gates_lets_go_of_all(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    (delivery,) = await hands.active(job("a", lane_key="o=x;c=y:2"))
    assert whole().holds == {"o/default/x": "a", "c/y": "1"}
    await hands.settle(retried(delivery))
    assert await owner(hands.shard) == "a"
    hands.clock.forward(1_000)
    await hands.shard.promote()
    await hands.settle(Settlement("a", (await hands.fetch())[0].fence, COMPLETED))
    found = whole()
    assert (found.holds, found.uniques) == ({}, {})


@pytest.mark.parametrize("job_id", ["chosen", made_id()], ids=["chosen", "made"])
async def test_a_call_that_was_long_on_its_way_makes_nothing_that_a_later_one_was_told_is_not(
    hands: Hands, shard: Shard, clock: Clock, job_id: str
) -> None:
    await hands.join()
    (delivery,) = await hands.active(job("owner"))
    sent_us = clock.ms * 1_000
    clock.forward(500)
    (met,) = await hands.put(job(job_id))
    assert met == Met("owner", replaced=False)
    assert await hands.settle(done(delivery)) == [1]

    def earlier(first: Arguments, again: Arguments) -> Arguments:
        return [*first[:2], sent_us + 60_000_000, sent_us, "1", *first[5:]]

    shard.link = BentLink(shard.link, earlier)
    (answer,) = await hands.put(job(job_id))
    # an id that jobd has made is asked for in one call alone, which knows what it was told
    assert answer == (True if job_id != "chosen" else Met("owner", replaced=False))


async def test_freeing_a_key_that_is_repeated_leaves_it_to_whoever_has_taken_it_meanwhile(hands: Hands) -> None:
    await hands.put(new_job("a", unique="k:s:wdba:0"))
    hands.shard.link = lossy = LossyLink(hands.shard.link)
    run = hands.shard._run

    async def lose_the_reply(script: str, *arguments: Any, **how: Any) -> Any:
        lossy.losing = int(script == "free")
        return await run(script, *arguments, **how)

    async def another_comes() -> None:
        assert await hands.put(new_job("b", unique="k:s:wdba:0")) == [True]

    lossy.before_repeat = another_comes
    hands.shard._run = lose_the_reply  # type: ignore[method-assign]  # what is read before gets through
    await hands.shard.free_unique("k")
    key = await hands.shard.unique_key("k")
    assert key is not None
    assert key.owner == "b"


@pytest.mark.parametrize("states", ["wdbaf", "wdbacfx"])
async def test_a_job_that_has_kept_its_key_when_it_failed_is_run_again_with_it(
    hands: Hands, whole: Callable[[], raw.Raw], states: str
) -> None:
    await hands.settle(failed((await hands.active(job("a", f"key:s:{states}:0")))[0]))
    assert await hands.shard.retry(["a"]) == ["waiting"]
    whole()
    assert await owner(hands.shard) == "a"


async def test_a_job_takes_a_key_only_in_a_state_in_which_it_is_to_have_it(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    only_delayed = "key:s:d:0"
    (delivery,) = await hands.active(job("a", only_delayed))
    await hands.settle(failed(delivery))
    assert await hands.shard.retry(["a"]) == ["waiting"]
    await hands.put(job("b", only_delayed))
    whole()
    assert await owner(hands.shard) is None
    assert await hands.put(job("c", only_delayed, due="+1000")) == [True]
    assert await owner(hands.shard) == "c"


async def test_who_comes_twice_in_a_repeat_is_told_both_times_of_the_other_job(hands: Hands) -> None:
    await hands.put(job("a"))
    hands.shard.link = BentLink(hands.shard.link, lambda _, again: again)
    assert await hands.shard.stage("batch", [job("b"), job("b")]) == [Met("a", False), Met("a", False)]


async def test_a_job_of_a_batch_that_was_to_be_delayed_and_is_due_has_no_key_that_is_for_delayed_ones(
    hands: Hands, clock: Clock, whole: Callable[[], raw.Raw]
) -> None:
    await hands.shard.stage("batch", [job("a", "key:s:d:0", due="+1000")])
    clock.forward(1_000)
    await hands.shard.commit("batch", 1)
    await hands.shard.release("batch")
    whole()
    assert await owner(hands.shard) is None
