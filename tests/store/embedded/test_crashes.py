"""The embedded server when it crashes under its owner."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from jobd.errors import EmbeddedServerError
from jobd.store.datadir import DataDir
from jobd.store.restarts import Restarts
from jobd.store.server_binary import find_server_binary
from tests.store.embedded.hosts import (
    PATIENCE_S,
    client_of,
    hosting,
    nobody_holds,
    put,
    server_pid,
    value,
)


async def test_a_killed_server_comes_back_at_the_same_url_with_all_that_was_acknowledged(data: DataDir) -> None:
    async with hosting(data.path, restarts=Restarts(first=0)) as host:
        acknowledged = 0
        async with client_of(host.server.url) as client:
            pid = await server_pid(host.server.url)
            with suppress(RedisConnectionError):
                while True:
                    acknowledged = await client.incr("count")
                    if acknowledged == 100:
                        os.kill(pid, signal.SIGKILL)
        crashed = await host.seen("crashed")
        assert crashed == {"how": "was killed by SIGKILL", "restart_in": 0}
        restarted = await host.seen("restarted")
        assert restarted["url"] == host.server.url
        assert restarted["server_pid"] == await server_pid(host.server.url) != pid
        assert int(await value(host.server.url, "count") or 0) >= acknowledged >= 100
        assert host.server.owner


async def test_a_server_that_was_told_to_end_by_somebody_else_comes_back(data: DataDir) -> None:
    async with hosting(data.path, restarts=Restarts(first=0)) as host:
        await put(host.server.url, color="green")
        async with client_of(host.server.url) as client:
            await client.shutdown()
        assert str((await host.seen("crashed"))["how"]).startswith("ended with code 0")
        await host.seen("restarted")
        assert await value(host.server.url, "color") == "green"


async def test_too_many_crashes_are_an_error_for_the_owner(data: DataDir) -> None:
    async with hosting(data.path, restarts=Restarts(first=0, most=2)) as host:
        failure = asyncio.create_task(host.server.wait_failed())
        for _ in range(2):
            os.kill(await server_pid(host.server.url), signal.SIGKILL)
            await host.seen("restarted")
        os.kill(await server_pid(host.server.url), signal.SIGKILL)
        with anyio.fail_after(PATIENCE_S), pytest.raises(EmbeddedServerError) as caught:
            await failure
        message = str(caught.value)
        assert "crashed more than 2 times within 60 seconds; the last time it was killed by SIGKILL" in message
        assert str(data.log) in message
        assert nobody_holds(data)


async def test_a_restart_that_fails_is_tried_again(data: DataDir, tmp_path: Path) -> None:
    binary = tmp_path / "server"
    binary.symlink_to(find_server_binary().path)
    async with hosting(data.path, binary=binary, restarts=Restarts(first=0.02, most=50)) as host:
        binary.rename(tmp_path / "away")  # as while it is upgraded
        os.kill(await server_pid(host.server.url), signal.SIGKILL)
        await host.seen("crashed")
        assert "cannot be run" in str((await host.seen("crashed"))["how"])
        (tmp_path / "away").rename(binary)
        await host.seen("restarted")


async def test_a_stop_ends_the_wait_for_failures(data: DataDir) -> None:
    async with hosting(data.path) as host:
        waiting = asyncio.create_task(host.server.wait_failed())
        await asyncio.sleep(0)
        await host.server.stop()
        with anyio.fail_after(PATIENCE_S):
            await waiting


async def test_a_stop_while_a_restart_is_due_leaves_nothing_behind(data: DataDir) -> None:
    async with hosting(data.path, restarts=Restarts(first=600, longest=600)) as host:
        os.kill(await server_pid(host.server.url), signal.SIGKILL)
        await host.seen("crashed")
        with anyio.fail_after(PATIENCE_S):
            await host.server.stop()
    assert nobody_holds(data)
