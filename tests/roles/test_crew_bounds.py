"""What keeps a crew within bounds: how many children there are, who follows whom, and what a child may know."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from jobd.roles.worker import crew as crew_module
from jobd.roles.worker.crew import Crew
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.test_crew import set_worker, workers
from tests.roles.test_relief import crew_of, waits
from tests.roles.until import until


async def known(crew: Crew, count: int) -> bool:
    """Have so many children told how large they are?"""
    return [each["memory"] > 0 for each in crew.status()] == [True] * count


async def test_a_child_that_is_too_large_before_its_first_job_stays_as_the_next_one_would_be_no_smaller(
    parts: Parts,
) -> None:
    set_worker(parts, max_memory="1MB")
    async with crew_of(parts) as crew:
        await until(lambda: known(crew, 1))
        (child,) = crew._children
        assert crew._worn(child) == ""
        child.ran = 1
        assert crew._worn(child).startswith("it has ")


async def test_only_one_child_at_a_time_waits_for_its_successor(parts: Parts) -> None:
    async with crew_of(parts, 3) as crew:
        before = {member.id for member in await workers(parts)}
        restart = asyncio.create_task(crew.restart())
        most = 0
        while not restart.done():
            waiting = [child for child in crew._children if child.leaves.is_set() and not child.relieved.is_set()]
            most = max(most, len(waiting))
            await workers(parts)
        await restart
        assert most == 1

        async def replaced() -> bool:
            now = {member.id for member in await workers(parts)}
            return len(now) == 3 and before.isdisjoint(now)

        await until(replaced)


async def test_who_comes_in_place_of_a_quiet_child_that_died_is_quiet_too(parts: Parts) -> None:
    async with crew_of(parts) as crew:
        crew.quiet_all()
        (before,) = crew.status()
        os.kill(before["pid"], signal.SIGKILL)

        async def followed() -> bool:
            told = [(each.about["pid"] != before["pid"], each.about.get("quiet")) for each in await workers(parts)]
            return told == [(True, True)]

        await until(followed)
        handle = await parts.client.enqueue("add", {"a": 1})
        await until(lambda: waits(handle))
        await crew.restart()
        assert await handle.result(PATIENCE_S) == 2


async def test_no_more_children_for_suspects_are_started_than_may_and_one_after_the_other(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "MOST_SOLO", 2)
    monkeypatch.setattr(Crew, "_idle", lambda crew, child: None)  # they stay, though there is nothing to do
    async with crew_of(parts, 0) as crew:
        for most in (1, 2, 2):
            crew.suspects_wait()
            crew.suspects_wait()
            assert len(crew._solo) == most

            async def up(most: int = most) -> bool:
                return [child.up for child in crew._solo] == [True] * most

            await until(up)


async def test_when_those_for_suspects_find_none_the_next_one_is_not_started_at_once(parts: Parts) -> None:
    async with crew_of(parts, 0) as crew:
        crew.suspects_wait()
        (child,) = crew._solo
        await asyncio.wait_for(child.up_or_ended.wait(), PATIENCE_S)
        crew._idle(child)  # as it says after a while without work

        async def gone() -> bool:
            return not crew._solo and not crew._posts

        await until(gone)
        crew.suspects_wait()
        assert not crew._solo


@pytest.mark.threat("S39")
async def test_a_child_does_not_know_the_key_to_the_door_of_the_api(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JOBD_TOKEN", "JOBD_HTTP__TOKEN", "APP_COLOUR"):
        monkeypatch.setenv(name, "canary")
    async with crew_of(parts):
        seen = await (await parts.client.enqueue("look-around", {})).result(PATIENCE_S)
    assert [name for name, value in seen["environment"].items() if value == "canary"] == ["APP_COLOUR"]
