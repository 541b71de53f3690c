"""Several jobd on one data directory: one server, whoever of them owns it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from jobd_testbed import Entry, write
from jobd_testbed.journal import read

import jobd
from jobd.domain.state import State
from jobd.store.datadir import running_url
from tests.acceptance.processes import all_processes, folder_of
from tests.acceptance.program import PATIENCE_S, Program
from tests.acceptance.until import until
from tests.acceptance.verdict import judge

ROLES = ("--role", "monitor", "--role", "scheduler", "--role", "worker")


def servers(data: Path) -> list[int]:
    """The servers that run in this directory now."""
    return [pid for pid in all_processes("valkey-server") if folder_of(pid) == data]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(Program.kill_all, id="kill"),
        pytest.param(lambda program: program.signal(signal.SIGTERM), id="term", marks=pytest.mark.long),
    ],
)
async def test_a_second_jobd_joins_and_takes_over_when_the_first_one_ends(
    tmp_path: Path, journal: Path, end: Callable[[Program], None]
) -> None:
    data = tmp_path / "data"
    words = [*ROLES, "--data-dir", str(data), "--concurrency", "5"]
    calm = {"JOBD_WORKER__LEASE": "3s", "JOBD_LOG__FORMAT": "json"}
    with (
        Program(tmp_path, *words, environment=calm, name="first") as first,
        Program(tmp_path, *words, environment=calm, name="second") as second,
    ):
        assert first.line("store").startswith("its own server")
        assert first.line("kept") == "a file, on disk before the answer (appendfsync always)"
        assert first.line("loss") == "nothing, when the server or the machine goes down"
        assert first.line("eviction") == "noeviction"
        assert first.line("recovery").startswith("the lease is 3 s: ")
        assert second.line("store").startswith("the server of another jobd")
        assert servers(data) == [first.server()]
        url = running_url(data)
        keys = [str(number) for number in range(400)]
        async with jobd.Client(url) as client:
            entries = [Entry(journal=journal, key=key, seconds=0.05) for key in keys]
            await client.enqueue_many(write, entries)
            await until(lambda: len({line.pid for line in read(journal)}) == 2)  # both of them work
            end(first)
            await asyncio.to_thread(first.wait_ended)
            seen: Counter[int] = Counter()

            async def all_completed() -> bool:
                seen[len(servers(data))] += 1
                return (await client.queues())["writing"][State.COMPLETED] == len(keys)

            await until(all_completed)
            assert max(seen) == 1  # never two at a time
            assert servers(data) == [second.server()]
            assert running_url(data) == url
            await until(lambda: "taken_over" in second.log.read_text())
    verdict = judge(journal, keys, killed_at=float("inf"))
    assert (verdict.lost, verdict.invented, verdict.fences_fall) == ([], [], [])


async def test_two_that_start_at_one_moment_share_one_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    programs = [Program(tmp_path, *ROLES, "--data-dir", str(data), name=f"jobd-{number}") for number in range(3)]
    try:
        for program in programs:
            program.start()
        for program in programs:
            program.wait_up()
        assert sorted(program.line("store").split(",")[0] for program in programs) == [
            "its own server",
            "the server of another jobd",
            "the server of another jobd",
        ]
        assert len(servers(data)) == 1
        for program in programs:
            program.signal(signal.SIGTERM)
        assert [await asyncio.to_thread(program.wait_ended) for program in programs] == [0, 0, 0]
        assert servers(data) == []
    finally:
        for program in programs:
            program.kill_all()


async def test_a_crashed_server_is_started_again_and_work_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Program(tmp_path, *ROLES, "--data-dir", str(data)) as program:
        async with jobd.Client(running_url(data)) as client:
            assert await (await client.enqueue("add", {"a": 1})).result(PATIENCE_S) == 2
            before = program.server()
            os.kill(before, signal.SIGKILL)
            assert await (await client.enqueue("add", {"a": 2})).result(PATIENCE_S) == 3
            assert servers(data) == [program.server()]
            assert program.server() != before
