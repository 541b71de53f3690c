"""The way to the server: it goes on through whatever weather there is, and says what is not weather."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.errors import ClientClosed, SettingsError, StoreFull, StoreRefused, StoreUnavailable
from jobd.store.shard import Shard
from jobd.store.store import Store
from jobd.store.topology.owner import topology_at
from tests.real_server import RealServer
from tests.store.hands import LEASE_MS, Hands, LossyLink, done, ended, failed, new_job
from tests.store.on_server import work_on

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
