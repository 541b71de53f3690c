"""What a killed jobd leaves behind: its server, its locks, its data."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jobd.errors import EmbeddedServerError
from jobd.store.datadir import DataDir, running_url
from jobd.store.embedded import EmbeddedServer
from jobd.store.server_binary import find_server_binary
from jobd.store.server_process import ServerProcess
from tests.store.embedded.hosts import (
    host_process,
    hosting,
    killed_at_the_end,
    put,
    until_nobody_holds,
    value,
)


async def test_the_server_of_a_killed_jobd_ends_in_good_order_and_its_data_is_there(data: DataDir) -> None:
    async with host_process(data.path) as host:
        started = await host.seen("started")
        async with killed_at_the_end(started["server_pid"]):
            await put(started["url"], color="green")
            await host.kill()
            await until_nobody_holds(data)
    assert "User requested shutdown" in data.log.read_text()
    async with hosting(data.path) as next_host:
        assert await value(next_host.server.url, "color") == "green"


async def test_jobd_and_server_killed_together_lose_nothing_acknowledged(data: DataDir) -> None:
    async with host_process(data.path) as host:
        started = await host.seen("started")
        await put(started["url"], color="green")
        os.kill(started["server_pid"], signal.SIGKILL)
        await host.kill()
        await until_nobody_holds(data)
    async with hosting(data.path) as next_host:
        assert await value(next_host.server.url, "color") == "green"


@asynccontextmanager
async def orphan(data: DataDir) -> AsyncIterator[ServerProcess]:
    """A server that runs on although no jobd looks after it, as where a child cannot be tied to its parent."""
    data.make()
    assert data.server_lock.try_acquire()
    process = await ServerProcess.spawn(find_server_binary(), data, appendfsync="always", maxmemory=None)
    await process.wait_answering()
    data.server_lock.release()  # the server has its share of it
    try:
        yield process
    finally:
        await process.stop(0)


async def test_a_server_left_behind_is_shut_down_and_its_data_taken_over(data: DataDir) -> None:
    async with orphan(data) as left_behind:
        url = running_url(data.path)
        assert url is not None
        await put(url, color="green")
        async with hosting(data.path) as host:
            assert host.server.owner
            assert (await left_behind.wait_ended()).startswith("ended with code 0")
            assert await value(host.server.url, "color") == "green"


async def test_a_server_left_behind_that_does_not_end_is_an_error_that_names_it(data: DataDir) -> None:
    async with orphan(data):
        holder = data.holder()
        assert holder is not None
        os.kill(holder.server_pid, signal.SIGSTOP)
        with pytest.raises(EmbeddedServerError, match=rf"server process {holder.server_pid}\) holds .*does not end"):
            await EmbeddedServer(data.path, stop_patience=0.1).start()


async def test_a_server_whose_lock_files_were_removed_is_noticed(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, color="green")
        (data.path / "lock").unlink()
        (data.path / "owner.lock").unlink()
        with pytest.raises(EmbeddedServerError, match=r"a server answers on .*does not hold the lock"):
            await EmbeddedServer(data.path).start()
        assert await value(host.server.url, "color") == "green"
