"""Many lanes with a job each, which a fetch reads together: nothing is different from the lanes that it visits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobd.domain.state import State
from tests.store import raw
from tests.store.hands import Hands, done, failed, given_back, new_job
from tests.store.lane_jobs import names, put
from tests.store.unique_jobs import KEEP_LAST, job

pytestmark = [pytest.mark.usefixtures("watched_worker"), pytest.mark.requirement("3.2")]

MANY = 20
KEYS = {"group": "g={}", "order": "o={}", "concurrency": "c={}:1"}


async def put_many(hands: Hands, key: str, letter: str = "a", **options: object) -> list[str]:
    """A job in each of many lanes."""
    jobs = [f"{letter}{number:02}" for number in range(MANY)]
    for number, job_id in enumerate(jobs):
        await put(hands, job_id, key=key.format(f"{number:02}"), **options)
    return jobs


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
async def test_all_are_run_and_nothing_is_left_of_their_lanes(
    hands: Hands, whole: Callable[[], raw.Raw], key: str
) -> None:
    jobs = await put_many(hands, key)
    batch = await hands.fetch(want=50)
    assert names(batch) == jobs
    found = whole()
    assert (found.lanes, found.lane, found.ready, found.grouped) == ({}, {}, {}, {})
    assert await hands.settle(*[done(job) for job in batch]) == [1] * MANY
    assert (whole().holds, whole().gated) == ({}, {})


async def test_what_they_hold_is_known(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await put_many(hands, KEYS["order"])
    await put_many(hands, "c=k{}:3", "b", priority=6)
    await hands.fetch(want=50)
    assert whole().holds == {f"o/default/{number:02}": f"a{number:02}" for number in range(MANY)} | {
        f"c/k{number:02}": "1" for number in range(MANY)
    }


async def test_a_job_that_shares_its_key_with_an_older_one_does_not_pass_it(hands: Hands) -> None:
    await put(hands, "older", key="c=shared:1;g=tenant")
    await put(hands, "newer", key="c=shared:1")
    jobs = await put_many(hands, KEYS["concurrency"])
    assert sorted(names(await hands.fetch(want=50))) == [*jobs, "older"]


@pytest.mark.parametrize("key", [KEYS["order"], KEYS["concurrency"]], ids=["order", "concurrency"])
async def test_the_next_one_of_each_key_comes_when_the_first_has_ended(
    hands: Hands, whole: Callable[[], raw.Raw], key: str
) -> None:
    await put_many(hands, key)
    first = await hands.fetch(want=50)
    later = await put_many(hands, key, "b")
    assert await hands.fetch(want=50) == []
    whole()
    await hands.settle(*[done(job) for job in first[:-1]], failed(first[-1]))
    assert sorted(names(await hands.fetch(want=50))) == later


async def test_a_rate_lets_one_job_of_each_key_start(hands: Hands) -> None:
    jobs = await put_many(hands, "r={}:1/1000")
    assert names(await hands.fetch(want=50)) == jobs
    later = await put_many(hands, "r={}:1/1000", "b")
    assert await hands.fetch(want=50) == []
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert sorted(names(await hands.fetch(want=50))) == later


@pytest.mark.parametrize("key", ["c={}", "y={}:1"])
async def test_those_with_a_key_that_is_none_here_are_run(hands: Hands, key: str) -> None:
    jobs = await put_many(hands, key)
    assert names(await hands.fetch(want=50)) == jobs


async def test_no_more_are_taken_than_are_asked_for(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    jobs = await put_many(hands, KEYS["concurrency"])
    assert names(await hands.fetch(want=17)) == jobs[:17]
    assert sorted(whole().lanes["default"]) == [f"5:c={number:02}:1" for number in range(17, MANY)]
    assert names(await hands.fetch(want=17)) == jobs[17:]


@pytest.mark.parametrize(
    ("one", "other"),
    [("c=0:1", "c=0:2"), ("o=0", "o=0;t=noop"), ("c=0:1", "g=x;c=0:1")],
    ids=["limits", "types", "keys"],
)
async def test_two_lanes_before_one_gate_share_its_room(
    hands: Hands, whole: Callable[[], raw.Raw], one: str, other: str
) -> None:
    await put(hands, "one", key=one)
    await put(hands, "other", key=other)
    await put_many(hands, "c=k{}:1")
    batch = names(await hands.fetch(want=50))
    number = 2 if other == "c=0:2" else 1
    assert len(batch) == MANY + number
    assert sum(int(held) for gate, held in whole().holds.items() if gate == "c/0") == (number if "c=" in one else 0)


async def test_many_lanes_of_several_jobs_each_lose_none(hands: Hands) -> None:
    jobs = [job_id for letter in "abcd" for job_id in await put_many(hands, KEYS["group"], letter)]
    batches = [names(await hands.fetch(want=25)) for _ in range(4)]
    assert [len(batch) for batch in batches] == [25, 25, 25, 5]
    assert sorted(job_id for batch in batches for job_id in batch) == jobs


async def test_a_more_urgent_job_with_more_keys_takes_the_place_of_their_key(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await put(hands, "urgent", key="g=x;c=00:1", priority=4)
    jobs = await put_many(hands, KEYS["concurrency"])
    assert names(await hands.fetch(want=50)) == ["urgent", *jobs[1:]]
    assert list(whole().gated) == ["c/00"]


@pytest.mark.parametrize("many", [True, False])
async def test_where_there_is_room_left_whoever_waits_there_may_come(
    hands: Hands, whole: Callable[[], raw.Raw], many: bool
) -> None:
    await put(hands, "runs", key="c=00:1")
    await hands.fetch(want=1)
    await put(hands, "waits", key="c=00:1")
    assert await hands.fetch(want=1) == []
    assert whole().gated
    if many:
        await put_many(hands, "c={}:5")
    else:
        await put(hands, "one", key="c=00:5")
    await hands.words("w1")
    await hands.fetch(want=50)
    assert "5:c=00:1" in whole().lanes["default"]
    assert await hands.words("w1") == ["wake"]


async def test_a_lane_whose_job_has_left_is_cleared_away(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    jobs = await put_many(hands, KEYS["group"])
    await hands.shard.cancel([jobs[3]], {})
    assert names(await hands.fetch(want=50)) == [job_id for job_id in jobs if job_id != jobs[3]]
    assert (whole().lanes, whole().jobs[jobs[3]].state) == ({}, State.CANCELLED)


async def test_those_that_were_delivered_before_come_with_their_records(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await put_many(hands, KEYS["concurrency"])
    await hands.settle(*[given_back(job) for job in await hands.fetch(want=50)])
    assert {job.deliveries for job in await hands.fetch(want=50)} == {2}
    assert {job.deliveries for job in whole().jobs.values()} == {2}


async def test_jobs_of_a_type_that_the_worker_does_not_know_stand_aside(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await put_many(hands, KEYS["group"])
    await hands.put(
        new_job("strange", lane_key="g=07", priority=5, type="strange"), new_job("x", lane_key="g=x", type="strange")
    )
    batch = await hands.fetch(want=50)
    assert len(batch) == MANY
    assert {lane for lane in whole().lane if "t=strange" in lane} == {
        "default:5:g=07;t=strange",
        "default:5:g=x;t=strange",
    }


async def test_a_unique_key_beside_the_key_of_a_lane_is_given_up_in_the_end(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(
        *[new_job(f"a{number}", lane_key=f"c={number}:1", unique=f"key-{number}:s:wdba:0") for number in range(MANY)]
    )
    batch = await hands.fetch(want=50)
    assert len(batch) == MANY
    assert len(whole().uniques) == MANY
    await hands.settle(*[done(job) for job in batch])
    assert (whole().uniques, whole().holds) == ({}, {})


async def test_a_job_that_need_not_follow_any_more_is_served_where_one_of_them_has_just_left(hands: Hands) -> None:
    (first,) = await hands.active(job("first", "key:s:wd:0"))
    await hands.settle(done(first))
    await hands.shard.retry(["first"])  # so that it has started, and gives the key up when it starts again
    await hands.put(job("next", KEEP_LAST, lane_key="c=07:5"))
    jobs = await put_many(hands, "c={}:5")
    assert sorted(names(await hands.fetch(want=50))) == [*jobs, "first"]
    assert names(await hands.fetch()) == ["next"]


async def test_rules_hold_for_them_as_for_others(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.shard.set_rule("c/07", {"concurrency": 0})
    jobs = await put_many(hands, KEYS["concurrency"])
    assert names(await hands.fetch(want=50)) == [job_id for job_id in jobs if job_id != "a07"]
    assert list(whole().gated) == ["c/07"]
