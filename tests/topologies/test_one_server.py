"""One server, and all that may be wrong with it for a while. The same jobd lives through all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ResponseError

import jobd
from jobd.errors import StoreFull
from jobd.store.topology.owner import Owner, topology_at
from tests.acceptance.program import Program
from tests.servers.proxy import Proxy
from tests.servers.tcp_server import TcpServer
from tests.servers.wait import PATIENCE_S
from tests.topologies.household import Household, household, program_on

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(server_binary: Path) -> Iterator[TcpServer]:
    with TcpServer(server_binary, "appendonly yes", "appendfsync always") as server:
        yield server


@pytest.fixture(scope="module")
def program(server: TcpServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with program_on(f"redis://{server.place}/0", tmp_path_factory.mktemp("one")) as program:
        yield program


@pytest.fixture
async def home(server: TcpServer, program: Program) -> AsyncIterator[Household]:
    async with household(f"redis://{server.place}/0", program) as home:
        yield home


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not look():
            await asyncio.sleep(0.01)


def errors(server: TcpServer, code: str) -> int:
    """How many of the server's answers were errors of this code."""
    with server.client() as client:
        stats: dict[str, Any] = client.info("errorstats")
    return int(stats.get(f"errorstat_{code}", {}).get("count", 0))


async def refusing(server: TcpServer, code: str, before: int, most: int = 5) -> None:
    """Waits until the server has refused so many commands more with this code."""
    await until(lambda: errors(server, code) >= before + most)


# --- it refuses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "wrong", "right"),
    [
        ("READONLY", [("REPLICAOF", "127.0.0.1", "1")], [("REPLICAOF", "NO", "ONE")]),
        (
            "MASTERDOWN",
            [("CONFIG", "SET", "replica-serve-stale-data", "no"), ("REPLICAOF", "127.0.0.1", "1")],
            [("REPLICAOF", "NO", "ONE"), ("CONFIG", "SET", "replica-serve-stale-data", "yes")],
        ),
        (
            "NOREPLICAS",
            [("CONFIG", "SET", "min-replicas-to-write", "1")],
            [("CONFIG", "SET", "min-replicas-to-write", "0")],
        ),
    ],
)
async def test_a_server_that_takes_no_writes_for_a_while(
    home: Household, server: TcpServer, code: str, wrong: list[tuple[str, ...]], right: list[tuple[str, ...]]
) -> None:
    before = errors(server, code)
    async with home.busy() as accepted:
        with server.client() as client:
            for words in wrong:
                client.execute_command(*words)
            await refusing(server, code, before)
            for words in right:
                client.execute_command(*words)
        await home.takes_jobs()
    await home.all_ran(accepted)


async def test_a_server_that_cannot_save_takes_no_writes_until_it_can(home: Household, server: TcpServer) -> None:
    before = errors(server, "MISCONF")
    blocked = server.socket.with_name("dump.rdb")
    async with home.busy() as accepted:
        blocked.mkdir()
        with server.client() as client:
            client.config_set("save", "3600 100000000")
            client.bgsave()
            await refusing(server, "MISCONF", before)
            blocked.rmdir()
            client.bgsave()
            await until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok")
        await home.takes_jobs()
        with server.client() as client:
            client.config_set("save", "")
    await home.all_ran(accepted)


async def test_a_server_that_is_busy_with_somebody_elses_script(home: Household, server: TcpServer) -> None:
    with server.client() as client:
        client.config_set("busy-reply-threshold", 1)
    before = errors(server, "BUSY")
    stranger = Owner(topology_at(server.url), "x")
    async with home.busy() as accepted, asyncio.timeout(PATIENCE_S):
        while errors(server, "BUSY") == before:  # it counts while it is busy, and says it when it is asked again
            endless = asyncio.ensure_future((await stranger.wire()).execute("EVAL", "while true do end", 0))
            await asyncio.sleep(0.5)
            await until(lambda: _ends_script(server))
            with pytest.raises(Exception, match="killed"):
                await endless
        await home.takes_jobs()
    await stranger.close()
    await home.all_ran(accepted)


def _ends_script(server: TcpServer) -> bool:
    with server.client() as client:
        try:
            client.script_kill()
        except ResponseError:  # it has not begun
            return False
    return True


async def test_a_server_that_forgets_scripts_all_the_time(home: Household, server: TcpServer) -> None:
    def told() -> int:
        with server.client() as client:
            stats: dict[str, Any] = client.info("commandstats")
        return int(stats["cmdstat_function|load"]["calls"])

    before = told()
    async with home.busy() as accepted:
        async with asyncio.timeout(PATIENCE_S):
            while told() < before + 25:
                with server.client() as client:
                    client.function_flush("SYNC")
                await asyncio.sleep(0.02)
        await home.takes_jobs()
    await home.all_ran(accepted)


async def test_a_server_without_memory_refuses_new_jobs_and_lets_the_others_run(
    home: Household, server: TcpServer
) -> None:
    delayed = [await home.client.enqueue("noop", {"text": "x"}, delay=0.5) for _ in range(20)]
    with server.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(StoreFull):
            await home.client.enqueue("noop", {"text": "x"})
        await asyncio.gather(*(job.result(timeout=PATIENCE_S) for job in delayed))
        client.config_set("maxmemory", 0)
    await home.takes_jobs()


async def test_a_server_that_has_all_the_clients_it_bears(home: Household, server: TcpServer) -> None:
    async with home.busy() as accepted:
        with server.client() as client:
            client.config_set("maxclients", 1)
            before: Any = client.info("stats")["rejected_connections"]
            client.client_kill_filter(_type="normal", skipme=True)
            await until(lambda: client.info("stats")["rejected_connections"] >= before + 10)
            client.config_set("maxclients", 10_000)
        await home.takes_jobs()
    await home.all_ran(accepted)


# --- it is away ------------------------------------------------------------------------------------------------------


async def test_a_server_that_is_killed_and_started_again(home: Household, server: TcpServer) -> None:
    async with home.busy() as accepted:
        for pause in (0.0, 1.0, 2.5):
            server.stop()
            await asyncio.sleep(pause)
            server.start()
            await home.takes_jobs()
    await home.all_ran(accepted)


async def test_a_server_that_loads_its_data(home: Household, server: TcpServer) -> None:
    late = await home.client.enqueue_many("noop", [{"text": "x" * 10_000}] * 300, delay="1h")
    with server.client() as client:
        client.bgrewriteaof()  # into a form whose keys can be slowed down
        await until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
    server.stop()
    slow = ("key-load-delay 100000", "loading-process-events-interval-bytes 1024")
    server.start(*slow, until=b"oading")
    calling = asyncio.ensure_future(home.client.enqueue("noop", {"text": "meanwhile"}))
    with server.client() as client:
        await until(lambda: errors(server, "LOADING") > 0)
        client.config_set("key-load-delay", 0)  # somebody was told that it loads: it may get on now
        await until(lambda: not client.info("persistence")["loading"])
    await home.takes_jobs()
    await (await calling).result(timeout=PATIENCE_S)
    for job in late:
        await job.cancel()


async def test_a_server_that_does_not_answer_for_longer_than_a_command_may_take(
    home: Household, server: TcpServer
) -> None:
    async with home.busy() as accepted:
        server.freeze()
        await asyncio.sleep(6)
        server.thaw()
        await home.takes_jobs()
    await home.all_ran(accepted)


# --- the line breaks -------------------------------------------------------------------------------------------------


async def test_connections_that_are_closed_by_the_server(home: Household, server: TcpServer) -> None:
    async with home.busy() as accepted:
        for _ in range(20):
            with server.client() as client:
                client.client_kill_filter(_type="normal", skipme=True)
            await asyncio.sleep(0.02)
        await home.takes_jobs()
    await home.all_ran(accepted)


@pytest.mark.parametrize("requests", [True, False], ids=["nothing arrives", "replies do not arrive"])
async def test_lines_that_die_without_a_word(server_binary: Path, tmp_path: Path, requests: bool) -> None:
    with TcpServer(server_binary) as server:
        async with Proxy(server.port) as proxy:
            await _silence_it_again_and_again(proxy, tmp_path, requests=requests)


async def _silence_it_again_and_again(proxy: Proxy, tmp_path: Path, *, requests: bool) -> None:
    url = f"redis://127.0.0.1:{proxy.port}/0"
    program = program_on(url, tmp_path)
    program.start()
    try:
        await asyncio.to_thread(program.wait_up)
        async with household(url, program) as home:
            for _ in range(3):
                assert proxy.lines > 4
                proxy.silence(requests=requests)
                await home.takes_jobs()
    finally:
        program.kill_all()


# --- we break off ----------------------------------------------------------------------------------------------------


async def test_commands_that_are_given_up_at_any_moment(home: Household) -> None:
    for pause in range(40):
        calls = [asyncio.ensure_future(home.client.enqueue("noop", {"text": "x"})) for _ in range(20)]
        for _ in range(pause):
            await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        ids = [answer.id for answer in answers if isinstance(answer, jobd.JobHandle)]
        assert len(ids) == len(set(ids)) >= 10
        assert all(isinstance(answer, jobd.JobHandle | asyncio.CancelledError) for answer in answers)
    await home.takes_jobs()
