"""Embedded servers that tests watch: in this process, and in a process of their own that can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
from redis.asyncio import Redis

from jobd.store.datadir import DataDir
from jobd.store.embedded import EmbeddedServer

PATIENCE_S = 120.0
"""more than anything here takes, on a machine with other work to do"""

PROJECT = Path(__file__).parents[3]

Facts = dict[str, Any]


class Host:
    """An embedded server in this process, and what it told."""

    def __init__(self, data_dir: Path, **options: Any) -> None:
        self.told: list[str] = []
        self._events: asyncio.Queue[tuple[str, Facts]] = asyncio.Queue()
        self.server = EmbeddedServer(data_dir, on_event=self._hear, **options)

    async def seen(self, event: str) -> Facts:
        """Wait for the next event of this name."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                name, facts = await self._events.get()
                if name == event:
                    return facts

    def _hear(self, event: str, facts: Facts) -> None:
        self.told.append(event)
        self._events.put_nowait((event, facts))


@asynccontextmanager
async def hosting(data_dir: Path, **options: Any) -> AsyncIterator[Host]:
    """An embedded server that is started, and stopped at the end."""
    host = Host(data_dir, **options)
    try:
        with anyio.fail_after(PATIENCE_S):
            await host.server.start()
        yield host
    finally:
        await host.server.stop()


class HostProcess:
    """The program `host_program`, listened to line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def seen(self, event: str) -> Facts:
        """Wait for the next event of this name."""
        assert self._process.stdout is not None
        with anyio.fail_after(PATIENCE_S):
            while True:
                name, facts = json.loads(await self._process.stdout.readline())
                if name == event:
                    assert isinstance(facts, dict)
                    return facts

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()

    async def end(self) -> int:
        """Let it stop as it should; the exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with anyio.fail_after(PATIENCE_S):
            return await self._process.wait()


@asynccontextmanager
async def host_process(data_dir: Path) -> AsyncIterator[HostProcess]:
    """An embedded server in a process of its own, killed at the end if it still lives."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "tests.store.embedded.host_program", str(data_dir)]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=PROJECT)
    try:
        yield HostProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Any]:
    """A connection to the server, for a look from outside."""
    async with Redis.from_url(url, decode_responses=True) as client:
        yield client


async def server_pid(url: str) -> int:
    """The process that answers there."""
    async with client_of(url) as client:
        return int((await client.info("server"))["process_id"])


@asynccontextmanager
async def killed_at_the_end(pid: int) -> AsyncIterator[None]:
    """A process that this test made and that may outlive what should end it."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def written(data: DataDir) -> Path:
    """The file to which the server appends."""
    return data.appended / "appendonly.aof.1.incr.aof"


def nobody_holds(data: DataDir) -> bool:
    """Are both locks free, so that neither a jobd nor a server is left?"""
    held = [lock.try_acquire() for lock in (data.owner_lock, data.server_lock)]
    data.owner_lock.release()
    data.server_lock.release()
    return all(held)


async def until_nobody_holds(data: DataDir) -> None:
    """Wait until neither a jobd nor a server is left."""
    with anyio.fail_after(PATIENCE_S):
        for lock in (data.owner_lock, data.server_lock):
            await lock.acquire()
            lock.release()


async def put(url: str, **values: str) -> None:
    async with client_of(url) as client:
        await client.mset(values)


async def value(url: str, key: str) -> str | None:
    async with client_of(url) as client:
        found = await client.get(key)
        assert found is None or isinstance(found, str)
        return found
