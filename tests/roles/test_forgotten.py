"""The store forgets while all that use it live on: what happened since an older copy was made, or all of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

import jobd
from jobd import log
from jobd.domain.delivery import Delivery
from jobd.domain.levels import Levels
from jobd.domain.outcome import RETURNED
from jobd.domain.state import State
from jobd.errors import JobNotFound, StoreUnavailable
from jobd.roles.declared_limits import DeclaredLimits
from jobd.roles.membership import LEFT
from jobd.roles.verdicts import Verdicts
from jobd.roles.worker.cancels import Cancels
from jobd.roles.worker.catch_up import CatchUp
from jobd.roles.worker.outbox import Outbox
from jobd.roles.worker.running import Key
from jobd.roles.worker.slots import Slots
from jobd.store.lease_keeper import LeaseKeeper
from tests.real_server import RealServer
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.until import until
from tests.roles.working import working
from tests.store.hands import Clock, Hands, new_job

Copy = dict[bytes, bytes]


def copied(server: Any) -> Copy:
    return {key: server.dump(key) for key in server.scan_iter()}


def bring_back(server: Any, copy: Copy, leases: bytes) -> None:
    """As a server does that comes back with an older file, or a replica that was not told all. No lease of the copy has
    run out, however slow this machine."""
    server.flushall()
    for key, value in copy.items():
        server.restore(key, 0, value)
    for member, ends_at in server.zrange(leases, 0, -1, withscores=True):
        server.zadd(leases, {member: ends_at + 60_000})
    server.client_kill_filter(_type="normal", skipme=True)


async def test_a_job_whose_end_the_store_has_forgotten_runs_again_while_its_worker_lives(
    parts: Parts, session_server: RealServer
) -> None:
    begun: Counter[str] = Counter()
    let_end = asyncio.Event()

    @jobd.job("hold", concurrency=2)
    async def hold(ctx: jobd.Context) -> None:
        begun[ctx.job.id] += 1
        await let_end.wait()

    async def has_begun(times: int) -> None:
        async def look() -> bool:
            return begun.total() == times

        await until(look)

    async with working(parts, hold, concurrency=4, monitor=False) as client:
        member = parts.engines[-1]._membership.id
        ended = [await client.enqueue(hold) for _ in range(2)]
        await has_begun(2)
        with session_server.client() as server:
            copy = copied(server)
            let_end.set()
            for handle in ended:
                await handle.result(PATIENCE_S)
            let_end.clear()
            # these are handed over after the copy was made: the store will know nothing of them
            unknown = [await client.enqueue(hold) for _ in range(2)]
            await has_begun(4)
            bring_back(server, copy, parts.shard.keys.fixed("leases"))
        await has_begun(6)
        let_end.set()
        with anyio.fail_after(PATIENCE_S):
            for handle in ended:
                assert (await client.wait(handle.id)).status is State.COMPLETED
        for handle in unknown:
            with pytest.raises(JobNotFound):
                await handle.get()
        assert parts.engines[-1]._membership.id == member
        assert {begun[handle.id] for handle in ended} == {2}
        job = await ended[0].get()
        assert [str(attempt.outcome) for attempt in job.attempts] == ["interrupted", "returned"]
        assert (job.attempt, job.deliveries) == (1, 2)
        # and nothing is held by what is over
        await (await client.enqueue(hold)).result(PATIENCE_S)


async def test_what_runs_waits_or_has_ended_in_a_worker_is_not_given_back_when_its_line_breaks(
    parts: Parts,
) -> None:
    hands = Hands(parts.shard, Clock(parts.shard))
    await hands.join()
    running, waiting, ended, stray = await hands.active(*map(new_job, ("running", "waiting", "ended", "stray")))

    async def run(delivery: Delivery) -> None:
        raise AssertionError(delivery)

    slots = Slots(1, run)  # never opened: what is handed in waits
    slots.give([waiting])
    outbox = Outbox(Verdicts(parts.catalog, Levels()), log.get("worker"))
    outbox.put(ended, RETURNED, ())
    attempts: dict[Key, Any] = {(running.id, running.fence): None}
    asked: list[str] = []
    cancels = Cancels(parts.shard, attempts, slots)
    look = CatchUp(parts.shard, cancels, attempts, slots, outbox, asked.append)

    assert await look.look("w1")

    assert outbox.keys == {(ended.id, ended.fence), (stray.id, stray.fence)}
    assert await parts.shard.settle("w1", outbox.next_batch()) == [1, 1]
    assert await hands.states("stray", "ended") == [State.WAITING, State.COMPLETED]
    assert await parts.shard.order("w1", "quiet")
    assert await look.look("w1")
    look.asked("quiet")
    assert await look.look("w1")
    assert asked == ["quiet"]


async def test_who_works_on_the_store_makes_known_again_what_it_has_forgotten(
    parts: Parts, session_server: RealServer
) -> None:
    limits = DeclaredLimits(parts.store, {"q/default": {"concurrency": 3}})
    parts.keeper.stop()
    # it renews often, and no lease runs out however slow this machine
    parts.keeper = LeaseKeeper(parts.store.url, "jobd", 1, 60_000, on_forgotten=limits.declare_again)
    parts.keeper._interval_s = 0.1
    parts.keeper.start()
    await limits.start()
    with capture_logs() as said:
        async with working(parts) as client:
            types, rules = await parts.store.known_types(), await parts.shard.rules()
            assert types
            assert rules == {"q/default": {"concurrency": 3}}
            # whose lease was never renewed has none that is known to last
            await until_renewed(parts.keeper, 3)
            session_server.empty()
            await (await client.enqueue("noop", {"text": "x"})).result(PATIENCE_S)
            assert await parts.store.known_types() == types

            async def declared_again() -> bool:
                return await parts.shard.rules() == rules

            await until(declared_again)
            assert [line["shard"] for line in said if "has forgotten who works on it" in line["event"]] == [0]
    await limits.stop()


async def until_renewed(keeper: LeaseKeeper, members: int) -> None:
    async def look() -> bool:
        return sum(1 for member in list(keeper._members.values()) if member.renewed_at > 0) == members

    await until(look)


async def test_nobody_takes_a_store_for_forgetful_because_somebody_left_or_was_late(
    parts: Parts, session_server: RealServer
) -> None:
    forgotten: list[str] = []
    lost: list[str] = []
    keeper = LeaseKeeper(parts.store.url, "jobd", 1, 60_000, on_forgotten=lambda: forgotten.append("all"))

    async def join(*members: str) -> None:
        for member in members:
            await parts.shard.join(member, lease_ms=60_000, lines=["*"], about=b"{}")
            keeper.add(0, member, lambda: True, partial(lost.append, member))

    await join("leaves", "stays")
    await keeper._renew(parts.shard)
    await join("late")
    session_server.empty()
    await keeper._renew(parts.shard)
    assert lost == ["leaves", "stays", "late"]
    assert forgotten == []

    keeper.remove(0, "leaves")
    with capture_logs() as said:
        for _ in range(3):
            await keeper._renew(parts.shard)
    assert forgotten == ["all"]
    assert [line["members"] for line in said] == [1]
    assert lost == ["leaves", "stays", "late"]


async def test_a_worker_that_lost_its_lease_goes_on_while_another_shard_is_away(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def be_away(types: object) -> None:
        raise StoreUnavailable("one of the shards is away")

    async with working(parts) as client:
        monkeypatch.setattr(parts.store, "tell_types", be_away)
        await parts.shard.leave(parts.engines[-1]._membership.id, LEFT)
        await (await client.enqueue("noop", {"text": "x"})).result(PATIENCE_S)
