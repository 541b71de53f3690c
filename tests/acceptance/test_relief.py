"""Signals for the workers of a program: restart without a gap, status, no more jobs; and the end of the last one."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import jobd
from tests.acceptance.program import PATIENCE_S, Program
from tests.acceptance.until import until
from tests.topologies.household import program_on


def _said(program: Program, event: str) -> list[dict[str, Any]]:
    whole = program.log.read_text().split("\n")[:-1]  # without one that is being written
    lines = [json.loads(line) for line in whole if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


async def test_the_workers_of_a_program_are_restarted_asked_and_stopped_one_by_one(
    tmp_path: Path, redis_url: str
) -> None:
    words = ["--role", "worker", "--processes", "2", "--redis-url", redis_url]
    with (
        program_on(redis_url, tmp_path / "others") as others,
        Program(tmp_path / "mine", *words, environment={"JOBD_LOG__FORMAT": "json"}) as program,
    ):
        others.workers()
        async with jobd.Client(redis_url) as client:

            async def mine() -> set[str]:
                pids = set(program.workers())
                return {member.id for member in await client.workers() if member.about["pid"] in pids}

            before = await mine()
            assert len(before) == 2
            program.signal(signal.SIGUSR2)

            async def replaced() -> bool:
                return len(await mine()) == 2 and before.isdisjoint(await mine())

            while not await replaced():
                assert await (await client.enqueue("add", {"a": 1})).result(PATIENCE_S) == 2
            program.signal(signal.SIGTTIN)
            await until(lambda: len(_said(program, "status")) >= 2)
            assert {line["member"] for line in _said(program, "status")} <= before | await mine()
            program.signal(signal.SIGUSR1)

            async def quiet() -> bool:
                about = {member.id: member.about for member in await client.workers()}
                return all(about[each].get("quiet") for each in await mine())

            while not await quiet():
                pass  # each look is a trip to the store
            for each in await mine():
                await client.stop_worker(each)
        # it was there for nothing else
        assert program.wait_ended() == 0
