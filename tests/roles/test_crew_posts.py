"""What a crew does about its children, which are played here: whom it replaces, whom it ends, and what it says."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from jobd.control.workers import QUIET, RESTART, STOP
from jobd.errors import RoleError
from jobd.roles.worker import crew as crew_module
from jobd.roles.worker import succession
from jobd.roles.worker.crew import MOST_SOLO, Crew
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.played import Played, crew_that_ends_well, played, turns
from tests.roles.test_crew import set_worker, workers
from tests.roles.until import until
from tests.store.hands import Clock, Hands, new_job

__all__ = ["played"]

LEAVE = ["quiet", "drain", "interrupt", "stop"]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "FIRST_PAUSE_S", 0.0)


async def test_who_cannot_be_started_is_tried_again_if_its_place_was_taken_before(
    parts: Parts, played: type[Played]
) -> None:
    played.broken.append(OSError("no more processes"))
    with pytest.raises(OSError, match="no more"):
        await parts.crew(1).start()
    async with crew_that_ends_well(parts):
        played.broken.append(OSError("no more processes"))
        with capture_logs() as said:
            played.every[-1].die("killed by SIGKILL")
            await until(lambda: len(played.every) == 4 and played.every[-1].up)
        assert [line["error"] for line in said if "could not be started" in line["event"]] == ["no more processes"]


async def test_a_crew_has_started_when_each_place_was_taken_and_from_then_on_no_child_is_without_hope(
    parts: Parts, played: type[Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(played, "begins", False)
    crew = parts.crew(1)
    starting = asyncio.create_task(crew.start())
    await until(lambda: len(played.every) == 1)
    played.every[0].die("killed by SIGKILL")
    await until(lambda: len(played.every) == 2)
    await turns()
    assert not starting.done()
    played.every[1].begin()
    await starting
    for number in (1, 2):
        played.every[number].die("its settings are wrong", hopeless=True)
        await until(lambda number=number: len(played.every) == number + 2)  # type: ignore[misc]  # mypy wants no default
    assert not crew.failed
    await crew.stop()


async def test_of_those_that_cannot_begin_one_says_why(
    parts: Parts, played: type[Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(played, "begins", False)
    starting = asyncio.create_task(parts.crew(2).start())
    await until(lambda: len(played.every) == 2)
    first, second = played.every
    second.may_rest.clear()
    for child in (first, second):
        child.die("its settings are wrong", hopeless=True)
    await turns()
    second.may_rest.set()
    with pytest.raises(RoleError, match="its settings are wrong"):
        await asyncio.wait_for(starting, PATIENCE_S)


async def test_a_crew_that_goes_down_ends_whoever_takes_no_jobs_yet_and_nobody_complains_or_follows(
    parts: Parts, played: type[Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crew_that_ends_well(parts, 2) as crew:
        first, second = played.every
        monkeypatch.setattr(played, "begins", False)
        with capture_logs() as said:
            first.die("killed by SIGKILL")
            await until(lambda: len(played.every) == 3 and played.every[2].pid > 0)
            played.every[2].die("killed by SIGKILL")
            await until(lambda: len(played.every) == 4 and played.every[3].pid > 0)
        fourth = played.every[3]
        assert [line["in_a_row"] for line in said if "die soon after their start" in line["event"]] == [2]
        with capture_logs() as said:
            await crew.quiet()
            await turns()
            for child in (second, fourth):
                crew._asked(child, STOP)
                await crew._relieve(child, "asked to")
                crew._give_way(child, 3)
                crew._idle(child)
            crew.suspects_wait()
            await turns()
        assert (fourth.cause, fourth.orders, second.orders, second.ended.is_set()) == ("it left", [], ["quiet"], False)
        assert not second.leaves.is_set()
        assert not second.dismissed
        assert len(played.every) == 4
        assert said == []


async def test_one_whose_start_comes_to_its_end_when_nobody_needs_it_any_more_is_ended(
    parts: Parts, played: type[Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crew_that_ends_well(parts, 0) as crew:
        monkeypatch.setattr(played, "begins", False)
        crew.suspects_wait()
        (child,) = played.every
        child.may_start.clear()
        await turns()
        await crew.quiet()
        child.may_start.set()
        await until(child.ended.is_set)
        assert child.cause == "it left"


async def test_who_has_died_is_complained_about_and_who_was_told_to_end_is_not(
    parts: Parts, played: type[Played]
) -> None:
    with capture_logs() as said:
        async with crew_that_ends_well(parts, 2):
            played.every[0].die("killed by SIGSEGV")
            await until(lambda: len(played.every) == 3 and played.every[2].up)
    assert [(line["event"], line["cause"]) for line in said if line["log_level"] == "error"] == [
        ("a worker process died", "killed by SIGSEGV")
    ]
    assert parts.keeper._members == {}


@pytest.mark.parametrize("held", [0, 1])
async def test_where_one_died_with_jobs_in_hand_one_for_suspects_comes_at_once(
    parts: Parts, played: type[Played], monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    hands = Hands(parts.shard, Clock(parts.shard))
    member = await parts.membership().join()
    if held:
        await hands.active(new_job("a"), member=member)
    async with crew_that_ends_well(parts) as crew:
        monkeypatch.setattr(played, "begins", False)
        (child,) = played.every
        child.member = member
        child.die("killed by SIGKILL")
        await until(lambda: len(played.every) == 2 + held)
        assert (child.left_jobs, len(crew._solo)) == (held > 0, held)
    assert member not in {each.id for each in await workers(parts)}


@pytest.mark.parametrize(
    ("up", "left_jobs", "told", "ran", "rests"),
    [
        (True, False, False, 0, True),
        (True, False, False, 1, True),
        (True, True, False, 0, False),
        (False, False, False, 0, False),
        (True, False, True, 0, True),
        (True, False, True, 1, False),
    ],
)
async def test_where_one_for_suspects_found_none_that_it_may_run_the_next_one_waits(
    parts: Parts,
    played: type[Played],
    monkeypatch: pytest.MonkeyPatch,
    up: bool,
    left_jobs: bool,
    told: bool,
    ran: int,
    rests: bool,
) -> None:
    monkeypatch.setattr(played, "begins", up)
    async with crew_that_ends_well(parts, 0) as crew:
        crew.suspects_wait()
        (child,) = played.every
        await until(lambda: child.pid > 0)
        child.ran = ran
        if left_jobs:
            await Hands(parts.shard, Clock(parts.shard)).active(new_job("a"), member=await parts.membership().join())
            (held,) = await parts.client.workers()
            child.member = held.id
        if told:
            await child.do("stop")
        else:
            child.die("killed by SIGKILL")
        await until(lambda: child not in crew._solo)
        await turns()
        before = len(played.every)
        assert before == 1 + left_jobs
        crew.suspects_wait()
        assert (len(played.every) == before) is rests


async def test_no_more_for_suspects_than_may_and_none_without_a_crew(parts: Parts, played: type[Played]) -> None:
    parts.crew(0).suspects_wait()
    async with crew_that_ends_well(parts, 0) as crew:
        for most in (*range(1, MOST_SOLO + 1), MOST_SOLO):
            crew.suspects_wait()
            crew.suspects_wait()
            assert len(played.every) == most
            await until(lambda: all(child.up for child in played.every))
        idle = played.every[0]
        for _ in range(2):
            crew._idle(idle)
            await turns()
        assert idle.orders == ["quiet", "drain", "stop"]


async def test_who_is_asked_to_make_room_has_a_successor_and_who_is_asked_to_end_has_none(
    parts: Parts, played: type[Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    deserted: list[str] = []
    async with crew_that_ends_well(parts, 2) as crew:
        crew._on_deserted = lambda: deserted.append("all")
        first, second = played.every
        monkeypatch.setattr(played, "begins", False)
        with capture_logs() as said:
            for _ in range(2):
                crew._asked(first, RESTART)
            await until(lambda: len(played.every) == 3)
            await turns()
        assert len([line for line in said if "leaves for a successor" in line["event"]]) == 1
        assert [each["leaving"] for each in crew.status() if each["pid"] == first.pid] == [True]
        assert first.orders == []  # until there is somebody in its place
        played.every[2].begin()
        await until(first.ended.is_set)
        assert first.orders == LEAVE
        crew._asked(second, QUIET)
        await turns()
        assert second.orders == ["quiet"]
        for child in (second, played.every[2]):
            assert deserted == []
            crew._asked(child, STOP)
            await until(lambda child=child: child not in crew._children)  # type: ignore[misc]  # mypy wants no default
            await turns()
        assert (deserted, len(played.every)) == (["all"], 3)
        for way in (STOP, RESTART):
            crew._asked(first, way)
        await crew._relieve(played.every[2], "asked to")
        assert not first.dismissed
        dead = crew._new_child({})
        dead.ended.set()
        await crew._relieve(dead, "asked to")
        assert not dead.leaves.is_set()


async def test_one_for_suspects_has_no_place_and_ends_when_it_is_asked_for_another(
    parts: Parts, played: type[Played]
) -> None:
    async with crew_that_ends_well(parts, 0) as crew:
        crew.suspects_wait()
        (child,) = played.every
        await until(lambda: child.up)
        crew._asked(child, QUIET)
        crew._asked(child, RESTART)
        await until(lambda: not crew._solo)
        assert child.orders == ["quiet", *LEAVE]


async def test_one_with_too_many_handlers_that_heed_no_stop_leaves_at_once_and_is_let_go_of_once(
    parts: Parts, played: type[Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crew_that_ends_well(parts) as crew:
        (child,) = played.every
        monkeypatch.setattr(played, "begins", False)
        with capture_logs() as said:
            for _ in range(2):
                crew._give_way(child, 3)
            crew._let_go(child)
            await crew._relieve(child, "asked to")
            await until(lambda: len(played.every) == 2 and child.ended.is_set())
        assert child.orders == LEAVE
        assert [line.get("stuck") for line in said if "leaves for a successor" in line["event"]] == [3]


async def test_who_shows_no_sign_of_life_is_killed_unless_the_crew_itself_was_held_up(
    parts: Parts, played: type[Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "_LOOK_S", 0.001)
    monkeypatch.setattr(crew_module, "SHORTEST_START_LIMIT_S", 1_000.0)
    set_worker(parts, max_loop_block="500s")
    now, step, looks = 0.0, 1.0, 0

    def monotonic() -> float:
        nonlocal now, looks
        now, looks = now + step, looks + 1
        return now

    monkeypatch.setattr(crew_module, "clock", SimpleNamespace(monotonic=monotonic))
    async with crew_that_ends_well(parts, 3) as crew:
        hangs, works, _ = played.every
        monkeypatch.setattr(played, "begins", False)
        crew.suspects_wait()
        crew.suspects_wait()
        played.every[2].die("killed by SIGKILL")
        await until(lambda: len(played.every) == 5 and played.every[4].pid > 0)
        begins, opens = played.every[3:]
        hangs.is_silent_since(1_001)
        works.is_silent_since(400)
        begins.is_silent_since(600)
        opens.is_silent_since(1_001)
        opens.opening = "service Ledger"
        before = looks
        await until(lambda: looks > before + 20)
        assert not any(child.ended.is_set() for child in (hangs, works, begins, opens))
        step = 0.0
        before = looks
        await until(lambda: looks > before + 20)
        assert (hangs.cause, hangs.hopeless) == ("killed: its loop did not run for 500 s", False)
        assert (opens.cause, opens.hopeless) == ("killed: service Ledger took longer than 1000 s", True)
        assert not works.ended.is_set()
        assert not begins.ended.is_set()
        begins.is_silent_since(1_001)
        await until(begins.ended.is_set)
        assert (begins.cause, begins.hopeless) == ("killed: it was not ready than 1000 s", True)


async def test_who_is_worn_leaves_once_and_those_for_suspects_do_not(
    parts: Parts, played: type[Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "_LOOK_S", 0.001)
    set_worker(parts, max_jobs="5", max_memory="1MB")
    async with crew_that_ends_well(parts, 2) as crew:
        crew.suspects_wait()
        worn, other, solo = played.every
        monkeypatch.setattr(played, "begins", False)
        solo.ran = worn.ran = 5
        other.ran = 4
        await until(lambda: len(played.every) == 4)
        posts = len(crew._posts)
        other.memory, other.ran = 1_000_000, 4
        await turns(300)
        assert (worn.leaves.is_set(), other.leaves.is_set(), solo.leaves.is_set()) == (True, False, False)
        assert len(crew._posts) == posts
    for memory, ran, why in ((1_000_000, 1, ""), (1_000_001, 1, "it has "), (1_000_001, 0, ""), (0, 5, "it has run 5")):
        other.memory, other.ran = memory, ran
        assert crew._worn(other).startswith(why)
        assert bool(crew._worn(other)) == bool(why)
    unlimited = Crew(1, {}, {}, shard=parts.shard, keeper=parts.keeper, max_loop_block_s=1, grace_s=1)
    other.memory = other.ran = 10**9
    assert unlimited._worn(other) == ""


async def test_a_fault_in_what_it_does_about_a_child_is_one_of_the_crew(parts: Parts, played: type[Played]) -> None:
    async def fail() -> None:
        raise ValueError("ours")

    async def end() -> None: ...

    lost: list[str] = []
    crew = parts.crew(0)
    await crew.start()
    asyncio.get_running_loop().set_exception_handler(lambda _, said: lost.append(said["message"]))
    crew._open(end())
    broken_off = crew._open(asyncio.sleep(PATIENCE_S))
    broken_off.cancel()
    await turns()
    assert (crew.failed, lost) == (False, [])
    crew._open(fail())
    await turns()
    assert str(await asyncio.wait_for(crew.wait_failed(), PATIENCE_S)) == "ours"
    with suppress(ValueError):
        await crew.stop()
