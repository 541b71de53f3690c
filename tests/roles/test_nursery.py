"""The process that starts those of handlers: its end at awkward moments, and what it says of plugins."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from jobd.domain.isolation import Isolation
from jobd.roles.worker import nursery as nursery_module
from jobd.roles.worker.control import Control
from jobd.roles.worker.isolated_calls import _died
from jobd.roles.worker.nursery import GONE, LONGEST_LINE, NOT_STARTED, START, Nursery, Nursling, ask
from jobd.roles.worker.running import Running
from tests.roles.parts import PATIENCE_S
from tests.roles.test_crew import with_service
from tests.roles.test_endings import attempt
from tests.roles.test_isolation import _nurseries
from tests.roles.until import until


async def test_one_that_is_asked_for_as_the_nursery_dies_has_ended_and_the_next_one_finds_another_nursery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nursery = Nursery()
    first = await nursery.start()

    class Late(Control):
        @classmethod
        async def over(cls, end: socket.socket, *, longest: int = LONGEST_LINE) -> Control:
            os.kill(_nurseries()[0], signal.SIGKILL)
            await until(lambda: nursery._line is None)
            return await Control.over(end, longest=longest)

    monkeypatch.setattr(nursery_module, "Control", Late)
    second = await nursery.start()
    monkeypatch.undo()
    for nursling in (first, second):
        assert nursling.ended.done()
        assert nursling.ended.result() is GONE
        await nursery.end(nursling)
    third = await nursery.start()
    await asyncio.wait_for(nursery.end(third), PATIENCE_S)
    assert third.ended.result() == -signal.SIGKILL
    await nursery.close()
    assert _nurseries() == []


async def test_an_attempt_for_whose_line_the_nursery_has_no_room_is_not_waited_for() -> None:
    nursery = Nursery()
    first = await nursery.start()
    assert nursery._line is not None
    ours, theirs = socket.socketpair()
    ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    lost = nursery._nurslings[7] = Nursling(7, await Control.over(ours), ended)
    theirs.close()
    await ask(nursery._line, START, 7)  # the system leaves out what there is no room for
    for nursling in (lost, first):
        await asyncio.wait_for(nursery.end(nursling), PATIENCE_S)
    assert (lost.ended.result(), first.ended.result()) == (NOT_STARTED - errno.EMFILE, -signal.SIGKILL)
    await nursery.close()


async def test_a_nursery_that_is_closed_while_it_opens_leaves_nobody_behind() -> None:
    await Nursery().close()
    nursery = Nursery()
    starting = asyncio.create_task(nursery.start())
    for _ in range(2):  # it is asked for, and begins to open
        await asyncio.sleep(0)
    assert nursery._opening is not None
    await nursery.close()
    assert _nurseries() == []
    with pytest.raises(OSError, match="has died"):
        await starting
    with pytest.raises(OSError, match="the worker stops"):
        await nursery.start()


async def test_threads_that_a_plugin_starts_are_told_of_as_they_are_missing_in_processes_of_handlers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for source in ("", 'import threading\nthreading.Thread(target=threading.Event().wait, name="pump").start()'):
        with_service(tmp_path, monkeypatch, source)
        nursery = Nursery()
        nursling = await asyncio.wait_for(nursery.start(), PATIENCE_S)
        await asyncio.wait_for(nursery.close(), PATIENCE_S)  # which no thread holds up
        await nursery.end(nursling)
        said = "".join(capfd.readouterr())
        assert ("they are missing" in said, "pump" in said) == (bool(source), bool(source))
        assert "handlers ends" not in said  # as it would if it had not expected it


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "its process exited with code 0 before the handler had ended"),
        (1, "its process exited with code 1 before the handler had ended"),
        (-9, "its process was killed by SIGKILL before the handler had ended"),
    ],
)
async def test_the_end_of_a_process_that_said_nothing_is_the_error_of_its_attempt(status: int, words: str) -> None:
    ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    ended.set_result(status)
    running: Running = attempt()
    outcome = _died(Nursling(1, cast("Control", None), ended), Isolation(), running)
    assert (outcome.error or {})["message"] == words


_SPEAKS_INTO_NOTHING = """
import sys, threading
from jobd.roles.worker import fork_server

def main(arguments):
    threading.Thread(target=threading.Event().wait).start()
    sys.stdout.write("said by a plugin")

fork_server.main = main
fork_server.run([])
"""


def test_it_ends_for_all_threads_of_plugins_also_where_nobody_hears_its_last_words() -> None:
    hears, speaks = os.pipe()
    os.close(hears)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _SPEAKS_INTO_NOTHING], stdout=speaks, env=buffered, timeout=PATIENCE_S, check=False
        )
    finally:
        os.close(speaks)
    assert ended.returncode == 0


_CANNOT_FORK = """
import errno, os, socket
from jobd.roles.worker.fork_server import ForkServer
from jobd.roles.worker.nursery import NOT_STARTED, TOLD

def fork():
    raise OSError(errno.EAGAIN, "there are too many processes")

os.fork = fork
hears, says = socket.socketpair()
line, _ = socket.socketpair()
ForkServer(says, lambda line: None)._fork(7, line)
assert TOLD.unpack(hears.recv(TOLD.size)) == (7, NOT_STARTED - errno.EAGAIN)
"""


def test_it_says_why_no_process_could_be_started() -> None:
    subprocess.run([sys.executable, "-c", _CANNOT_FORK], timeout=PATIENCE_S, check=True)
