"""Data that is damaged, cut off, or from a newer server."""

from __future__ import annotations

import os
import signal
import subprocess

import anyio
import anyio.to_thread
import pytest

from jobd.errors import EmbeddedServerError
from jobd.store.datadir import DataDir
from jobd.store.embedded import EmbeddedServer
from jobd.store.restarts import Restarts
from tests.store.embedded.hosts import (
    PATIENCE_S,
    hosting,
    nobody_holds,
    put,
    server_pid,
    value,
    written,
)


async def test_a_cut_off_tail_costs_the_last_write_only(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, first="1")
        await put(host.server.url, last="2")
    os.truncate(written(data), written(data).stat().st_size - 3)
    async with hosting(data.path) as host:
        assert await value(host.server.url, "first") == "1"
        assert await value(host.server.url, "last") is None


async def test_damaged_data_is_an_error_that_names_the_file_and_a_cure_that_works(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, first="1")
    with written(data).open("ab") as file:
        file.write(b"this is no command\r\n")
    with pytest.raises(EmbeddedServerError) as caught:
        await EmbeddedServer(data.path).start()
    message = str(caught.value)
    assert f"the data file {written(data)} is damaged. The server says: Bad file format" in message
    assert nobody_holds(data)

    cure = message.partition("in bash or zsh: ")[2]
    await anyio.run_process(["bash", "-c", cure], input=b"y\n", stdout=subprocess.DEVNULL)
    async with hosting(data.path) as host:
        assert await value(host.server.url, "first") == "1"


async def test_damage_found_after_a_crash_ends_the_restarts(data: DataDir) -> None:
    async with hosting(data.path, restarts=Restarts(first=0)) as host:
        with written(data).open("ab") as file:
            file.write(b"this is no command\r\n")
        os.kill(await server_pid(host.server.url), signal.SIGKILL)
        with anyio.fail_after(PATIENCE_S), pytest.raises(EmbeddedServerError, match="is damaged"):
            await host.server.wait_failed()
    assert host.told == ["started", "crashed", "failed"]
    assert nobody_holds(data)


async def test_a_manifest_that_makes_no_sense_is_damage_too(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, first="1")
    (data.appended / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(EmbeddedServerError) as caught:
        await EmbeddedServer(data.path).start()
    assert "appendonly.aof.manifest is damaged. The server says: Invalid AOF manifest file format" in str(caught.value)
    assert "bring it back from a backup" in str(caught.value)
