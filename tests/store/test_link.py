"""The way to the server: it goes on through whatever weather there is, and says what is not weather."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.errors import ClientClosed, SettingsError, StoreError, StoreFull, StoreRefused, StoreUnavailable
from jobd.store import link, scripts
from jobd.store.libraries import MOST, teach
from jobd.store.link import Argument
from jobd.store.scripts import LUA, PREFIX, Library, library, load
from jobd.store.shard import Shard
from jobd.store.store import Store
from jobd.store.topology.owner import Owner, topology_at
from tests.real_server import RealServer
from tests.store.hands import LEASE_MS, Clock, Hands, LossyLink, done, ended, failed, new_job


@asynccontextmanager
async def work_on(url: str) -> AsyncIterator[tuple[Store, Hands]]:
    """A store there, and hands for it."""
    store = Store.at(url)
    try:
        yield store, Hands(store.shards[0], Clock(store.shards[0]))
    finally:
        await store.close()


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not happened():
            await asyncio.sleep(0)


def calls_refused(server: RealServer) -> int:
    """How many scripts this server has refused to run."""
    with server.client() as client:
        stats: dict[str, Any] = client.info("commandstats")
    return sum(int(of["rejected_calls"]) + int(of["failed_calls"]) for name, of in stats.items() if "fcall" in name)


# --- scripts ---------------------------------------------------------------------------------------------------------


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


# --- connections -----------------------------------------------------------------------------------------------------


async def test_calls_whose_connections_are_cut_at_any_moment_take_effect_once(
    hands: Hands, shard: Shard, session_server: RealServer
) -> None:
    dice = random.Random(1)
    await hands.join()
    with session_server.client() as killer:
        for _ in range(60):
            _, batch = await hands.turn("w1", [], want=10)
            calls = [asyncio.ensure_future(shard.enqueue([new_job()])) for _ in range(10)]
            turn = asyncio.ensure_future(hands.turn("w1", [done(delivery) for delivery in batch], want=0))
            for _ in range(dice.randrange(10)):
                await asyncio.sleep(0)
            killer.client_kill_filter(_type="normal", skipme=True)
            assert await asyncio.gather(*calls) == [[True]] * 10
            assert set((await turn)[0]) <= {1, 2}
    while batch := await hands.fetch(want=50):
        await shard.settle("w1", [done(delivery) for delivery in batch])
    assert await hands.counts() == {State.COMPLETED: 600}


async def test_more_callers_than_connections_wait_for_their_turn(hands: Hands, shard: Shard) -> None:
    assert await asyncio.gather(*[shard.enqueue([new_job()]) for _ in range(500)]) == [[True]] * 500
    assert await hands.counts() == {State.WAITING: 500}


async def test_all_callers_share_one_connection(shard: Shard, session_server: RealServer) -> None:
    with session_server.client() as outside:

        def connections() -> int:
            return len(outside.client_list(_type="normal"))

        before = connections()
        await asyncio.gather(*[shard.link.command("ECHO", str(n)) for n in range(300)])
        assert connections() == before + 1


async def test_who_gives_up_while_it_connects_does_not_end_it_for_the_others(shard: Shard) -> None:
    calls = [asyncio.ensure_future(shard.link.command("ECHO", str(n))) for n in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for call in calls[:5]:
        call.cancel()
    assert await asyncio.gather(*calls[5:]) == [str(n).encode() for n in range(5, 10)]


@asynccontextmanager
async def relay(server: RealServer, socket: Path) -> AsyncIterator[list[asyncio.Event]]:
    """Passes on what is said on this socket; an event for each connection: it is set, and nothing gets through."""
    cuts: list[asyncio.Event] = []
    ends: list[asyncio.StreamWriter] = []

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, cut: asyncio.Event) -> None:
        while data := await source.read(65_536):
            if not cut.is_set():
                sink.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cuts.append(cut := asyncio.Event())
        there, back = await asyncio.open_unix_connection(server.socket)
        ends.extend((writer, back))
        await asyncio.gather(pump(reader, back, cut), pump(there, writer, cut))

    async with await asyncio.start_unix_server(serve, socket):
        yield cuts
        for end in ends:
            end.close()


async def test_a_connection_whose_other_end_has_gone_silently_is_replaced(
    server_of_ones_own: RealServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("link", "topology.pipe"):
        monkeypatch.setattr(f"jobd.store.{place}.COMMAND_TIMEOUT_S", 0.2)
    monkeypatch.setattr("jobd.store.topology.pipe.SILENT_S", 0.1)
    async with relay(server_of_ones_own, tmp_path / "s") as cuts, work_on(f"unix://{tmp_path}/s") as (_, hands):
        assert await hands.put(new_job()) == [True]
        cuts[0].set()
        assert await asyncio.gather(*[hands.put(new_job()) for _ in range(20)]) == [[True]] * 20
        assert len(cuts) == 2
        assert await hands.counts() == {State.WAITING: 21}


async def test_a_connection_on_which_one_caller_lost_patience_goes_on_for_the_others(
    server_of_ones_own: RealServer,
) -> None:
    async with work_on(server_of_ones_own.url) as (store, hands):
        await hands.put(new_job())
        with server_of_ones_own.client() as outside:
            name = outside.client_list(_type="normal")[0]["id"]
            server_of_ones_own.freeze()
            calling = asyncio.ensure_future(hands.put(new_job()))
            with pytest.raises(StoreUnavailable):
                await store.check(patience_s=0.2)
            server_of_ones_own.thaw()
            assert await calling == [True]
            assert name in {client["id"] for client in outside.client_list(_type="normal")}


async def test_a_call_that_was_given_up_leaves_no_reply_for_another(shard: Shard) -> None:
    dice = random.Random(1)
    for _ in range(30):
        calls = [asyncio.ensure_future(shard.link.command("ECHO", f"{n}")) for n in range(40)]
        calls += [
            asyncio.ensure_future(shard.link.run_pair([("get", shard._keys("get"), ["", shard.keys.base, "x"])] * 2))
            for _ in range(5)
        ]
        for _ in range(dice.randrange(12)):
            await asyncio.sleep(0)
        for call in dice.sample(calls, 25):
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for n, answer in enumerate(answers):
            expected = str(n).encode() if n < 40 else [[b"", b"", b"", b""]] * 2
            assert answer == expected or isinstance(answer, asyncio.CancelledError)
    assert await asyncio.gather(*[shard.link.command("ECHO", f"{n}") for n in range(200)]) == [
        str(n).encode() for n in range(200)
    ]


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
        for _ in range(4):
            await hands.put(*[new_job(queue=f"q{number}", payload=b"x" * 4_000) for number in range(100)])
        with server.client() as client:
            client.save()
        server.stop()
        await asyncio.to_thread(
            server.start, "key-load-delay 4000", "loading-process-events-interval-bytes 1024", until=b"Loading RDB"
        )
        assert await hands.put(new_job("after")) == [True]
        assert calls_refused(server) > 0


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


# --- what is not weather ---------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_told_at_once(server_of_ones_own: RealServer) -> None:
    with server_of_ones_own.client() as client:
        client.config_set("requirepass", "secret")
    for url in (server_of_ones_own.url, server_of_ones_own.url.replace("//", "//:wrong@")):
        async with work_on(url) as (store, hands):
            with pytest.raises(StoreRefused):
                await store.check()
            with pytest.raises(StoreRefused):
                await hands.put(new_job())
    async with work_on(server_of_ones_own.url.replace("//", "//:secret@")) as (_, hands):
        assert await hands.put(new_job()) == [True]


@pytest.mark.parametrize("right", ["-fcall", "-function|load", "-function|list"])
async def test_a_user_without_rights_is_told_at_once(server_of_ones_own: RealServer, right: str) -> None:
    with server_of_ones_own.client() as client:
        client.execute_command("ACL", "SETUSER", "guest", "on", ">guest", "~*", "+@all", right)
    async with work_on(server_of_ones_own.url.replace("//", "//guest:guest@")) as (store, hands):
        await store.check()
        with pytest.raises(StoreRefused):
            await hands.put(new_job())


@pytest.mark.parametrize("knows_the_scripts", [True, False])
async def test_a_full_server_refuses_new_jobs_whole_and_lets_all_others_end(
    server_of_ones_own: RealServer, knows_the_scripts: bool
) -> None:
    async with work_on(server_of_ones_own.url) as (store, hands):
        shard, clock = hands.shard, hands.clock
        await hands.join()
        await hands.monitor()
        first, second, third, fourth = await hands.active(*[new_job(name) for name in "abcd"])
        await hands.put(new_job("later", due="+10"), new_job("waiting"), new_job("unwanted", priority=9))
        await shard.stage("batch", [new_job("staged")])
        await shard.commit("batch", 1)
        with server_of_ones_own.client() as client:
            if not knows_the_scripts:  # they are those of another release
                client.function_flush()
            client.config_set("maxmemory", 1)
        before = await hands.counts()
        for jobs in ([new_job("new")], [new_job(), new_job(due="+5")]):
            with pytest.raises(StoreFull):
                await hands.put(*jobs)
        with pytest.raises(StoreFull):
            await store.enqueue([new_job() for _ in range(1_000)])
        assert await hands.counts() == before
        assert await hands.states("new") == [None]

        assert await shard.watch("a", "client") == "watching"
        assert await shard.say(first, "heartbeat", 1_000)
        assert await hands.join("w2")
        settled = [done(first, b"1", children=[new_job("child")]), failed(second)]
        settled.append(ended(third, Verdict(State.DELAYED, delay_ms=5)))
        assert (await hands.turn("w1", settled, want=0))[0] == [1, 1, 1]
        assert len(await hands.fetch(want=2)) == 2
        clock.forward(10)
        assert (await shard.promote())[0] == 2
        assert await shard.release("batch") == 0
        assert await shard.cancel(["unwanted"], {}) == ["cancelled"]
        assert (await shard.renew(["w2", "m1"], LEASE_MS, patience_s=1))[0] == [True, True]
        assert await shard.leave("w1", "killed") > 0
        lost = await hands.take_over()
        assert "d" in {item.delivery.id for item in lost}
        assert fourth.id == "d"
        assert await shard.settle("m1", [ended(item.delivery, Verdict(State.WAITING), "lost") for item in lost])
        while batch := await hands.fetch("w2"):
            assert await shard.settle("w2", [done(delivery) for delivery in batch])
        assert await hands.counts() == {State.COMPLETED: 7, State.FAILED: 1, State.CANCELLED: 1}
        clock.forward(1)
        assert await shard.prune("default", State.COMPLETED, 0) == 7
        assert await shard.leave("w2") == 0
        with server_of_ones_own.client() as client:
            client.config_set("maxmemory", 0)
        assert await hands.put(new_job("new")) == [True]


async def test_a_repeat_that_a_full_server_refuses_leaves_open_whether_the_first_sending_was_taken(
    server_of_ones_own: RealServer,
) -> None:
    async with work_on(server_of_ones_own.url) as (_, hands):

        async def fill() -> None:
            with server_of_ones_own.client() as client:
                client.config_set("maxmemory", 1)

        hands.shard.link = link = LossyLink(hands.shard.link)
        link.losing, link.before_repeat = 1, fill
        with pytest.raises(StoreUnavailable, match="no memory left for new jobs, and it is unknown whether it took"):
            await hands.put(new_job("taken"))
        assert await hands.states("taken") == [State.WAITING]
        with pytest.raises(StoreFull):
            await hands.put(new_job("refused"))


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "", "redis://localhost:port"])
def test_a_url_that_is_none_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(SettingsError):
        topology_at(url)


async def test_who_closes_while_it_connects_leaves_no_connection_and_cancels_nobody(
    server_of_ones_own: RealServer,
) -> None:
    with server_of_ones_own.client() as outside:
        for rounds in range(30):
            store = Store.at(server_of_ones_own.url)
            calls = [asyncio.ensure_future(store.check()) for _ in range(3)]
            for _ in range(rounds % 15):
                await asyncio.sleep(0)
            closing = asyncio.ensure_future(store.close())
            if rounds % 2:
                await asyncio.sleep(0)
                closing.cancel()
            await asyncio.wait([closing])
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(answer) for answer in answers} <= {type(None), ClientClosed}
        async with asyncio.timeout(120):
            while len(outside.client_list(_type="normal")) > 1:
                await asyncio.sleep(0)
