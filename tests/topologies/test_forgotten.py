"""A server whose data are wiped, or replaced by an older copy, under a jobd that lives on."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jobd_testbed import Entry, write
from jobd_testbed.journal import read

from jobd.domain.state import State
from jobd.errors import JobNotFound
from tests.acceptance.program import Program
from tests.acceptance.until import until
from tests.servers.tcp_server import TcpServer
from tests.topologies.household import household

pytestmark = pytest.mark.long

_ROLES = ("api", "monitor", "scheduler", "worker")


@pytest.fixture
def server(server_binary: Path) -> Iterator[TcpServer]:
    with TcpServer(server_binary, "appendonly yes", "appendfsync always") as server:
        yield server


@pytest.fixture
def url(server: TcpServer) -> str:
    return f"redis://{server.place}/0"


@pytest.fixture
def program(url: str, tmp_path: Path) -> Iterator[Program]:
    roles = [word for role in _ROLES for word in ("--role", role)]
    environment = {"JOBD_LOG__FORMAT": "json", "JOBD_WORKER__LEASE": "9s", "JOBD_QUEUES__DEFAULT__CONCURRENCY": "7"}
    with Program(tmp_path, *roles, "--port", "0", "--redis-url", url, environment=environment) as program:
        yield program


def posted(program: Program) -> dict[str, Any]:
    """What the API says to a new job."""
    body = json.dumps({"type": "noop", "data": {"text": "over HTTP"}}).encode()
    request = urllib.request.Request(program.line("API"), body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        said: dict[str, Any] = json.load(answer)
    return said


async def test_all_data_are_wiped_while_jobs_come_and_run(server: TcpServer, url: str, program: Program) -> None:
    async with household(url, program) as home:
        declared = await home.client.store.shards[0].rules("declared")
        assert declared["q/default"] == {"concurrency": 7}
        async with home.busy() as accepted:
            for _ in range(3):
                server.empty()
                await home.takes_jobs()
            begun = len(accepted)
            await home.takes_jobs()
            after = accepted[begun:]
        await home.all_ran(after)
        assert (await home.client.wait(posted(program)["id"])).status is State.COMPLETED
        await until(lambda: "the store has forgotten who works on it" in program.log.read_text())

        async def declared_again() -> bool:
            return await home.client.store.shards[0].rules("declared") == declared

        await until(declared_again)


async def test_an_older_copy_of_the_data_is_brought_back(
    server: TcpServer, url: str, program: Program, tmp_path: Path
) -> None:
    journal, there = tmp_path / "journal", server.socket.with_name("appendonlydir")

    def starts() -> Counter[str]:
        return Counter(line.key for line in read(journal) if line.what == "start")

    async with household(url, program) as home:

        async def enqueue(key: str, seconds: float = 0.0) -> Any:
            return await home.client.enqueue(write, Entry(journal=journal, key=key, seconds=seconds))

        before = await enqueue("ended-before")
        await before.result()
        meanwhile = await enqueue("ended-meanwhile", 3)
        await until(lambda: starts()["ended-meanwhile"])
        server.stop()
        shutil.copytree(there, tmp_path / "copy")
        server.start()
        await meanwhile.result()
        later = await enqueue("came-later")
        await later.result()

        server.stop()
        shutil.rmtree(there)
        shutil.copytree(tmp_path / "copy", there)
        server.start()
        await home.takes_jobs()
        assert (await home.client.wait(meanwhile.id)).status is State.COMPLETED
        with pytest.raises(JobNotFound):
            await later.get()
        assert (await before.get()).status is State.COMPLETED
        assert (await home.client.wait(posted(program)["id"])).status is State.COMPLETED
        assert starts() == {"ended-before": 1, "ended-meanwhile": 2, "came-later": 1}
