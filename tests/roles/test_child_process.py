"""One worker child as its supervisor sees it: how it is started, ended, and what is said of its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from jobd import clock
from jobd.roles.worker.child_process import ChildProcess, how_it_ended, path_flags
from jobd.roles.worker.control import Control
from tests.roles.parts import PATIENCE_S
from tests.roles.until import until


def a_child() -> ChildProcess:
    """One that cannot begin, as its order says nothing."""
    return ChildProcess(
        {}, on_joined=lambda child, member: None, on_stuck=lambda child, count: None, on_asked=lambda child, what: None
    )


async def test_one_that_is_killed_has_died_of_that_and_who_has_ended_before_has_not() -> None:
    killed, failed, gone, unstarted = a_child(), a_child(), a_child(), a_child()
    unstarted.kill("nobody is there")
    for child in (killed, failed, gone):
        await child.start()
        assert not child.silent_for(PATIENCE_S)
    killed.kill("its loop did not run", hopeless=True)
    os.kill(gone.pid, signal.SIGKILL)
    failed._up_since = clock.monotonic() - 100
    for child in (killed, failed, gone):
        await asyncio.wait_for(child.ended.wait(), PATIENCE_S)
        assert child.silent_for(PATIENCE_S)
        child.kill("it comes too late")
        await child.close()
    assert (killed.cause, killed.hopeless, killed.up, unstarted.cause) == ("its loop did not run", True, False, "")
    assert (failed.cause, failed.hopeless, gone.cause) == ("KeyError('settings')", True, "killed by SIGKILL")
    assert failed.lived_s >= 100
    assert gone.lived_s == 0


async def test_it_takes_jobs_since_it_joined_for_the_first_time_and_is_silent_since_it_spoke_last() -> None:
    child = a_child()
    child._control, it = [await Control.over(end) for end in socket.socketpair()]
    listening = asyncio.create_task(child._listen())
    since: float | None = None
    for member in ("w1", "w2"):
        child._last_sign -= PATIENCE_S
        assert child.silent_for(PATIENCE_S)
        it.tell({"say": "ready", "member": member})
        await until(lambda member=member: child.member == member)  # type: ignore[misc]  # mypy wants no default
        assert not child.silent_for(PATIENCE_S)
        since = since or child._up_since
    assert since
    assert child._up_since == since
    for end in (it, child._control):
        await end.close()
    await listening


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exited with code 0"),
        (3, "exited with code 3"),
        (-9, "killed by SIGKILL"),
        (-120, "killed by signal 120"),
    ],
)
def test_the_end_of_a_process_is_said_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words


@pytest.mark.parametrize(
    ("first", "flags"), [([""], []), ([str(Path.cwd())], []), (["/elsewhere"], ["-P"]), ([], ["-P"])]
)
def test_a_child_finds_modules_in_the_working_directory_only_if_its_supervisor_does(
    monkeypatch: pytest.MonkeyPatch, first: list[str], flags: list[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*first, *(["/behind", ""] if first else [])])
    assert path_flags() == flags
