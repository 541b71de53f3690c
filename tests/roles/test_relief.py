"""Children that give way to others: when they are worn, and when people ask for it; and those that nobody follows."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jobd_testbed.journal import read
from redis.asyncio import Redis

import jobd
from jobd.domain.state import State
from jobd.errors import WorkerNotFound
from jobd.roles.worker.crew import Crew
from jobd.store.member import Member
from jobd.store.scripts import load
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.test_crew import set_worker, workers
from tests.roles.until import until


@asynccontextmanager
async def crew_of(parts: Parts, size: int = 1, **about: Any) -> AsyncIterator[Crew]:
    crew = parts.crew(size, **about)
    await crew.start()
    try:
        yield crew
    finally:
        await crew.interrupt()
        await crew.stop()


async def ids(parts: Parts) -> set[str]:
    return {member.id for member in await workers(parts)}


async def named(parts: Parts, member: str) -> Member:
    return next(each for each in await workers(parts) if each.id == member)


async def test_a_child_that_has_run_its_jobs_gives_way_and_no_job_notices(parts: Parts) -> None:
    set_worker(parts, max_jobs="5")
    async with crew_of(parts):
        before = await ids(parts)

        async def another() -> bool:
            assert await (await parts.client.enqueue("add", {"a": 1})).result(PATIENCE_S) == 2
            return bool(await ids(parts)) and before.isdisjoint(await ids(parts))

        await until(another)


async def test_a_child_that_has_grown_too_large_gives_way(parts: Parts) -> None:
    set_worker(parts, max_memory="1MB")
    async with crew_of(parts):
        before = await ids(parts)
        assert await (await parts.client.enqueue("add", {"a": 1})).result(PATIENCE_S) == 2

        async def another() -> bool:
            now = await ids(parts)
            return bool(now) and before.isdisjoint(now)

        await until(another)
        assert len(await ids(parts)) == 1


@pytest.mark.parametrize("way", ["client", "signal"])
async def test_a_child_is_replaced_when_its_successor_takes_jobs_and_ends_when_its_own_are_done(
    parts: Parts, way: str, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    async with crew_of(parts):
        (before,) = await workers(parts)
        handle = await parts.client.enqueue("write-sync", {"journal": str(journal), "key": "k", "seconds": 600})
        await until(lambda: _started(journal))
        if way == "client":
            await parts.client.restart_worker(before.id)
        else:
            os.kill(before.about["pid"], signal.SIGUSR2)

        async def both() -> bool:
            return len(await ids(parts)) == 2

        await until(both)
        assert (await handle.status()) is State.ACTIVE  # there was never a moment without a worker, nor does it hurry
        await until(lambda: _says(parts, before.id, "quiet"))
        assert await (await parts.client.enqueue("add", {"a": 1})).result(PATIENCE_S) == 2
        await handle.cancel()  # which is told to the one that is on its way out, too
        assert await handle.result(PATIENCE_S) == 1

        async def one() -> bool:
            return before.id not in await ids(parts)

        await until(one)
        assert len(await ids(parts)) == 1
    with pytest.raises(WorkerNotFound, match="jobd workers"):
        await parts.client.restart_worker(before.id)


async def _started(journal: Path) -> bool:
    return bool(read(journal))


async def _says(parts: Parts, member: str, what: str) -> bool:
    return bool((await named(parts, member)).about.get(what))


async def test_a_rolling_restart_replaces_one_after_the_other_and_is_never_below_strength(parts: Parts) -> None:
    async with crew_of(parts, 2) as crew:
        before = await ids(parts)
        restart = asyncio.create_task(crew.restart())
        strengths = set()
        while not restart.done() or not before.isdisjoint(await ids(parts)):
            taking = [member for member in await workers(parts) if not member.about.get("quiet")]
            strengths.add(len(taking))
            assert await (await parts.client.enqueue("add", {"a": 1})).result(PATIENCE_S) == 2
        await restart
        assert min(strengths) >= 2
        assert len(await ids(parts)) == 2


async def waits(handle: jobd.JobHandle[Any]) -> bool:
    """Who has just become quiet may have asked for it a moment before; then it is given back at once."""
    return (await handle.status()) is State.WAITING


@pytest.mark.parametrize("way", ["client", "signal"])
async def test_a_quiet_child_takes_no_more_jobs_and_lets_those_it_has_end(
    parts: Parts, way: str, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    async with crew_of(parts) as crew:
        (member,) = await workers(parts)
        handle = await parts.client.enqueue("write-sync", {"journal": str(journal), "key": "k", "seconds": 1})
        await until(lambda: _started(journal))
        if way == "client":
            await parts.client.quiet_worker(member.id)
        else:
            os.kill(member.about["pid"], signal.SIGUSR1)
        await until(lambda: _says(parts, member.id, "quiet"))
        later = await parts.client.enqueue("add", {"a": 1})
        assert await handle.result(PATIENCE_S) == 1
        await until(lambda: waits(later))
        await crew.restart()
        assert await later.result(PATIENCE_S) == 2


@pytest.mark.parametrize("way", ["client", "signal"])
async def test_a_child_that_is_stopped_has_no_successor(parts: Parts, way: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    deserted = asyncio.Event()
    async with crew_of(parts, 2) as crew:
        crew._on_deserted = deserted.set
        for left in (1, 0):
            member = (await workers(parts))[0]
            handle = await parts.client.enqueue("write-sync", {"journal": str(journal), "key": "k", "seconds": 0.5})
            if way == "client":
                await parts.client.stop_worker(member.id)
            else:
                os.kill(member.about["pid"], signal.SIGTERM)

            async def gone(left: int = left) -> bool:
                return len(await ids(parts)) == left

            await until(gone)
            assert left == 0 or not deserted.is_set()
        async with asyncio.timeout(PATIENCE_S):
            await deserted.wait()
        assert (await handle.get()).status in (State.WAITING, State.COMPLETED)

        async def all_gone() -> bool:
            return not crew.status()

        await until(all_gone)


async def test_a_child_does_what_people_asked_although_the_word_was_lost_with_its_connection(
    parts: Parts, redis_url: str
) -> None:
    async with crew_of(parts):
        (member,) = await workers(parts)
        order, keys = load("order").function, parts.client.store.shards[0].keys
        async with Redis.from_url(redis_url) as outside, outside.pipeline() as together:
            while not (await outside.info("clients"))["blocked_clients"]:
                pass  # it does not wait for words yet
            # nobody who waits for a word is told of it before all of this is done
            together.fcall(order, 1, keys.fixed("leases"), "", keys.base, member.id, "stop")
            together.lpop(keys.inbox(member.id))
            together.client_kill_filter(_type="normal", skipme=True)
            told, word, _ = await together.execute()
            assert (told, word) == (1, b"do stop")

        async def gone() -> bool:
            return not await ids(parts)

        await until(gone)


async def test_the_status_of_each_child_is_told(parts: Parts) -> None:
    async with crew_of(parts, 2) as crew:
        for number in range(3):
            await (await parts.client.enqueue("add", {"a": number})).result(PATIENCE_S)

        async def heard() -> bool:
            return [each["ran"] for each in crew.status()] in ([1, 2], [2, 1], [0, 3], [3, 0])

        await until(heard)
        assert {each["member"] for each in crew.status()} == await ids(parts)
        assert all(each["memory"] > 1_000_000 for each in crew.status())
        assert {(each["quiet"], each["leaving"]) for each in crew.status()} == {(False, False)}
        crew.quiet_all()

        async def quiet() -> bool:
            return {each["quiet"] for each in crew.status()} == {True}

        await until(quiet)
