"""A server that is not there, silent, loading, a replica or busy for a while: calls wait, as long as callers do."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from jobd.domain.state import State
from jobd.errors import StoreUnavailable
from jobd.store import scripts
from jobd.store.scripts import LUA
from jobd.store.store import Store
from jobd.store.topology.owner import Owner, topology_at
from tests.real_server import RealServer
from tests.store.hands import LEASE_MS, done, new_job
from tests.store.on_server import calls_refused, until, work_on


async def test_a_server_that_does_not_answer_costs_no_more_than_the_callers_patience(
    server_of_ones_own: RealServer,
) -> None:
    async with work_on(server_of_ones_own.url) as (store, hands):
        await hands.join()
        server_of_ones_own.freeze()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="unknown whether it took effect"):
            await store.shards[0].enqueue([new_job()], patience_s=0.4)
        with pytest.raises(StoreUnavailable):
            await store.shards[0].renew(["w1"], LEASE_MS, patience_s=0.4)
        assert 0.4 < time.monotonic() - began < 30
        server_of_ones_own.thaw()
        assert await hands.put(new_job()) == [True]


async def test_a_server_that_is_not_there_costs_no_more_than_the_callers_patience(tmp_path: Path) -> None:
    store = Store.at(f"unix://{tmp_path}/nobody")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.check(patience_s=0.3)
    assert time.monotonic() - began < 30
    await store.close()


async def test_of_a_question_nobody_wonders_whether_it_took_effect(tmp_path: Path) -> None:
    store = Store.at(f"unix://{tmp_path}/nobody")
    (shard,) = store.shards
    for question in (
        store.check(patience_s=0.1),
        shard.link.command("HGETALL", "x", patience_s=0.1),
        *(
            shard.link.run(name, [], [], patience_s=0.1)
            for name in scripts.names()
            if "flags=no-writes" in (LUA / f"{name}.lua").read_text()
        ),
    ):
        with pytest.raises(StoreUnavailable, match=r"did not answer \S+ within 0.1 s \(.*\)$"):
            await question
    with pytest.raises(StoreUnavailable, match="unknown whether it took effect"):
        await shard.link.command("HSET", "x", "y", "z", patience_s=0.1)
    await store.close()


async def test_a_call_waits_for_a_server_that_is_started_again(server_of_ones_own: RealServer) -> None:
    async with work_on(server_of_ones_own.url) as (_, hands):
        await hands.put(new_job("before"))
        with server_of_ones_own.client() as client:
            client.save()
        server_of_ones_own.stop()
        calling = asyncio.ensure_future(hands.put(new_job("after")))
        server_of_ones_own.start()
        assert await calling == [True]
        assert await hands.states("before", "after") == [State.WAITING, State.WAITING]


async def test_what_was_acknowledged_outlives_a_server_that_is_killed_again_and_again(server_binary: Path) -> None:
    with RealServer(server_binary, "appendonly yes", "appendfsync always") as server:
        async with work_on(server.url) as (_, hands):
            await hands.join()
            accepted: list[str] = []

            async def produce() -> None:
                for number in range(400):
                    await hands.put(new_job(f"j{number}"))
                    accepted.append(f"j{number}")

            producing = asyncio.ensure_future(produce())
            for seen in (50, 150, 300):
                await until(lambda seen=seen: len(accepted) >= seen)  # type: ignore[misc]  # mypy cannot infer a default of a lambda
                server.stop()
                await asyncio.to_thread(server.start)
            await producing
            finished: list[str] = []
            while batch := await hands.fetch(want=40):
                finished += [delivery.id for delivery in batch]
                await hands.shard.settle("w1", [done(delivery) for delivery in batch])
            assert sorted(finished) == sorted(accepted)


async def test_a_call_waits_for_a_server_that_is_loading(server_of_ones_own: RealServer) -> None:
    server = server_of_ones_own
    async with work_on(server.url) as (_, hands):
        for number in range(50):
            await hands.put(*[new_job(queue=f"q{number}") for _ in range(50)])
        with server.client() as client:
            client.config_set("rdbcompression", "no")
            client.save()
        server.stop()
        # it loads key by key, and looks in between whether somebody asks something
        slow = ("key-load-delay 100000", "loading-process-events-interval-bytes 1024")
        await asyncio.to_thread(server.start, *slow, until=b"Loading RDB")
        calling = asyncio.ensure_future(hands.put(new_job("after")))
        async with asyncio.timeout(120):
            while not await asyncio.to_thread(calls_refused, server):
                pass
        with server.client() as client:
            client.config_set("key-load-delay", 0)  # somebody was refused: it may get on now
        assert await calling == [True]


async def test_a_call_waits_for_a_server_that_is_a_replica_for_a_moment(server_of_ones_own: RealServer) -> None:
    async with work_on(server_of_ones_own.url) as (_, hands):
        await hands.join()
        with server_of_ones_own.client() as client:
            client.replicaof("127.0.0.1", 1)
            calling = asyncio.ensure_future(hands.put(new_job()))
            await until(lambda: calls_refused(server_of_ones_own) > 1)
            client.replicaof("NO", "ONE")
        assert await calling == [True]


async def test_a_call_waits_for_a_server_that_is_busy_with_somebody_elses_script(
    server_of_ones_own: RealServer,
) -> None:
    server = server_of_ones_own
    async with work_on(server.url) as (_, hands):
        await hands.join()
        with server.client() as client:
            client.config_set("busy-reply-threshold", 1)
        stranger = Owner(topology_at(server.url), "x")
        endless = asyncio.ensure_future((await stranger.wire()).execute("EVAL", "while true do end", 0))
        refused = ""
        while not refused:
            try:
                await (await hands.shard.link.owner.wire()).execute("GET", "x")
            except RedisError as error:
                refused = str(error)
        assert refused.startswith("BUSY")
        calling = asyncio.ensure_future(hands.put(new_job()))
        with server.client() as client:
            client.script_kill()
        assert await calling == [True]
        with pytest.raises(Exception, match="killed"):
            await endless
        await stranger.close()
