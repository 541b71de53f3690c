from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM, SIGUSR1, SIGUSR2

import anyio
import pytest

from jobd.actors.os_signals import OsSignals
from tests.actors.stress import stress

PROJECT = Path(__file__).parents[2]


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_the_ear_for_signals_can_be_started_and_stopped_in_any_way() -> None:
    before = signal.getsignal(SIGUSR1)
    await stress(lambda: OsSignals(lambda: None, signals=(SIGUSR1,)))
    assert signal.getsignal(SIGUSR1) == before


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_each_signal_has_its_answer_and_further_ones_the_last() -> None:
    send, answers = anyio.create_memory_object_stream[str](10)
    ear = OsSignals(lambda: send.send_nowait("first"), lambda: send.send_nowait("second"), signals=(SIGUSR1, SIGUSR2))
    await ear.start()
    with send, answers:
        for sent, answer in ((SIGUSR1, "first"), (SIGUSR2, "second"), (SIGUSR1, "second"), (SIGUSR1, "second")):
            os.kill(os.getpid(), sent)
            with anyio.fail_after(10):
                assert await answers.receive() == answer
    await ear.stop()


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_an_answer_that_raises_makes_the_ear_fail() -> None:
    def broken() -> None:
        raise ArithmeticError("in the answer")

    ear = OsSignals(broken, signals=(SIGUSR1,))
    await ear.start()
    os.kill(os.getpid(), SIGUSR1)
    with anyio.fail_after(10):
        assert str(await ear.wait_failed()) == "in the answer"
    with pytest.raises(ArithmeticError):
        await ear.stop()


def test_an_ear_without_an_answer_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="answer"):
        OsSignals()


# --- a process of its own --------------------------------------------------------------------------------------------


class Process:
    """The signal program, listened to line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.signal = process.send_signal

    def says(self, *words: str) -> None:
        """Wait for the next lines; they must be these."""
        assert self._process.stdout is not None
        assert [self._process.stdout.readline().rstrip() for _ in words] == list(words)

    def ends(self) -> int:
        """Wait for the end; nothing more may be said. Returns the exit code."""
        assert self._process.stdout is not None
        assert self._process.stdout.read() == ""
        return self._process.wait()


@contextmanager
def program(*hangs_in: str) -> Iterator[Process]:
    command = [sys.executable, "-m", "tests.actors.signal_program", *hangs_in]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        try:
            yield Process(process)
        finally:
            process.kill()


@pytest.mark.parametrize("sent", [SIGTERM, SIGINT])
def test_the_first_signal_goes_down_the_stairs_and_the_process_ends_well(sent: signal.Signals) -> None:
    with program() as process:
        process.says("start", "ready")
        process.signal(sent)
        process.says("drain", "stop")
        assert process.ends() == 0


def test_the_second_signal_ends_the_grace() -> None:
    with program("drain") as process:
        process.says("start", "ready")
        process.signal(SIGTERM)
        process.says("drain")
        process.signal(SIGINT)
        process.says("interrupt", "stop")
        assert process.ends() == 0


def test_the_third_signal_waits_for_nothing() -> None:
    with program("drain", "interrupt") as process:
        process.says("start", "ready")
        process.signal(SIGTERM)
        process.says("drain")
        process.signal(SIGTERM)
        process.says("interrupt")
        process.signal(SIGTERM)
        process.says("left behind: os signals, steps")
        assert process.ends() == 3


def test_a_signal_during_the_start_breaks_it_off() -> None:
    with program("start") as process:
        process.says("start")
        process.signal(SIGTERM)
        assert process.ends() == 0
