"""The crew: real worker children, started, watched and replaced."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

import jobd
from jobd.domain.levels import Levels
from jobd.errors import RoleError
from jobd.roles.reaper import Reaper
from jobd.roles.verdicts import Verdicts
from jobd.settings import Settings
from jobd.store.store import Member
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.until import until


async def workers(parts: Parts) -> list[Member]:
    return [member for member in await parts.store.members() if member.alive]


async def test_a_child_that_cannot_begin_says_why(parts: Parts) -> None:
    wrong = {"plugins": {"testbed": {"greeting": ["not", "a", "text"]}}}
    parts.settings = Settings.model_validate(parts.settings.model_dump(exclude={"plugins"}) | wrong)
    with pytest.raises(RoleError, match=r"could not begin.*greeting"):
        await parts.crew().start()
    assert await workers(parts) == []


async def test_a_child_that_dies_is_reported_and_replaced(parts: Parts) -> None:
    crew = parts.crew(2)
    await crew.start()
    before = await workers(parts)
    assert len(before) == 2
    os.kill(before[0].about["pid"], signal.SIGKILL)

    async def replaced() -> bool:
        now = {member.id for member in await workers(parts)}
        return len(now) == 2 and before[0].id not in now

    await until(replaced)
    assert before[1].id in {member.id for member in await workers(parts)}
    await crew.stop()
    assert await workers(parts) == []


async def test_a_stop_does_not_wait_for_a_child_that_just_begins(parts: Parts) -> None:
    crew = parts.crew()
    await crew.start()
    (member,) = await workers(parts)
    os.kill(member.about["pid"], signal.SIGKILL)  # its successor begins, or is about to
    await until(lambda: _none_left(parts))
    with anyio.fail_after(PATIENCE_S):
        await crew.quiet()
        await crew.drain()
        await crew.stop()
    assert await workers(parts) == []


async def _none_left(parts: Parts) -> bool:
    return await workers(parts) == []


async def test_a_child_for_suspects_comes_when_it_is_needed_and_goes_when_it_is_not(parts: Parts) -> None:
    reaper = Reaper(parts.membership("monitor", ["@monitor"]), Verdicts(parts.catalog, Levels()), report=parts.report)
    crew = parts.crew(0)
    await reaper.start()
    await crew.start()
    assert await parts.client.workers() == []
    handle = await parts.client.enqueue("add", {"a": 1})
    # somebody fetched it and died over it
    dead = parts.membership()
    await dead.join()
    await parts.shard.turn(dead.id, [], sequence=1, want=1, types=",add,")
    await parts.shard.leave(dead.id, "killed by SIGKILL")
    crew.suspects_wait()
    assert await handle.result(PATIENCE_S) == 2
    assert {member.kind for member in await parts.client.workers()} == {"solo"}
    await until(lambda: _none_works(parts.client))
    await crew.stop()
    await reaper.stop()


async def _none_works(client: jobd.Client) -> bool:
    return not await client.workers()
