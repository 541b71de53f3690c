"""The crew: real worker children, started, watched and replaced."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

import jobd
from jobd.domain.levels import Levels
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from jobd.errors import RoleError
from jobd.roles.reaper import Reaper
from jobd.roles.verdicts import Verdicts
from jobd.roles.worker import crew as crew_module
from jobd.roles.worker import succession as succession_module
from jobd.roles.worker.crew import Crew
from jobd.settings import Settings
from jobd.store.member import Member
from tests.plugin_shelf import PluginShelf
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


def crew_whose_children_are_killed(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> Crew:
    """The first of its children are killed while they open their services, so many of them."""
    with_service(
        tmp_path,
        monkeypatch,
        f"""
        import os, pathlib, signal
        class Ledger: ...
        def open_ledger():
            starts = pathlib.Path({str(tmp_path / "starts")!r})
            number = int(starts.read_text()) if starts.exists() else 0
            starts.write_text(str(number + 1))
            if number < {times}:
                os.kill(os.getpid(), signal.SIGKILL)
            return Ledger()
        @jobd.hookimpl
        def jobd_services(): return {{Ledger: open_ledger}}
        """,
    )
    return parts.crew()


async def test_who_is_killed_before_it_takes_jobs_has_a_successor(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = crew_whose_children_are_killed(parts, tmp_path, monkeypatch, times=2)
    with capture_logs() as said:
        await crew.start()
    assert len(await workers(parts)) == 1
    assert [line["cause"] for line in said if line["event"] == "a worker process died"] == ["killed by SIGKILL"] * 2
    await crew.stop()


async def test_when_too_many_in_a_row_are_killed_before_they_take_jobs_it_is_given_up(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession_module, "MOST_FALSE_STARTS", 3)
    crew = crew_whose_children_are_killed(parts, tmp_path, monkeypatch, times=3)
    with pytest.raises(RoleError, match=r"no worker process could begin, 3 in a row; the last one: killed by SIGKILL"):
        await crew.start()
    assert (tmp_path / "starts").read_text() == "3"


async def test_jobs_come_to_their_end_in_a_child_whose_neighbour_cannot_begin(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "journal"
    with_service(
        tmp_path,
        monkeypatch,
        f"""
        import os, time
        class Ledger: ...
        def open_ledger():
            try:
                os.close(os.open({str(tmp_path / "first")!r}, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                while not os.path.exists({str(journal)!r}):
                    time.sleep(0.01)
                raise RuntimeError("there is one ledger") from None
            return Ledger()
        @jobd.hookimpl
        def jobd_services(): return {{Ledger: open_ledger}}
        """,
    )
    job = await parts.client.enqueue("write", {"journal": str(journal), "key": "k", "seconds": 0.5})
    with pytest.raises(RoleError, match="there is one ledger"):
        await parts.crew(2).start()
    ended = await job.get()
    assert (ended.status, [attempt.outcome for attempt in ended.attempts]) == (State.COMPLETED, [Ending.RETURNED])
    assert await workers(parts) == []


async def test_a_child_that_dies_is_reported_and_replaced(parts: Parts) -> None:
    crew = parts.crew(2)
    await crew.start()
    before = await workers(parts)
    assert len(before) == 2
    os.kill(before[0].about["pid"], signal.SIGKILL)

    async def replaced() -> bool:
        now = {member.id for member in await workers(parts)}
        # who has joined may have to be heard of yet: only then does it leave in order when the crew ends
        heard_of = {child["member"] for child in crew.status()}
        return len(now) == 2 and before[0].id not in now and heard_of == now

    await until(replaced)
    assert before[1].id in {member.id for member in await workers(parts)}
    await crew.stop()
    await until(lambda: _none_left(parts))  # one that had just joined may be killed before it could leave


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
    await until(lambda: _none_left(parts))  # one that had just joined may be killed before it could leave


async def test_children_that_die_soon_after_their_start_are_complained_about(parts: Parts) -> None:
    crew = parts.crew()
    await crew.start()
    with capture_logs() as said:
        for number in range(2):
            (member,) = await workers(parts)
            os.kill(member.about["pid"], signal.SIGKILL)
            await until(lambda before=member.id: _replaced(parts, before))  # type: ignore[misc]  # mypy wants no default
            complaints = [line for line in said if "die soon after their start" in line["event"]]
            assert [line["in_a_row"] for line in complaints] == [2][:number]
    assert (complaints[0]["log_level"], complaints[0]["cause"]) == ("error", "killed by SIGKILL")
    await crew.stop()


async def _replaced(parts: Parts, before: str) -> bool:
    now = [member.id for member in await workers(parts)]
    return len(now) == 1 and before not in now


def with_slow_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: Parts, limit: str, seconds: float
) -> None:
    """Children find a plugin whose service holds their loop for so long; `limit` is `max_loop_block`."""
    with_service(
        tmp_path,
        monkeypatch,
        f"""
        import time
        class Ledger: ...
        def open_ledger():
            time.sleep({seconds})
            return Ledger()
        @jobd.hookimpl
        def jobd_services(): return {{Ledger: open_ledger}}
        """,
    )
    set_worker(parts, max_loop_block=limit)


def with_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Children find a plugin with this source."""
    PluginShelf(tmp_path, monkeypatch).put("slow", source)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


def set_worker(parts: Parts, **settings: str) -> None:
    worker = parts.settings.worker.model_dump() | settings
    parts.settings = Settings.model_validate(parts.settings.model_dump(exclude={"worker"}) | {"worker": worker})


async def test_a_service_may_take_as_long_to_open_as_a_loop_may_hang(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "SHORTEST_START_LIMIT_S", 1.0)
    with_slow_service(tmp_path, monkeypatch, parts, "60s", 3)
    crew = parts.crew()
    await crew.start()
    assert len(await workers(parts)) == 1
    await crew.stop()


@pytest.mark.long
async def test_a_service_that_does_not_open_is_named_with_its_plugin(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "SHORTEST_START_LIMIT_S", 20.0)
    with_slow_service(tmp_path, monkeypatch, parts, "20s", 600)
    with pytest.raises(RoleError, match=r"plugin 'slow' \(of jobd-slow 1.2\): service Ledger took longer than 20 s"):
        await parts.crew().start()


@pytest.mark.long
async def test_a_child_whose_handlers_heed_no_stop_gives_way_to_a_successor(parts: Parts, tmp_path: Path) -> None:
    set_worker(parts, grace="3s")
    reaper = Reaper(parts.membership("monitor", ["@monitor"]), Verdicts(parts.catalog, Levels()), report=parts.report)
    crew = parts.crew(concurrency=2)
    await reaper.start()
    await crew.start()
    (before,) = await workers_only(parts)
    # one that runs as it should, and one that swallows its cancellation
    entry = {"journal": str(tmp_path / "journal"), "key": "k", "seconds": 600}
    good = await parts.client.enqueue("write", entry)
    deaf = await parts.client.enqueue("deaf", entry, timeout="100ms", max_attempts=1)
    await until(lambda: _holds(parts, 2))

    # whether the successor is there before it has gone is a matter of luck
    async def leaves() -> bool:
        return (True, 1) in {
            (member.about.get("leaving"), member.about.get("stuck"))
            for member in await workers_only(parts)
            if member.id == before.id
        }

    await until(leaves)
    assert await (await parts.client.enqueue("add", {"a": 1})).result(PATIENCE_S) == 2

    async def gone() -> bool:
        return before.id not in {member.id for member in await workers_only(parts)}

    await until(gone)
    assert (await deaf.get()).status is State.FAILED
    job = await good.get()  # its grace was over: given back, and the successor has it now
    assert (job.attempt, job.attempts[0].outcome) == (1, Ending.INTERRUPTED)
    await crew.stop()
    await reaper.stop()


async def workers_only(parts: Parts) -> list[Member]:
    return [member for member in await workers(parts) if member.kind == "worker"]


async def _holds(parts: Parts, count: int) -> bool:
    return [member.holds for member in await workers_only(parts)] == [count]


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
