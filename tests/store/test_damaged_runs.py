"""The record of a job is damaged: all others of the same turn go on, and there is a way out for that job."""

from __future__ import annotations

import math
import random
import re
import struct
from collections.abc import Callable

import pytest

from jobd.domain.delivery import Delivery
from jobd.domain.keep import Keep
from jobd.domain.settle import NEVER_BEGUN
from jobd.domain.state import State
from jobd.domain.when import When
from jobd.store.shard import Settlement, Shard
from tests.store.hands import LEASE_MS, Clock, Hands, cancelled, done, ended, failed, given_back, ids, new_job, retried
from tests.store.unique_jobs import KEEP_LAST, job, owner

pytestmark = [pytest.mark.damages, pytest.mark.threat("S23")]

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing is left": lambda raw: b"",
    "cut off in its head": lambda raw: raw[:40],
    "cut off before its queue's length": lambda raw: raw[:41],
    "cut off in its holder": lambda raw: raw[:43],
    "of an unknown state": lambda raw: raw[:1] + b"?" + raw[2:],
    "with the fence of another delivery": lambda raw: raw[:8] + struct.pack(">d", 7) + raw[16:],
    "with a fence that is no number": lambda raw: raw[:8] + struct.pack(">d", math.nan) + raw[16:],
    "with a fence beyond all times": lambda raw: raw[:8] + struct.pack(">d", math.inf) + raw[16:],
}
each_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


def never_begun(delivery: Delivery) -> Settlement:
    return ended(delivery, NEVER_BEGUN)


VERDICTS: list[Callable[[Delivery], Settlement]] = [done, failed, cancelled, given_back, retried]


async def damage_run(shard: Shard, job_id: str, damage: Callable[[bytes], bytes]) -> None:
    runs = shard.keys.fixed("runs")
    await shard.link.command("HSET", runs, job_id, damage(await shard.link.command("HGET", runs, job_id)))


@each_damage
@pytest.mark.parametrize("verdict", VERDICTS)
async def test_the_others_of_a_turn_are_settled_and_new_ones_come(
    hands: Hands, shard: Shard, damage: Callable[[bytes], bytes], verdict: Callable[[Delivery], Settlement]
) -> None:
    await hands.join()
    first, bad, last = await hands.active(*(new_job(name) for name in ("first", "bad", "last")))
    await hands.put(new_job("next"))
    await damage_run(shard, "bad", damage)
    answers, fetched = await hands.turn("w1", [done(first), verdict(bad), failed(last)], want=1)
    assert answers[::2] == [1, 1]
    assert answers[1] in (0, 2)
    assert ids(fetched) == ["next"]
    assert await hands.states("first", "last", "next") == [State.COMPLETED, State.FAILED, State.ACTIVE]


@each_damage
async def test_a_worker_still_learns_what_else_it_holds_and_what_is_to_end(
    hands: Hands, shard: Shard, damage: Callable[[bytes], bytes]
) -> None:
    await hands.join()
    deliveries = await hands.active(*(new_job(name) for name in ("sound", "bad", "asked")))
    keys = {item.id: (item.id, item.fence) for item in deliveries}
    await shard.cancel(["asked"], {})
    await damage_run(shard, "bad", damage)
    assert await shard.asked_to_end(list(keys.values())) == [keys["asked"]]
    assert {keys["sound"], keys["asked"]} <= set(await shard.held_by("w1"))


@each_damage
@pytest.mark.parametrize("lane_key", ["", "o=a"])
async def test_a_monitor_takes_over_all_of_a_worker_that_is_gone_and_they_run_again(
    hands: Hands, shard: Shard, clock: Clock, damage: Callable[[bytes], bytes], lane_key: str
) -> None:
    await hands.join()
    await hands.put(new_job("sound"), new_job("bad", lane_key=lane_key), new_job("other"))
    await hands.fetch()
    await damage_run(shard, "bad", damage)
    clock.forward(LEASE_MS + 1)
    await hands.monitor()
    lost = await hands.take_over()
    assert sorted(item.delivery.id for item in lost) == ["bad", "other", "sound"]
    assert await shard.settle("m1", [given_back(item.delivery) for item in lost]) == [1, 1, 1]
    await hands.join("w2")
    again = await hands.fetch("w2")
    assert await shard.settle("w2", [done(item) for item in again]) == [1, 1, 1]
    assert await hands.states("sound", "bad", "other") == [State.COMPLETED] * 3


@each_damage
@pytest.mark.parametrize("came_to", [None, given_back, retried, done, failed])
async def test_a_job_can_be_deleted_whatever_is_damaged(
    hands: Hands,
    shard: Shard,
    damage: Callable[[bytes], bytes],
    came_to: Callable[[Delivery], Settlement] | None,
) -> None:
    await hands.join()
    (bad,) = await hands.active(new_job("bad", lane_key="o=a", unique="key:s:wdba:0"))
    if came_to is not None:
        await shard.settle("w1", [came_to(bad)])
    await damage_run(shard, "bad", damage)
    assert await shard.delete(["bad"], list(State)) == ["gone"]
    assert await shard.get(["bad"]) == [None]
    await hands.put(new_job("next", lane_key="o=a", unique="key:s:wdba:0"))
    assert ids(await hands.fetch()) == ["next"]


@each_damage
async def test_what_a_deleted_job_took_up_at_a_limit_is_free_again_and_who_waits_for_its_end_is_told(
    hands: Hands, shard: Shard, damage: Callable[[bytes], bytes]
) -> None:
    await hands.join()
    await hands.active(new_job("bad", lane_key="c=a:1"))
    await shard.watch("bad", "client")
    await damage_run(shard, "bad", damage)
    assert await shard.delete(["bad"], list(State)) == ["gone"]
    assert await hands.words("client") == ["ended bad"]
    await hands.put(new_job("next", lane_key="c=a:1"))
    assert ids(await hands.fetch()) == ["next"]


@each_damage
async def test_a_job_that_is_taken_over_gives_back_what_it_took_up_at_a_limit(
    hands: Hands, shard: Shard, clock: Clock, damage: Callable[[bytes], bytes]
) -> None:
    await hands.join()
    await hands.active(new_job("bad", lane_key="c=a:1"))
    await damage_run(shard, "bad", damage)
    clock.forward(LEASE_MS + 1)
    await hands.monitor()
    (lost,) = await hands.take_over()
    assert await shard.settle("m1", [given_back(lost.delivery)]) == [1]
    await hands.join("w2")
    assert ids(await hands.fetch("w2")) == ["bad"]


@each_damage
@pytest.mark.parametrize("verdict", [done, failed, retried])
async def test_a_deleted_job_that_did_not_run_any_more_makes_no_room_at_the_limit_of_its_queue(
    hands: Hands, shard: Shard, damage: Callable[[bytes], bytes], verdict: Callable[[Delivery], Settlement]
) -> None:
    await hands.join()
    (bad,) = await hands.active(new_job("bad"))
    await shard.settle("w1", [verdict(bad)])
    await damage_run(shard, "bad", damage)
    assert await shard.delete(["bad"], list(State)) == ["gone"]
    await shard.set_rule("q/default", {"concurrency": 1})
    await hands.put(new_job("one"), new_job("two"))
    assert ids(await hands.fetch()) == ["one"]


@each_damage
async def test_a_job_that_comes_again_is_delivered_or_passed_over(
    hands: Hands, shard: Shard, damage: Callable[[bytes], bytes]
) -> None:
    await hands.join()
    (bad,) = await hands.active(new_job("bad"))
    await shard.settle("w1", [given_back(bad)])
    await hands.put(new_job("sound"))
    await damage_run(shard, "bad", damage)
    fetched = await hands.fetch()
    assert "sound" in ids(fetched)
    assert await shard.settle("w1", [done(item) for item in fetched]) == [1] * len(fetched)


@pytest.mark.parametrize("seed", range(4))
async def test_no_damage_whatever_it_is_keeps_the_results_of_others(hands: Hands, shard: Shard, seed: int) -> None:
    dice = random.Random(seed)

    def damage(raw: bytes) -> bytes:
        at = dice.randrange(len(raw))
        return dice.choice([raw[:at], raw[:at] + dice.randbytes(8) + raw[at + 8 :], dice.randbytes(60), raw + b"\xff"])

    await hands.join()
    deliveries = await hands.active(*(new_job(f"{number}") for number in range(100)))
    for delivery in deliveries[::2]:
        await damage_run(shard, delivery.id, damage)
    sent = [dice.choice(VERDICTS)(item) if at % 2 == 0 else done(item) for at, item in enumerate(deliveries)]
    answers, _ = await hands.turn("w1", sent, want=100)
    assert answers[1::2] == [1] * 50
    assert await hands.states(*ids(deliveries[1::2])) == [State.COMPLETED] * 50


@pytest.mark.parametrize("left", [None, b"", b"\x01 no more"], ids=["lost", "empty", "cut off"])
@pytest.mark.parametrize("verdict", [*VERDICTS, never_begun])
@pytest.mark.parametrize("lane_key", ["", "g=a", "o=a"])
async def test_a_job_whose_spec_is_gone_while_it_runs_keeps_no_other_from_its_end(
    hands: Hands, shard: Shard, left: bytes | None, verdict: Callable[[Delivery], Settlement], lane_key: str
) -> None:
    await hands.join()
    await hands.put(new_job("bad", lane_key=lane_key), new_job("sound"))
    deliveries = {item.id: item for item in await hands.fetch()}
    if left is None:
        await shard.link.command("HDEL", shard.keys.fixed("jobs"), "bad")
    else:
        await shard.link.command("HSET", shard.keys.fixed("jobs"), "bad", left)
    assert await hands.settle(verdict(deliveries["bad"]), done(deliveries["sound"])) == [1, 1]
    assert ids(await hands.fetch()) == []


@pytest.mark.parametrize("lost", ["jobs", "runs"])
async def test_a_fetch_that_is_repeated_brings_the_others_when_a_record_of_one_is_lost(
    hands: Hands, shard: Shard, lost: str
) -> None:
    await hands.join()
    await hands.active(new_job("bad"), new_job("sound"))
    await shard.link.command("HDEL", shard.keys.fixed(lost), "bad")
    assert ids(await hands.fetch_again()) == ["sound"]


@pytest.mark.parametrize(
    ("unique", "left"),
    [("", 20), ("key-%d:s:wdba:0", 35), ("key-%d:s:wdba:0", 10), ("key-%d:s:wdba:0", 1), ("key-%d:s:wdba:0", 0)],
)
async def test_a_job_whose_spec_ends_within_its_keys_or_limits_of_time_keeps_no_other_of_its_kind_from_a_worker(
    hands: Hands, shard: Shard, unique: str, left: int
) -> None:
    names = ("first", "bad", "last")
    await hands.put(
        *(
            new_job(name, deadline=When(after_ms=60_000), payload=b"", unique=unique and unique % number)
            for number, name in enumerate(names)
        )
    )
    jobs = shard.keys.fixed("jobs")
    spec = await shard.link.command("HGET", jobs, "bad")
    await shard.link.command("HSET", jobs, "bad", spec[: spec.rindex(b"noop") + len("noop") + left])
    await hands.join()
    _, fetched = await hands.turn("w1", [], want=3)
    assert ids(fetched) == ["first", "last"]


async def test_a_job_whose_spec_ends_within_its_lane_key_keeps_no_other_from_a_worker(
    hands: Hands, shard: Shard
) -> None:
    await hands.put(*(new_job(name, lane_key="g=x") for name in ("first", "bad", "last")))
    jobs = shard.keys.fixed("jobs")
    spec = await shard.link.command("HGET", jobs, "bad")
    await shard.link.command("HSET", jobs, "bad", spec[: spec.rindex(b"noop") + len("noop") + 1])
    await hands.join()
    assert ids(await hands.fetch()) == ["first", "last"]


async def test_a_job_whose_spec_ends_within_its_type_is_not_taken_for_one_of_another_type(
    hands: Hands, shard: Shard
) -> None:
    await hands.put(new_job("bad"), new_job("sound"))
    jobs = shard.keys.fixed("jobs")
    spec = await shard.link.command("HGET", jobs, "bad")
    await shard.link.command("HSET", jobs, "bad", spec[: spec.rindex(b"noop") + len("no")])
    await hands.join()
    assert ids(await hands.fetch(types=",no,noop,")) == ["sound"]


@pytest.mark.parametrize(
    "left", [b"", b"\x01 no more", b"\x01\0\0\0\0\0\0\0\0\xff\0"], ids=["empty", "9 bytes", "11 bytes"]
)
async def test_a_job_with_next_to_no_spec_fails_nothing_that_is_done_to_many(
    hands: Hands, shard: Shard, clock: Clock, left: bytes
) -> None:
    names = ["failed", "done", "active", "waits", "delayed"]
    sound = [f"sound {name}" for name in names]
    await hands.join()
    for name in sorted((*names, *sound), key=lambda name: names.index(name.removeprefix("sound "))):
        state = name.removeprefix("sound ")
        if state in ("failed", "done", "active"):
            (delivery,) = await hands.active(new_job(name))
            if state != "active":
                await shard.settle("w1", [failed(delivery) if state == "failed" else done(delivery)])
        else:
            await hands.put(new_job(name, due="+1000" if state == "delayed" else ""))
    for name in names:
        await shard.link.command("HSET", shard.keys.fixed("jobs"), name, left)
    assert (await shard.retry([*names, *sound]))[5:7] == ["waiting", "waiting"]
    clock.forward(1_001)
    await shard.promote()
    await shard.expire()
    assert (await shard.cancel([*names, *sound], {}))[5:] == [
        "cancelled",
        "cancelled",
        "asked",
        "cancelled",
        "cancelled",
    ]
    clock.forward(LEASE_MS)
    await hands.monitor()
    lost = await hands.take_over()
    assert sorted(item.delivery.id for item in lost) == ["active", "sound active"]
    assert await shard.settle("m1", [failed(item.delivery) for item in lost]) == [1, 1]
    assert await shard.delete([*names, *sound], list(State)) == ["gone"] * 10


@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("verdict", VERDICTS)
async def test_a_record_that_ends_where_it_should_say_what_its_job_takes_up_keeps_no_other_from_its_end(
    hands: Hands, shard: Shard, left: int, verdict: Callable[[Delivery], Settlement]
) -> None:
    await hands.join()
    bad, sound = await hands.active(new_job("bad", lane_key="o=x"), new_job("sound"))
    await damage_run(shard, "bad", lambda raw: raw[: 42 + raw[40] + raw[41] + left])
    assert await hands.settle(verdict(bad), given_back(sound)) == [1, 1]
    assert "sound" in ids(await hands.fetch())


@pytest.mark.parametrize("left", [0, 1])
async def test_a_record_that_ends_where_it_should_say_what_its_job_takes_up_keeps_no_other_from_its_begin(
    hands: Hands, shard: Shard, left: int
) -> None:
    await hands.join()
    (bad,) = await hands.active(new_job("bad", lane_key="o=x"))
    await hands.settle(given_back(bad))
    await hands.put(new_job("sound"))
    await damage_run(shard, "bad", lambda raw: raw[: 42 + raw[40] + raw[41] + left])
    assert "sound" in ids(await hands.fetch())


@pytest.mark.parametrize("lost", ["jobs", "runs"])
async def test_the_owner_of_a_key_ends_and_frees_it_when_a_record_of_its_follower_is_lost(
    hands: Hands, shard: Shard, lost: str
) -> None:
    await hands.join()
    (first,) = await hands.active(job("first", KEEP_LAST))
    await hands.put(job("bad", KEEP_LAST))
    await shard.link.command("HDEL", shard.keys.fixed(lost), "bad")
    assert await hands.settle(done(first)) == [1]
    assert await owner(shard) is None


@pytest.mark.parametrize("left", [b"7", b"nil", b"{"], ids=["a number", "no JSON", "cut off"])
async def test_a_job_whose_options_are_damaged_is_kept_like_all_others_of_its_queue(
    hands: Hands, shard: Shard, left: bytes
) -> None:
    await hands.join()
    deliveries = await hands.active(new_job("bad", keep_completed=Keep(count=3)), new_job("sound"))
    jobs = shard.keys.fixed("jobs")
    spec = await shard.link.command("HGET", jobs, "bad")
    await shard.link.command("HSET", jobs, "bad", re.sub(rb"\{.*\}(?=\{\}$)", lambda it: left.ljust(len(it[0])), spec))
    assert await hands.settle(*map(done, deliveries)) == [1, 1]
    assert set(await shard.link.command("ZRANGE", shard.keys.ended("default", "c"), 0, -1)) == {b"bad", b"sound"}
