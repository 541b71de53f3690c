"""kill -9 of whoever holds what keys, limits and orders give: it is free again, and nothing runs out of turn."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from jobd_testbed import Entry, write
from jobd_testbed.journal import read

import jobd
from tests.acceptance.fleet import Fleet, Shape
from tests.acceptance.program import PATIENCE_S
from tests.acceptance.until import until

LIMITED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("concurrency key", {"concurrency_key": "k"}, {}),
    ("ordering key", {"ordering_key": "k"}, {}),
    ("type", {}, {"type": "write", "concurrency": 1}),
    ("queue", {}, {"queue": "writing", "concurrency": 1}),
    ("group", {"group": "k"}, {"queue": "writing", "group_concurrency": 1}),
]


@pytest.mark.parametrize(("options", "limits"), [row[1:] for row in LIMITED], ids=[row[0] for row in LIMITED])
async def test_a_place_is_free_again_when_its_holder_is_killed(
    server_binary: Path, tmp_path: Path, journal: Path, options: dict[str, Any], limits: dict[str, Any]
) -> None:
    entries = [Entry(journal=journal, key=str(number), seconds=0.3) for number in range(3)]
    with Fleet(Shape.WORKER_CHILD, tmp_path, server_binary) as fleet:
        async with jobd.Client(fleet.url) as client:
            if limits:
                await client.set_limits(**limits)
            handles = await client.enqueue_many(write, entries, **options)
            await until(lambda: read(journal))
            (child,) = fleet.worker.workers()
            os.kill(child, signal.SIGKILL)
            for handle in handles:
                assert await handle.result(timeout=PATIENCE_S) == 1
    lines = read(journal)
    after = [line for line in lines if line.pid != child]
    order = [line.key for line in after]
    # one at a time: each start is followed by its own end
    assert order[::2] == order[1::2]
    assert [line.what for line in after] == ["start", "end"] * (len(order) // 2)
    if "ordering_key" in options:
        assert order[::2] == sorted(order[::2])
