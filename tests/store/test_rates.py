"""Rates: how many jobs of a key start in a time, each by its weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobd.domain.settle import Verdict
from jobd.domain.state import State
from tests.store import raw
from tests.store.hands import (
    Hands,
    done,
    ended,
)
from tests.store.lane_jobs import names, put

pytestmark = [
    pytest.mark.usefixtures("watched_worker"),
    pytest.mark.requirement("3.2"),
    pytest.mark.requirement("2.11"),
]


async def test_in_no_window_more_jobs_start_than_a_rate_allows(hands: Hands) -> None:
    await put(hands, *[f"a{number}" for number in range(10)], key="r=acct:3/1000")
    starts: list[int] = []
    for _ in range(70):
        starts += [hands.clock.ms] * len(await hands.fetch("w1", want=2))
        hands.clock.forward(50)
        await hands.shard.promote()
    assert len(starts) == 10
    assert all(sum(start <= at < start + 1_000 for at in starts) <= 3 for start in starts)
    assert starts[9] - starts[0] <= 3_000 + 50


async def test_starts_that_count_no_more_are_not_kept(hands: Hands) -> None:
    await put(hands, *"abc", key="r=acct:1/1000")
    for _ in range(3):
        await hands.fetch("w1")
        hands.clock.forward(1_000)
        await hands.shard.promote()
    window, command = hands.shard.keys.window("r/acct"), hands.shard.link.command
    assert await command("ZCARD", window) == 1
    assert 0 < await command("PTTL", window) <= 61_000


async def test_a_rate_that_has_room_left_is_nothing_to_wait_for(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await put(hands, "a", key="r=acct:2/1000")
    await hands.fetch("w1")
    assert whole().opens == {}


async def test_a_bucket_gives_a_burst_and_then_its_rate(hands: Hands) -> None:
    await put(hands, *[f"a{number}" for number in range(10)], key="r=acct:1/100/4")
    counts = []
    for _ in range(7):
        counts.append(len(await hands.fetch("w1", want=10)))
        hands.clock.forward(100)
        await hands.shard.promote()
    assert counts == [4, 1, 1, 1, 1, 1, 1]


async def test_the_scheduler_is_told_when_a_rate_has_room_again(hands: Hands) -> None:
    await put(hands, "a", "b", key="r=acct:1/500")
    await hands.fetch("w1", want=10)
    assert (await hands.shard.promote())[1] == 500


async def test_a_job_counts_its_weight_and_those_behind_it_in_its_lane_wait_with_it(hands: Hands) -> None:
    for job_id, weight in (("a", 4), ("b", 4), ("c", 4), ("light", 1)):
        await put(hands, job_id, key="r=acct:10/1000", weight=weight)
    await put(hands, "free")
    assert sorted(names(await hands.fetch("w1", want=10))) == ["a", "b", "free"]
    # there is nothing to be had, and nobody is told to look again
    assert (await hands.fetch("w1", want=10), await hands.words("w1")) == ([], [])
    assert await hands.shard.promote() == (0, 1_000)
    hands.clock.forward(999)
    await hands.shard.promote()
    assert names(await hands.fetch("w1", want=10)) == []
    hands.clock.forward(1)
    await hands.shard.promote()
    assert names(await hands.fetch("w1", want=10)) == ["c", "light"]


async def test_a_heavy_job_opens_the_window_when_enough_starts_have_left_it(hands: Hands) -> None:
    for number in range(5):
        await put(hands, f"a{number}", key="r=acct:5/1000")
        await hands.fetch("w1")
        hands.clock.forward(100)
    await put(hands, "heavy", key="r=acct:5/1000", weight=3)
    assert names(await hands.fetch("w1")) == []
    # it is looked at when the first has left, and then knows when enough have
    assert await hands.shard.promote() == (0, 500)
    hands.clock.forward(500)
    await hands.shard.promote()
    assert names(await hands.fetch("w1")) == []
    assert await hands.shard.promote() == (0, 200)
    hands.clock.forward(200)
    await hands.shard.promote()
    assert names(await hands.fetch("w1")) == ["heavy"]


async def test_a_start_at_a_rate_is_nothing_that_is_let_go_of_again(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await put(hands, "a", key="o=x;c=y:2;r=z:5/1000")
    await hands.fetch("w1")
    assert whole().jobs["a"].holds == ("o/default/x", "c/y")


async def test_a_bucket_pays_for_the_weight(hands: Hands) -> None:
    for job_id, weight in (("a", 3), ("b", 3), ("c", 1)):
        await put(hands, job_id, key="r=acct:1/100/4", weight=weight)
    assert names(await hands.fetch("w1", want=10)) == ["a"]
    assert await hands.shard.promote() == (0, 200)
    hands.clock.forward(200)
    await hands.shard.promote()
    assert names(await hands.fetch("w1", want=10)) == ["b"]
    assert await hands.shard.promote() == (0, 100)


async def test_a_job_that_weighs_more_than_a_rate_allows_runs_alone(hands: Hands) -> None:
    await hands.shard.set_rule("t/noop", {"rate": {"n": 2, "ms": 1_000}})
    await put(hands, "heavy", weight=50)
    await put(hands, "next")
    assert names(await hands.fetch("w1", want=10) + await hands.fetch("w1", want=10)) == ["heavy"]
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert names(await hands.fetch("w1", want=10)) == ["next"]


async def test_a_heavy_job_of_a_rated_queue_waits_before_its_gate(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"rate": {"n": 5, "ms": 1_000}})
    await put(hands, "a", weight=3)
    await put(hands, "b", weight=3)
    assert names(await hands.fetch("w1", want=10)) == ["a"]
    assert (await hands.fetch("w1", want=10), await hands.words("w1")) == ([], [])
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert names(await hands.fetch("w1", want=10)) == ["b"]


async def test_what_has_left_its_lane_is_not_waited_for_however_much_it_weighs(hands: Hands) -> None:
    await put(hands, "first", key="r=acct:5/1000")
    await put(hands, "gone", key="r=acct:5/1000", weight=5)
    await put(hands, "light", key="r=acct:5/1000")
    await hands.shard.cancel(["gone"], {})
    assert names(await hands.fetch("w1", want=10)) == ["first", "light"]


async def test_a_heavy_job_that_meets_the_limit_of_others_holds_its_key_and_counts_again(hands: Hands) -> None:
    await put(hands, "a", key="r=acct:10/1000", weight=6)
    await put(hands, "b", key="r=acct:10/1000", weight=6)
    (first,) = await hands.fetch("w1", want=10)
    held = Verdict(State.WAITING, delay_ms=300, spent=False, holds_rate=True)
    await hands.settle(ended(first, held, "rate_limited"))
    hands.clock.forward(300)
    await hands.shard.promote()
    # the start that met the limit was one, too
    assert names(await hands.fetch("w1", want=10)) == []
    hands.clock.forward(700)
    await hands.shard.promote()
    (again,) = await hands.fetch("w1", want=10)
    assert (again.id, again.attempt) == ("a", 1)


async def test_a_unique_job_counts_its_weight_and_gives_its_key_up_when_it_starts(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    for job_id in ("a", "b"):
        await put(hands, job_id, key="r=acct:3/1000", weight=2, unique=f"{job_id}:s:wd:0")
    assert names(await hands.fetch("w1", want=10)) == ["a"]
    assert whole().uniques.keys() == {"b"}


async def test_a_heavy_job_keeps_its_turn_in_its_order(hands: Hands) -> None:
    await put(hands, "a", key="o=x;r=acct:5/1000", weight=4)
    await put(hands, "b", key="o=x;r=acct:5/1000", weight=4)
    (first,) = await hands.fetch("w1", want=10)
    await hands.settle(done(first))
    assert names(await hands.fetch("w1", want=10)) == []
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert names(await hands.fetch("w1", want=10)) == ["b"]


async def test_a_queue_has_a_rate_of_its_own(hands: Hands) -> None:
    await hands.shard.set_rule("q/default", {"rate": {"n": 2, "ms": 1_000}})
    await put(hands, "a", "b", "c")
    assert names(await hands.fetch("w1", want=10)) == ["a", "b"]
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert names(await hands.fetch("w1", want=10)) == ["c"]


async def test_what_is_said_of_a_key_at_run_time_wins_over_what_its_jobs_say(hands: Hands) -> None:
    await hands.shard.set_rule("r/acct", {"rate": {"n": 1, "ms": 1_000}})
    await put(hands, "a", "b", "c", key="r=acct:2/1000")
    assert names(await hands.fetch("w1", want=10)) == ["a"]
    await hands.shard.set_rule("r/acct", None)
    assert names(await hands.fetch("w1", want=10)) == ["b"]


@pytest.mark.parametrize(
    ("key", "rule", "beside"),
    [("r=acct:100/1000", None, ["other"]), ("", {"rate": {"n": 100, "ms": 1}}, []), ("", None, ["b", "other"])],
    ids=["rate key", "rated queue", "no rate"],
)
async def test_a_rate_limit_met_by_a_handler_holds_the_whole_key_and_spends_no_attempt(
    hands: Hands, key: str, rule: dict[str, Any] | None, beside: list[str]
) -> None:
    await hands.shard.set_rule("q/default", rule)
    await put(hands, "a", "b", key=key)
    (first,) = await hands.fetch("w1", want=1)
    held = Verdict(State.WAITING, delay_ms=5_000, spent=False, holds_rate=True)
    await hands.settle(ended(first, held, "rate_limited"))
    await put(hands, "other")
    await put(hands, "elsewhere", queue="elsewhere")
    assert sorted(names(await hands.fetch("w1", want=10))) == sorted(["elsewhere", *beside])
    assert (await hands.shard.promote())[1] == 5_000
    hands.clock.forward(5_000)
    await hands.shard.promote()
    again = [job for job in await hands.fetch("w1", want=3) if job.id == "a"]
    assert [job.attempt for job in again] == [1]
