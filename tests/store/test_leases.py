"""Members come, stay and go: the lease belongs to the process, and one that has run out is never revived."""

from __future__ import annotations

import pytest

from jobd.domain.state import State
from jobd.errors import LeaseLost
from jobd.store.link import pairs
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.store.hands import LEASE_MS, LOST, Clock, Hands, LossyLink, done, ended, given_back, ids, new_job


async def renewed(shard: Shard, *members: str) -> list[bool]:
    goes_on, _ = await shard.renew(members, LEASE_MS, patience_s=1)
    return goes_on


async def test_who_holds_nothing_has_nothing_in_hand_that_is_to_end(shard: Shard) -> None:
    assert await shard.held_by("nobody") == await shard.asked_to_end([]) == []


async def test_a_lease_goes_on_as_long_as_it_is_renewed(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    for _ in range(3):
        clock.forward(LEASE_MS)
        assert await renewed(shard, "w1") == [True]
    leases = pairs(await shard.link.command("ZRANGE", shard.keys.fixed("leases"), 0, -1, "WITHSCORES"))
    assert [(name, float(until)) for name, until in leases] == [(b"w1", clock.ms + LEASE_MS)]


async def test_a_lease_that_has_run_out_is_not_renewed(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join("w1")
    clock.forward(1)
    await hands.join("w2")
    clock.forward(LEASE_MS)
    assert await renewed(shard, "w1", "w2", "stranger") == [False, True, False]
    assert await renewed(shard, "w1") == [False]


async def test_a_lease_that_has_run_out_is_not_revived_by_joining(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    await hands.active(new_job("a"))
    clock.forward(LEASE_MS + 1)
    with pytest.raises(LeaseLost):
        await hands.join()
    clock.forward(-1)
    await hands.join()
    clock.forward(LEASE_MS + 1)
    await hands.monitor()
    assert len(await hands.take_over()) == 1


async def test_a_new_id_takes_what_the_old_one_lost(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join("w1")
    await hands.active(new_job("a"))
    clock.forward(LEASE_MS + 1)
    await hands.join("w1b")
    await hands.monitor()
    lost = await hands.take_over()
    await shard.settle("m1", [ended(item.delivery, LOST, "lost") for item in lost])
    await hands.join("solo", "!*")
    assert ids(await hands.fetch("solo")) == ["a"]


async def test_joining_again_while_the_lease_holds_is_a_repeat(hands: Hands, shard: Shard) -> None:
    shard.link = link = LossyLink(shard.link)
    link.losing = 1
    await hands.join()
    await hands.put(new_job("a"))
    assert ids(await hands.fetch()) == ["a"]


async def test_who_leaves_with_empty_hands_leaves_nothing_behind(hands: Hands, shard: Shard) -> None:
    await hands.join("w1", "a", "b")
    assert await hands.fetch() == []
    assert await shard.leave("w1") == 0
    assert await shard.link.command("KEYS", "*") == []
    assert await shard.leave("w1") == 0


async def test_who_leaves_with_jobs_in_hand_may_neither_fetch_nor_renew(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.active(new_job("a"))
    assert await shard.leave("w1") == 1
    assert await shard.leave("w1") == 1
    assert await renewed(shard, "w1") == [False]
    with pytest.raises(LeaseLost):
        await hands.fetch()
    with pytest.raises(LeaseLost):
        await hands.join()
    assert await hands.states("a") == [State.ACTIVE]


async def test_renewing_tells_whether_suspects_wait(hands: Hands, shard: Shard) -> None:
    await hands.join()
    assert (await shard.renew(["w1"], LEASE_MS, patience_s=1))[1] is False
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [ended(delivery, LOST, "lost")])
    assert (await shard.renew(["w1"], LEASE_MS, patience_s=1))[1] is True
    await hands.join("solo", "!*")
    await hands.fetch("solo")
    assert (await shard.renew(["w1"], LEASE_MS, patience_s=1))[1] is False


async def test_the_members_are_listed_with_what_they_hold(
    hands: Hands, store: Store, shard: Shard, clock: Clock
) -> None:
    await hands.join("w1", "a", "b")
    await hands.monitor()
    await hands.active(new_job(queue="a"))
    clock.forward(LEASE_MS + 1)
    await hands.join("w2")
    members = {member.id: member for member in await store.members()}
    assert sorted(members) == ["m1", "w1", "w2"]
    assert (members["w1"].kind, members["w1"].lines, members["w1"].holds, members["w1"].alive) == (
        "worker",
        ("a", "b"),
        1,
        False,
    )
    assert (members["m1"].kind, members["w2"].alive, members["w2"].lines) == ("monitor", True, ("*",))


async def test_progress_and_logs_of_a_running_job_read_back(hands: Hands, store: Store, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    assert await shard.say(delivery, "progress", b'"done":1,"total":4,"message":"one"')
    assert await shard.say(delivery, "progress", b'"done":2,"total":4')
    for number in range(1_005):
        assert await shard.say(delivery, "log", b'"level":"info","text":"line %d","fields":{"n":%d}' % (number, number))
    job = await hands.job("a")
    assert job.progress is not None
    assert (job.progress.percent, job.progress.message) == (50.0, None)
    lines = await store.logs("a")
    assert len(lines) == 1_000
    assert (lines[-1].text, lines[-1].attempt, lines[-1].fields) == ("line 1004", 1, {"n": 1_004})


async def test_a_member_describes_itself_anew_only_as_long_as_it_is_one(
    hands: Hands, store: Store, shard: Shard
) -> None:
    await hands.join()
    assert await shard.describe("w1", b'{"kind":"worker","stuck":2}')
    (member,) = await store.members()
    assert member.about == {"kind": "worker", "stuck": 2}
    await shard.leave("w1")
    assert not await shard.describe("w1", b"{}")
    assert await shard.link.command("EXISTS", shard.keys.member("w1")) == 0


# --- what is said to members, and by them ----------------------------------------------------------------------------


@pytest.mark.usefixtures("watched_worker")
async def test_a_member_is_told_what_people_want_until_the_last_moment_of_its_lease(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    clock.forward(LEASE_MS)
    assert await shard.order("w1", "quiet")
    assert await hands.words("w1") == ["do quiet"]
    clock.forward(1)
    assert not await shard.order("w1", "quiet")
    assert not await shard.order("stranger", "quiet")
    assert await hands.words("w1") == []


@pytest.mark.usefixtures("watched_worker")
async def test_a_sign_of_life_is_heard_of_the_delivery_that_is_under_way_and_of_no_other(
    hands: Hands, shard: Shard
) -> None:
    (first,) = await hands.active(new_job("a", timeout_ms=1_000))
    await hands.settle(given_back(first))
    assert not await shard.say(first, "heartbeat", 60_000)
    (second,) = await hands.fetch()
    assert not await shard.say(first, "heartbeat", 60_000)
    assert await shard.say(second, "heartbeat", 60_000)
    await hands.settle(done(second))
    assert not await shard.say(second, "heartbeat", 60_000)
    await shard.delete(["a"], [State.COMPLETED])
    assert not await shard.say(second, "heartbeat", 60_000)


@pytest.mark.usefixtures("watched_worker")
async def test_a_member_describes_itself_by_keys_that_are_known(shard: Shard) -> None:
    assert await shard.describe("w1", b'{"kind":"worker","stuck":2}')


async def test_what_a_worker_holds_is_kept_where_each_is_found_at_once_when_it_is_much(hands: Hands) -> None:
    await hands.join("w1")
    await hands.put(*[new_job() for _ in range(36)])
    held = hands.shard.keys.held("w1")
    for first, more in ((16, 1), (17, 2)):
        kept = []
        for want, encoding in ((first, b"listpack" if first == 16 else b"skiplist"), (more, b"skiplist")):
            kept += await hands.fetch("w1", want=want)
            assert await hands.shard.link.command("OBJECT", "ENCODING", held) == encoding
            assert await hands.shard.link.command("ZRANGE", held, 0, -1) == sorted(job.id.encode() for job in kept)
        await hands.settle(*[done(job) for job in kept])
