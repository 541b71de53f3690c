"""What a rule leaves behind when it ends, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from jobd.domain.delivery import Met
from jobd.domain.keep import Keep
from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.errors import QueueFull
from jobd.store.shard import Shard
from tests.store import raw
from tests.store.hands import Clock, Hands, done, ended, ids, new_job
from tests.store.unique_jobs import REPLACE, job

pytestmark = pytest.mark.usefixtures("watched_worker")

GATE = "q/default"


async def is_there(hands: Hands, key: str) -> bool:
    return int(await hands.shard.link.command("EXISTS", hands.shard.keys.fixed(key))) == 1


@pytest.mark.parametrize("changes", [{"paused": None}, None], ids=["resumed", "all taken back"])
async def test_a_queue_that_is_paused_until_a_time_and_resumed_before_goes_on_at_once(
    hands: Hands, clock: Clock, changes: Mapping[str, Any] | None
) -> None:
    await hands.put(new_job("a"))
    await hands.shard.set_rule(GATE, {"paused": {"reason": "why", "until_ms": clock.ms + 5_000}})
    assert await hands.fetch() == []
    await hands.shard.set_rule(GATE, changes)
    assert ids(await hands.fetch()) == ["a"]
    assert (await is_there(hands, "rules"), await is_there(hands, "pauses")) == (False, False)


async def test_what_is_declared_and_what_is_set_are_told_apart_and_what_is_set_holds(hands: Hands) -> None:
    await hands.shard.declare_rule(GATE, {"concurrency": 2})
    await hands.shard.set_rule(GATE, {"concurrency": 3})
    said = [(await hands.shard.rules(layer))[GATE] for layer in ("declared", "set", "")]
    assert said == [{"concurrency": 2}, {"concurrency": 3}, {"concurrency": 3}]


async def test_nothing_is_left_of_a_pause_that_is_over_although_nothing_waited_for_it(
    hands: Hands, clock: Clock
) -> None:
    await hands.shard.set_rule(GATE, {"paused": {"reason": "why", "until_ms": clock.ms + 5_000}})
    assert (await hands.shard.promote())[1] == 5_000
    clock.forward(5_000)
    await hands.shard.promote()
    assert not await is_there(hands, "pauses")


@pytest.mark.parametrize("layer", ["set", "declared"])
async def test_a_rate_that_a_handler_has_met_is_held_whatever_else_is_said_of_its_queue(
    hands: Hands, clock: Clock, layer: str
) -> None:
    rate = {"rate": {"n": 100, "ms": 1}}
    await hands.shard.set_rule(GATE, rate)
    (first,) = await hands.active(new_job("a"))
    met = Verdict(State.WAITING, delay_ms=5_000, spent=False, holds_rate=True)
    await hands.settle(ended(first, met, "rate_limited"))
    if layer == "set":
        await hands.shard.set_rule(GATE, {"concurrency": 3})
    else:
        await hands.shard.declare_rule(GATE, {"concurrency": 3})
    await hands.put(new_job("b"))
    assert await hands.fetch() == []


async def test_a_rate_that_a_handler_has_met_opens_by_itself_although_nobody_has_looked(
    hands: Hands, clock: Clock
) -> None:
    await hands.shard.set_rule(GATE, {"rate": {"n": 100, "ms": 1}})
    (first,) = await hands.active(new_job("a"))
    met = Verdict(State.WAITING, delay_ms=5_000, spent=False, holds_rate=True)
    await hands.settle(ended(first, met, "rate_limited"))
    assert (await hands.shard.promote())[1] == 5_000
    clock.forward(5_000)
    await hands.shard.promote()
    assert not await is_there(hands, "pauses")


async def test_only_a_rule_with_options_has_an_edition_of_them(hands: Hands) -> None:
    await hands.shard.set_rule(GATE, {"concurrency": 3})
    assert await hands.shard.rule(GATE) == {"set": {"concurrency": 3}}
    await hands.shard.set_rule(GATE, {"option.priority": "3"})
    first = (await hands.shard.rule(GATE))["edition"]
    await hands.shard.set_rule(GATE, {"option.priority": "4"})
    assert (await hands.shard.rule(GATE))["edition"] != first
    await hands.shard.set_rule(GATE, {"option.priority": None})
    assert await hands.shard.rule(GATE) == {"set": {"concurrency": 3}}


async def test_a_type_that_is_paused_waits_in_one_place_however_many_come_to_stand_there(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.shard.set_rule("t/noop", {"paused": {"reason": "why"}})
    for name in "abc":
        await hands.put(new_job(name))
        for _ in range(2):
            assert await hands.fetch() == []
            whole()
    await hands.shard.set_rule("t/noop", None)
    assert ids(await hands.fetch()) == ["a", "b", "c"]


@pytest.mark.parametrize("bound", ["size", "group_size"])
async def test_what_is_over_its_size_lets_a_job_be_replaced_that_it_has(hands: Hands, bound: str) -> None:
    await hands.put(job("a", REPLACE, lane_key="g=x"), new_job("b", lane_key="g=x"))
    await hands.shard.set_rule(GATE, {bound: 1})
    assert await hands.put(job("c", REPLACE, lane_key="g=x", payload=b"1")) == [Met("a", True)]
    with pytest.raises(QueueFull):
        await hands.put(new_job("d", lane_key="g=x"))


@pytest.mark.parametrize("due", ["", "+1000"])
@pytest.mark.parametrize("from_a_job", [False, True])
async def test_a_job_that_was_made_before_its_queue_had_options_is_made_anew_by_them(
    hands: Hands, shard: Shard, due: str, from_a_job: bool
) -> None:
    await hands.join()
    (parent,) = await hands.active(new_job("parent", keep_completed=Keep(count=5)))
    await shard.set_rule("q/default", {"option.priority": "3"})
    old = new_job("a", due=due)._replace(edition="", again=lambda job, changed: new_job("a", priority=3, due=due))
    if from_a_job:
        assert await hands.settle(done(parent, children=[old])) == [1]
    else:
        assert await hands.put(old) == [True]
    assert (await hands.job("a")).priority == 3
