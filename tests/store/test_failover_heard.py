"""A master changes: whoever uses it leaves it when that is announced, and hears of what was announced before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from jobd.store.link import Link
from jobd.store.topology import announcements, owner
from jobd.store.topology.owner import Owner, topology_at
from jobd.store_url import Address
from tests.servers.scripted_sentinel import SERVICE, ScriptedSentinel, chosen, promoted
from tests.servers.tcp_server import TcpServer
from tests.store.on_server import until

pytestmark = pytest.mark.usefixtures("at_once")

Said = tuple[Address, Address | None]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcements, "LISTEN_AGAIN_S", 0.0)
    monkeypatch.setattr(owner, "CHANGE_S", 60.0)


@pytest.fixture
def servers(server_binary: Path) -> Iterator[list[TcpServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(TcpServer(server_binary)) for _ in range(3)]


@pytest.fixture
async def sentinel(servers: list[TcpServer]) -> AsyncIterator[ScriptedSentinel]:
    async with ScriptedSentinel(at(servers[0])) as sentinel:
        yield sentinel


class Ear:
    """An owner, and all that it is told."""

    def __init__(self, *sentinels: ScriptedSentinel) -> None:
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
        self.topology = topology_at(f"redis+sentinel://{places}/{SERVICE}/0?protocol=2")
        self.owner = Owner(self.topology, "k")
        self.heard: list[Said] = []

    async def listen(self) -> None:
        """Returns when it knows where to go."""
        assert self.topology.announcements is not None
        self.topology.announcements.tell(self._hear)
        await self.owner.wire()

    def _hear(self, former: Address, master: Address | None) -> None:
        self.heard.append((former, master))

    async def close(self) -> None:
        assert self.topology.announcements is not None
        await self.topology.announcements.forget(self._hear)
        await self.owner.close()


@pytest.fixture
async def ear(sentinel: ScriptedSentinel) -> AsyncIterator[Ear]:
    ear = Ear(sentinel)
    await ear.listen()
    await until(lambda: sentinel.listened_to)
    yield ear
    await ear.close()


def at(server: TcpServer) -> Address:
    return Address("127.0.0.1", server.port)


def was_told(server: TcpServer) -> bool:
    """Has anybody written to it?"""
    with server.client() as client:
        return client.get("x") is not None


async def test_a_connection_that_is_being_made_to_a_master_is_given_up_when_another_one_is_chosen(
    ear: Ear, sentinel: ScriptedSentinel, servers: list[TcpServer]
) -> None:
    former = servers[0]
    former.freeze()
    wire = await ear.owner.wire()
    telling = asyncio.ensure_future(wire.execute("SET", "x", "y"))
    sentinel.say(chosen(at(former)))
    await until(lambda: (at(former), None) in ear.heard)
    with pytest.raises(RedisConnectionError):
        await telling
    former.thaw()
    with pytest.raises(RedisConnectionError):
        await wire.execute("SET", "x", "y")
    assert not was_told(former)


async def test_a_master_that_is_to_go_as_soon_as_it_has_come_is_told_nothing(
    ear: Ear, sentinel: ScriptedSentinel, servers: list[TcpServer]
) -> None:
    first, second, third = map(at, servers)
    sentinel.say(chosen(first), promoted(first, second), chosen(second))
    await until(lambda: (second, None) in ear.heard)
    looking = asyncio.ensure_future(ear.owner.wire())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not looking.done()
    telling = asyncio.ensure_future(Link(ear.owner).command("SET", "x", "y"))
    sentinel.say(promoted(second, third))
    await telling
    await looking
    assert [was_told(server) for server in servers] == [False, False, True]


async def test_what_was_announced_while_nobody_listened_is_asked_for(
    ear: Ear, sentinel: ScriptedSentinel, servers: list[TcpServer]
) -> None:
    second = at(servers[1])
    await (await ear.owner.wire()).execute("PING")
    sentinel.state = b"wait_promotion"
    sentinel.cut()
    await until(lambda: ear.owner.at_hand is None)
    sentinel.state, sentinel.master, sentinel.failovers = b"", second, 2
    sentinel.cut()
    await Link(ear.owner).command("SET", "x", "y")
    assert [was_told(server) for server in servers] == [False, True, False]


async def test_who_starts_while_another_master_is_chosen_waits_for_that_one(servers: list[TcpServer]) -> None:
    first, second, third = map(at, servers)
    async with ScriptedSentinel(first) as leads, ScriptedSentinel(first) as follows:
        leads.state = b"send_slaveof_noone"
        follows.answers.clear()
        ear = Ear(leads, follows)
        listening = asyncio.ensure_future(ear.listen())
        await until(lambda: (first, None) in ear.heard)
        telling = asyncio.ensure_future(Link(ear.owner).command("SET", "x", "y"))
        follows.answers.set()
        follows.say(chosen(third))  # nobody's master
        await until(lambda: (third, None) in ear.heard)
        leads.say(promoted(first, second))
        await telling
        assert [was_told(server) for server in servers] == [False, True, False]
        await listening
        await ear.close()


async def test_a_connection_that_is_first_made_while_another_master_is_chosen_waits_for_that_one(
    ear: Ear, sentinel: ScriptedSentinel, servers: list[TcpServer]
) -> None:
    first, second, _ = map(at, servers)
    sentinel.say(chosen(first))
    await until(lambda: (first, None) in ear.heard)
    late = ear.owner.twin()
    looking = asyncio.ensure_future(late.wire())
    await until(lambda: late.address == first)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not looking.done()
    sentinel.say(promoted(first, second))
    await (await looking).execute("SET", "x", "y")
    assert [was_told(server) for server in servers] == [False, True, False]
    await late.close()


async def test_a_sentinel_that_says_who_the_master_is_says_too_that_another_one_is_chosen(
    sentinel: ScriptedSentinel, servers: list[TcpServer]
) -> None:
    first, second, _ = map(at, servers)
    async with ScriptedSentinel(first) as follows:
        sentinel.state = b"send_slaveof_noone"
        ear = Ear(follows, sentinel)
        looking = asyncio.ensure_future(ear.owner.wire())
        await until(lambda: ear.owner.address == first)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not looking.done()
        await until(lambda: sentinel.listened_to)
        sentinel.say(promoted(first, second))
        await (await looking).execute("SET", "x", "y")
        assert [was_told(server) for server in servers] == [False, True, False]
        await ear.close()


async def test_a_sentinel_that_has_missed_a_failover_is_not_believed(servers: list[TcpServer]) -> None:
    first, second, third = map(at, servers)
    async with ScriptedSentinel(second, failovers=2) as knows, ScriptedSentinel(second, failovers=2) as lags:
        ear = Ear(knows, lags)
        await ear.listen()
        await until(lambda: knows.listened_to and lags.listened_to)
        knows.say(promoted(second, third), promoted(third, first))
        await until(lambda: ear.owner.address == first)
        ear.heard.clear()
        lags.failovers, lags.master = 3, third
        lags.cut()
        await until(lambda: lags.listened_to)
        await (await ear.owner.wire()).execute("PING")
        lags.say(chosen(third))
        await until(lambda: bool(ear.heard))
        assert ear.heard == [(third, None)]
        assert ear.owner.at_hand is not None
        await ear.close()
