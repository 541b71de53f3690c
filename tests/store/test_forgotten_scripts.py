"""Scripts that a server forgot, of several releases, and such as fail."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jobd.domain.state import State
from jobd.errors import StoreError
from jobd.store import link
from jobd.store.libraries import MOST, teach
from jobd.store.link import Argument
from jobd.store.scripts import PREFIX, Library, library, load
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.real_server import RealServer
from tests.store.hands import Hands, done, new_job
from tests.store.on_server import work_on


async def test_scripts_that_the_server_forgot_are_sent_again(hands: Hands, shard: Shard) -> None:
    async def forget() -> None:
        await shard.link.command("FUNCTION", "FLUSH", "SYNC")

    await hands.join()
    for _ in range(3):
        await forget()
        (delivery,) = await hands.active(new_job())
        await forget()
        answers, _ = await hands.turn("w1", [done(delivery)])
        assert answers == [1]


async def test_calls_go_on_while_scripts_are_flushed_all_the_time(hands: Hands, shard: Shard) -> None:
    await hands.join()
    ended_ = asyncio.Event()

    async def flush() -> None:
        while not ended_.is_set():
            await shard.link.command("FUNCTION", "FLUSH", "ASYNC")

    flushing = asyncio.ensure_future(flush())
    finished = 0
    for _ in range(50):
        await hands.put(*[new_job() for _ in range(3)])
        answers, _ = await hands.turn("w1", [done(delivery) for delivery in await hands.fetch()])
        assert answers == [1] * len(answers)
        finished += len(answers)
    ended_.set()
    await flushing
    while batch := await hands.fetch():
        finished += len(await shard.settle("w1", [done(delivery) for delivery in batch]))
    assert (await hands.counts())[State.COMPLETED] == 150


def libraries_of(server: RealServer) -> set[str]:
    with server.client() as client:
        listed = client.function_list()
    return {one[1].decode() for one in listed}


def told(server: RealServer) -> int:
    """How often it was told a library."""
    with server.client() as client:
        stats: dict[str, Any] = client.info("commandstats")
    of = stats.get("cmdstat_function|load", {"calls": 0, "failed_calls": 0})
    return int(of["calls"]) - int(of["failed_calls"])


async def test_a_server_is_told_the_scripts_once_and_keeps_them_as_it_keeps_jobs(server_binary: Path) -> None:
    with RealServer(server_binary, "appendonly yes", "appendfsync always") as server:
        stores = [Store.at(server.url) for _ in range(3)]
        for _ in range(2):
            jobs = [store.shards[0].enqueue([new_job()]) for store in stores for _ in range(10)]
            assert await asyncio.gather(*jobs) == [[True]] * 30
        assert told(server) == 1
        server.stop()
        server.start()
        assert await stores[0].shards[0].enqueue([new_job()]) == [True]
        assert told(server) == 0
        for store in stores:
            await store.close()


async def test_programs_of_two_releases_work_on_one_server_side_by_side(
    server_of_ones_own: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_of_ones_own
    async with work_on(server.url) as (_, hands):
        await hands.put(new_job("a"))
        monkeypatch.setattr(link, "load", lambda name: library(ahead="local release = 2 ")[name])
        await hands.put(new_job("b"))
        monkeypatch.setattr(link, "load", load)
        await hands.put(new_job("c"))
        assert await hands.states(*"abc") == [State.WAITING] * 3
    assert len(libraries_of(server)) == 2
    assert told(server) == 2


async def test_libraries_of_releases_that_are_long_gone_do_not_pile_up(server_of_ones_own: RealServer) -> None:
    server = server_of_ones_own
    ours = load("get").library.name
    async with work_on(server.url) as (_, hands):
        await hands.put(new_job("a"))
        wire = await hands.shard.link.owner.wire()
        for number in range(2 * MOST):
            name = f"{PREFIX}release{number}"
            function = f"redis.register_function('{name}_get', function() end)"
            await teach(wire, Library(name, f"#!lua name={name}\n{function}".encode()))
            assert name in libraries_of(server)
            assert len(libraries_of(server)) <= MOST
        with server.client() as client:
            client.function_load("#!lua name=jobs\nredis.register_function('somebody_elses', function() end)")
        assert ours not in libraries_of(server)
        assert await hands.states("a") == [State.WAITING]
        assert {ours, "jobs"} < libraries_of(server)


async def test_a_call_that_failed_half_way_leaves_nothing_for_the_next(shard: Shard, hands: Hands) -> None:
    keys = shard._keys("enqueue")
    head: list[Argument] = ["", shard.keys.base, 10**18, 0, "", "", 0, "", "", ""]
    with pytest.raises(StoreError, match="answered with an error"):
        await shard.link.run("enqueue", keys, [*head, 2, "", "q", 5, "", 1, "lost", new_job().spec, "", "q", 5, "", 1])
    assert await hands.put(new_job("a", queue="q")) == [True]
    assert await hands.counts("q") == {State.WAITING: 1}
    assert await hands.states("lost", "a") == [None, State.WAITING]


async def test_a_script_that_fails_by_its_arguments_is_an_error_of_the_store(shard: Shard) -> None:
    with pytest.raises(StoreError, match="answered with an error"):
        await shard.link.run("settle", [], ["", "x", "w1"])
