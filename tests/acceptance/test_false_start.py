"""A worker process that is killed before it takes jobs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from jobd_testbed import Note, noop

import jobd
from jobd.store.datadir import running_url
from tests.acceptance.program import PATIENCE_S, Program
from tests.acceptance.until import until


async def test_a_jobd_whose_worker_is_killed_as_it_begins_comes_up_with_another_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    program = Program(tmp_path, "--data-dir", str(data), "--port", "0")
    program.start()
    try:
        await until(lambda: program.workers() != [])
        (first,) = program.workers()
        os.kill(first, signal.SIGKILL)
        program.wait_up()
        assert program.workers() != [first]
        async with jobd.Client(running_url(data)) as client:
            await (await client.enqueue(noop, Note(text="x"))).result(PATIENCE_S)
        program.signal(signal.SIGTERM)
        assert program.wait_ended() == 0
    finally:
        program.kill_all()
