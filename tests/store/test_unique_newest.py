"""Unique keys whose owners are given the newest data; and lost replies and late copies, which change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from jobd.domain.delivery import Met
from jobd.domain.state import State
from jobd.domain.unique import Unique
from jobd.store.link import Argument
from jobd.store.shard import Settlement
from jobd.store.unique_keys import pack_unique
from tests.store import raw
from tests.store.hands import (
    BentLink,
    Hands,
    LossyLink,
    cancelled,
    done,
    failed,
    ids,
    new_job,
    retried,
)
from tests.store.unique_jobs import DEBOUNCE, INSISTING, KEEP_LAST, REPLACE, SIMPLE, THROTTLE, job, owner, payload

pytestmark = pytest.mark.usefixtures("watched_worker")


def test_what_people_ask_for_is_what_the_scripts_are_told() -> None:
    asked = {
        SIMPLE: Unique(),
        INSISTING: Unique(on_conflict="error"),
        THROTTLE: Unique(mode="throttle", period="5s"),
        DEBOUNCE: Unique(mode="debounce", period="5s"),
        REPLACE: Unique(mode="replace"),
        KEEP_LAST: Unique(mode="keep_last"),
    }
    assert [pack_unique(unique, "key") for unique in asked.values()] == list(asked)


# --- newest data -----------------------------------------------------------------------------------------------------


async def test_a_debounced_job_has_the_newest_data_and_its_delay_begins_anew(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(job("a", DEBOUNCE, due="+1000", payload=b"1"))
    hands.clock.forward(900)
    assert await hands.put(job("b", DEBOUNCE, due="+1000", payload=b"2")) == [Met("a", True)]
    hands.clock.forward(900)
    assert (await hands.shard.promote())[0] == 0
    assert await hands.put(job("c", DEBOUNCE, due="+1000", payload=b"3")) == [Met("a", True)]
    whole()
    hands.clock.forward(1_000)
    await hands.shard.promote()
    (delivery,) = await hands.fetch()
    assert (delivery.id, delivery.payload) == ("a", b"3")
    assert await hands.put(job("d", DEBOUNCE, due="+1000")) == [True]
    whole()


async def test_a_debounced_job_that_is_due_and_not_started_is_delayed_again(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(job("a", DEBOUNCE, due="+1000", payload=b"1"))
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert await hands.put(job("b", DEBOUNCE, due="+1000", payload=b"2")) == [Met("a", True)]
    assert await hands.counts() == {State.DELAYED: 1}
    assert await hands.fetch() == []
    hands.clock.forward(1_000)
    await hands.shard.promote()
    whole()
    assert [(delivery.id, delivery.payload) for delivery in await hands.fetch()] == [("a", b"2")]
    assert await hands.fetch() == []


async def test_a_replacement_brings_data_priority_and_time_and_keeps_the_id(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(job("a", REPLACE, payload=b"1", due="+9000", timeout_ms=5))
    await hands.put(*(new_job(f"n{at}") for at in range(3)))
    created = (await hands.job("a")).created_at
    hands.clock.forward(10)
    assert await hands.put(job("b", REPLACE, payload=b"2", priority=1, timeout_ms=6)) == [Met("a", True)]
    whole()
    now = await hands.job("a")
    assert (now.data, now.priority, now.status, now.timeout_ms) == (2, 1, State.WAITING, 6)
    assert now.created_at == created
    assert ids(await hands.fetch(want=1)) == ["a"]


async def test_a_replacement_may_go_to_another_queue_and_lane(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.put(job("a", REPLACE, queue="one", lane_key="g=x"))
    assert await hands.put(job("b", REPLACE, queue="two", lane_key="g=y")) == [Met("a", True)]
    whole()
    assert await hands.counts("one") == {}
    assert await hands.counts("two") == {State.WAITING: 1}
    await hands.join("one", "one")
    assert await hands.fetch("one") == []
    assert ids(await hands.fetch("w1")) == ["a"]


async def test_one_that_is_replaced_by_the_same_keeps_its_place(hands: Hands) -> None:
    await hands.put(job("a", REPLACE, payload=b"1"), new_job("behind"))
    await hands.put(job("b", REPLACE, payload=b"2"))
    assert [delivery.payload for delivery in await hands.fetch()] == [b"2", b"{}"]


async def test_what_has_started_is_not_replaced(hands: Hands) -> None:
    (delivery,) = await hands.active(job("a", REPLACE, payload=b"1"))
    assert await hands.put(job("b", REPLACE, payload=b"2")) == [Met("a", False)]
    await hands.settle(retried(delivery))
    assert await hands.put(job("b", REPLACE, payload=b"2")) == [Met("a", False)]
    assert await payload(hands, "a") == 1


async def test_several_of_a_key_in_one_call_leave_one_with_the_newest_data(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    jobs = [
        job("a", REPLACE, payload=b"1"),
        job("b", REPLACE, payload=b"2", due="+500"),
        job("c", REPLACE, payload=b"3", queue="other", due="+900"),
        job("d", REPLACE, payload=b"4", priority=2),
        job("e", REPLACE, payload=b"5", due="+700"),
    ]
    made = await hands.put(*jobs)
    assert made == [True, *[Met("a", True)] * 4]
    whole()
    assert await hands.counts() == {State.DELAYED: 1}
    assert await hands.counts("other") == {}
    assert (await hands.shard.promote())[1] == 700


async def test_a_turn_in_an_order_is_given_back_by_one_that_is_replaced(hands: Hands) -> None:
    await hands.put(job("a", REPLACE, lane_key="o=x", type="odd"), new_job("b", lane_key="o=x"))
    assert await hands.fetch() == []  # it stands aside with its turn
    await hands.put(job("c", REPLACE, due="+9000"))
    assert ids(await hands.fetch()) == ["b"]


async def test_a_turn_in_an_order_is_kept_by_one_that_is_replaced_in_its_place(hands: Hands) -> None:
    await hands.put(job("a", REPLACE, lane_key="o=x", type="odd"), new_job("b", lane_key="o=x"))
    assert await hands.fetch() == []  # it stands aside with its turn
    await hands.put(job("c", REPLACE, lane_key="o=x", type="odd"))
    assert await hands.fetch() == []
    assert ids(await hands.fetch(types=",noop,odd,")) == ["a"]


async def test_a_job_that_came_under_the_id_of_a_removed_owner_is_not_replaced(hands: Hands) -> None:
    (first,) = await hands.active(job("a", THROTTLE))
    await hands.settle(done(first))
    await hands.shard.prune("default", State.COMPLETED, 0)  # its key goes on to be its own for a while
    assert await hands.put(new_job("a", due="+60000", payload=b'{"another":1}')) == [True]
    assert await hands.put(job("b", REPLACE)) == [True]
    assert await payload(hands, "a") == {"another": 1}


async def test_a_child_does_not_wait_for_the_parent_that_has_just_ended(hands: Hands) -> None:
    (parent,) = await hands.active(job("parent", "key:s:wdbac:0"))
    await hands.settle(done(parent, children=[job("child", KEEP_LAST)]))
    assert await hands.states("parent", "child") == [State.COMPLETED, State.WAITING]
    assert await owner(hands.shard) == "child"


async def test_a_job_that_need_not_follow_any_more_is_served_where_the_one_before_it_has_just_left(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    (first,) = await hands.active(job("first", "key:s:wd:0"))
    await hands.settle(done(first))
    await hands.shard.retry(["first"])  # so that it has started, and gives the key up when it starts again
    await hands.put(job("next", KEEP_LAST))
    assert await hands.states("next") == [State.BLOCKED]
    assert ids(await hands.fetch()) == ["first"]
    whole()
    assert ids(await hands.fetch()) == ["next"]


# --- keep last -------------------------------------------------------------------------------------------------------


async def test_while_one_runs_the_newest_data_waits_and_runs_when_it_has_ended(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST, payload=b"1"))
    assert await hands.put(job("b", KEEP_LAST, payload=b"2")) == [True]
    assert await hands.put(job("c", KEEP_LAST, payload=b"3")) == [Met("b", True)]
    whole()
    assert await hands.states("b") == [State.BLOCKED]
    await hands.settle(retried(delivery))
    hands.clock.forward(1_000)
    await hands.shard.promote()
    (delivery,) = await hands.fetch()
    assert delivery.id == "a"
    assert await hands.put(job("d", KEEP_LAST, payload=b"4")) == [Met("b", True)]
    await hands.settle(done(delivery))
    whole()
    (follower,) = await hands.fetch()
    assert (follower.id, follower.payload) == ("b", b"4")
    assert await owner(hands.shard) == "b"
    await hands.settle(done(follower))
    assert whole().uniques == {}


async def test_one_that_has_not_started_gets_the_newest_data_itself(hands: Hands) -> None:
    await hands.put(job("a", KEEP_LAST, payload=b"1"))
    assert await hands.put(job("b", KEEP_LAST, payload=b"2")) == [Met("a", True)]
    assert await payload(hands, "a") == 2
    assert await hands.counts() == {State.WAITING: 1}


@pytest.mark.parametrize("way", [failed, cancelled, done])
async def test_a_follower_goes_on_however_the_owner_ends(hands: Hands, way: Callable[[Any], Settlement]) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    await hands.settle(way(delivery))
    assert ids(await hands.fetch()) == ["b"]


async def test_a_follower_goes_on_when_an_owner_between_attempts_is_cancelled(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    await hands.settle(retried(delivery))
    await hands.shard.cancel(["a"], {})
    whole()
    assert ids(await hands.fetch()) == ["b"]


async def test_owner_and_follower_may_be_cancelled_in_one_call(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    await hands.settle(retried(delivery))
    assert await hands.shard.cancel(["a", "b"], {}) == ["cancelled", "cancelled"]
    assert whole().uniques == {}


async def test_when_a_follower_is_cancelled_another_one_may_follow(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    await hands.shard.cancel(["b"], {})
    whole()
    assert await hands.put(job("c", KEEP_LAST)) == [True]
    await hands.settle(done(delivery))
    assert ids(await hands.fetch()) == ["c"]


async def test_a_follower_with_a_delay_is_delayed_for_what_is_left_of_it(hands: Hands) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST, due="+5000"))
    hands.clock.forward(2_000)
    await hands.settle(done(delivery))
    assert await hands.states("b") == [State.DELAYED]
    assert (await hands.shard.promote())[1] == 3_000


async def test_a_follower_whose_key_another_takes_waits_no_longer(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    assert await hands.put(job("c", DEBOUNCE, due="+10")) == [True]
    whole()
    assert await hands.states("b", "c") == [State.WAITING, State.DELAYED]
    assert await owner(hands.shard) == "c"


@pytest.mark.parametrize("unique", [THROTTLE, "key:s:wdba:5000", "key:s:wdbacf:0"])
async def test_an_owner_that_is_followed_keeps_its_key_until_it_has_ended_whatever_it_would_do_else(
    hands: Hands, whole: Callable[[], raw.Raw], unique: str
) -> None:
    (delivery,) = await hands.active(job("a", unique))
    assert await hands.put(job("b", KEEP_LAST)) == [True]
    hands.clock.forward(6_000)
    await hands.shard.sweep()
    assert await hands.put(job("c", unique)) == [Met("a", False)]
    whole()
    await hands.settle(done(delivery))
    whole()
    assert ids(await hands.fetch()) == ["b"]


# --- repeats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unique", [SIMPLE, INSISTING, THROTTLE, DEBOUNCE, REPLACE, KEEP_LAST])
async def test_an_enqueue_whose_reply_is_lost_makes_one_job(hands: Hands, unique: str) -> None:
    lossy = LossyLink(hands.shard.link)
    hands.shard.link = lossy
    lossy.losing = 2
    assert await hands.put(job("a", unique, due="+100")) == [True]
    assert await hands.counts() == {State.DELAYED: 1}


async def test_a_repeat_does_not_put_older_data_over_newer(hands: Hands) -> None:
    await hands.put(job("a", REPLACE, payload=b"1"))
    plain = hands.shard.link

    async def newer() -> None:
        lossy, hands.shard.link = hands.shard.link, plain
        await hands.put(job("c", REPLACE, payload=b"3"))
        hands.shard.link = lossy

    lossy = LossyLink(plain)
    hands.shard.link = lossy
    lossy.losing, lossy.before_repeat = 1, newer
    assert await hands.put(job("b", REPLACE, payload=b"2")) == [Met("a", True)]
    assert await payload(hands, "a") == 3


async def test_a_repeat_whose_data_has_run_does_not_run_it_again(hands: Hands) -> None:
    await hands.put(job("a", DEBOUNCE, payload=b"1"))
    plain = hands.shard.link

    async def run() -> None:
        lossy, hands.shard.link = hands.shard.link, plain
        (delivery,) = await hands.fetch()
        assert delivery.payload == b"2"
        await hands.settle(done(delivery))
        hands.shard.link = lossy

    lossy = LossyLink(plain)
    hands.shard.link = lossy
    lossy.losing, lossy.before_repeat = 1, run
    assert await hands.put(job("b", DEBOUNCE, payload=b"2")) == [Met("a", True)]
    assert await hands.counts() == {State.COMPLETED: 1}


async def test_a_copy_that_comes_behind_its_answered_repeat_makes_nothing(hands: Hands) -> None:
    await hands.put(job("a"))
    sent_us = hands.clock.ms * 1_000
    plain = hands.shard.link

    def first_sending(first: Sequence[Argument], again: Sequence[Argument]) -> Sequence[Argument]:
        return [*first[:3], sent_us, "", *first[5:]]

    hands.shard.link = BentLink(plain, lambda first, again: again)
    assert await hands.put(job("b")) == [Met("a", False)]
    hands.shard.link = plain
    await hands.shard.cancel(["a"], {})
    hands.clock.forward(3_000)
    hands.shard.link = BentLink(plain, first_sending)
    assert await hands.put(job("b")) == [Met("a", False)]
    assert await hands.states("b") == [None]
