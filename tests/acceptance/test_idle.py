"""What a worker costs that has nothing to do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis import Redis

from tests.acceptance.program import Program
from tests.real_server import RealServer

MEASURED_S = 5.0


@pytest.mark.parametrize("processes", ["0", "1"])
async def test_an_idle_worker_sends_at_most_one_command_a_second(server_binary: Path, tmp_path: Path, processes: str):
    with (
        RealServer(server_binary) as server,
        Program(tmp_path, "--role", "worker", "--processes", processes, "--redis-url", server.url),
        server.client() as onlooker,
    ):
        before = commands(onlooker)
        await asyncio.sleep(MEASURED_S)  # this is a rate: time is what it is about
        assert commands(onlooker) - before <= MEASURED_S


def commands(onlooker: Redis) -> int:
    """What all clients but this one have sent so far. What scripts do inside is no command of a client."""
    me = onlooker.client_id()
    return sum(int(client["tot-cmds"]) for client in onlooker.client_list() if int(client["id"]) != me)
