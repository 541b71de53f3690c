"""Hearing, in earnest: words come to the one who listens, whatever becomes of connections and of other listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from jobd.errors import StoreRefused, StoreUnavailable
from jobd.store import link
from jobd.store.inbox import LOOK, Inbox
from jobd.store.shard import Shard
from jobd.store.store import Store
from jobd.store.topology.owner import Owner, topology_at
from jobd.store.topology.pipe import packed
from tests.real_server import RealServer
from tests.store.hands import Hands, ids, new_job
from tests.store.strict_scripts import strict
from tests.store.test_wakeups import idle


@pytest.fixture(autouse=True)
def under_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "load", strict)


async def until_it_listens(shard: Shard) -> None:
    """Returns when somebody blocks on the server."""
    async with asyncio.timeout(120):
        while b"cmd=blpop" not in await shard.link.command("CLIENT", "LIST"):
            await asyncio.sleep(0)


async def test_words_are_heard_in_order_by_who_listens(hands: Hands, store: Store, shard: Shard) -> None:
    inbox = store.inbox("w1", shard)
    hearing = asyncio.ensure_future(inbox.hear())
    await until_it_listens(shard)
    await idle(hands, "w1")
    (delivery,) = await hands.active(new_job("a"))
    assert ids([delivery]) == ["a"]
    assert await hearing == "wake"
    await shard.cancel(["a"], {})
    assert await inbox.hear() == f"cancel a {delivery.fence}"
    await inbox.close()


async def test_a_listener_whose_connection_is_cut_looks_for_itself_and_hears_again(store: Store, shard: Shard) -> None:
    inbox = store.inbox("w1", shard)
    hearing = asyncio.ensure_future(inbox.hear())
    await until_it_listens(shard)
    await shard.link.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert await hearing == LOOK
    await shard.link.command("RPUSH", shard.keys.inbox("w1"), "wake")
    assert await inbox.hear() == "wake"
    await inbox.close()


async def test_a_listener_hears_again_when_its_server_has_been_away(server_of_ones_own: RealServer) -> None:
    inbox = Inbox(Owner(topology_at(server_of_ones_own.url), "inbox"), "inbox")
    hearing = asyncio.ensure_future(inbox.hear())
    with server_of_ones_own.client() as client:
        async with asyncio.timeout(120):
            while not any(peer["cmd"] == "blpop" for peer in client.client_list()):
                await asyncio.sleep(0)
    server_of_ones_own.stop()
    assert await hearing == LOOK
    assert await inbox.hear() == LOOK
    server_of_ones_own.start()
    with server_of_ones_own.client() as client:
        client.rpush("inbox", "wake")
    assert await inbox.hear() == "wake"
    await inbox.close()


async def test_a_listener_that_hears_nothing_for_a_while_says_so(
    store: Store, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobd.store.inbox.LISTEN_S", 0.01)
    inbox = store.inbox("w1", shard)
    assert await inbox.hear() is None
    await inbox.close()


async def test_a_listener_that_finds_no_server_looks_for_itself() -> None:
    inbox = Inbox(Owner(topology_at("redis+cluster://127.0.0.1:1"), "inbox"), "inbox")
    assert await inbox.hear() == LOOK
    await inbox.close()


async def test_a_read_that_was_answered_too_late_takes_no_word(
    store: Store, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobd.store.inbox._PATIENCE_S", -2.2)
    inbox = store.inbox("w1", shard)
    assert await inbox.hear() == LOOK
    assert b"cmd=blpop" not in await shard.link.command("CLIENT", "LIST")
    await inbox.close()


async def test_who_asks_behind_a_read_what_the_server_refuses_is_told(store: Store, shard: Shard) -> None:
    inbox = store.inbox("w1", shard)
    behind = asyncio.ensure_future(inbox.ask_behind(packed("FCALL", "nothing-of-this-name", 0)))
    await shard.link.command("RPUSH", shard.keys.inbox("w1"), "wake")
    assert await inbox.hear() == "wake"
    with pytest.raises(StoreUnavailable, match="did not run it"):
        await behind
    await inbox.close()


async def test_a_listener_that_is_not_let_in_says_so(server_of_ones_own: RealServer) -> None:
    with server_of_ones_own.client() as client:
        client.config_set("requirepass", "secret")
    inbox = Inbox(Owner(topology_at(server_of_ones_own.url), "inbox"), "inbox")
    with pytest.raises(StoreRefused):
        await inbox.hear()
    await inbox.close()


async def test_a_word_comes_to_the_one_who_listens_even_after_a_listener_gave_up(store: Store, shard: Shard) -> None:
    inbox = store.inbox("w1", shard)
    for _ in range(20):
        hearing = asyncio.ensure_future(inbox.hear())
        await until_it_listens(shard)
        hearing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hearing
    await shard.link.command("RPUSH", shard.keys.inbox("w1"), "wake")
    again = store.inbox("w1", shard)
    assert await again.hear() == "wake"
    await again.close()
    await inbox.close()


async def test_what_stands_behind_a_read_is_run_with_the_next_word_and_not_before(store: Store, shard: Shard) -> None:
    inbox = store.inbox("w1", shard)
    hearing = asyncio.ensure_future(inbox.hear())
    await until_it_listens(shard)
    behind = asyncio.ensure_future(inbox.ask_behind(packed("INCR", "jobd:behind")))
    for _ in range(3):
        assert await shard.link.command("GET", "jobd:behind") is None
    await shard.link.command("RPUSH", shard.keys.inbox("w1"), "wake")
    assert (await hearing, await behind) == ("wake", 1)
    await inbox.close()


async def test_a_fetch_that_stands_behind_a_read_brings_what_the_next_word_is_of_unless_nobody_listens(
    hands: Hands, store: Store, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobd.store.shard.load", strict)
    inbox = store.inbox("w1", shard)
    await hands.join("w1")
    assert await hands.fetch() == []  # so that the server knows the script
    hearing = asyncio.ensure_future(inbox.hear())
    await until_it_listens(shard)
    fetch = partial(shard.fetch_behind, inbox, "w1", want=1, types=",noop,")
    behind = asyncio.ensure_future(fetch(sequence=8))
    await hands.put(new_job("a"))
    await shard.link.command("RPUSH", shard.keys.inbox("w1"), "wake")
    assert ids(await behind or []) == ["a"]
    await hearing
    called_off = asyncio.ensure_future(fetch(sequence=9))
    await asyncio.sleep(0)
    inbox.interrupt()
    assert await called_off is None
    await inbox.close()


async def test_what_stands_behind_a_read_that_is_interrupted_is_not_run(store: Store, shard: Shard) -> None:
    inbox = store.inbox("w1", shard)
    hearing = asyncio.ensure_future(inbox.hear())
    await until_it_listens(shard)
    behind = asyncio.ensure_future(inbox.ask_behind(packed("INCR", "jobd:behind")))
    await shard.link.command("PING")
    inbox.interrupt()
    with pytest.raises(StoreUnavailable):
        await behind
    assert await hearing == LOOK
    await shard.link.command("RPUSH", shard.keys.inbox("w1"), "wake")
    assert await inbox.hear() == "wake"
    assert await shard.link.command("GET", "jobd:behind") is None
    await inbox.close()


async def test_what_is_to_stand_behind_a_read_waits_for_one_to_begin(store: Store, shard: Shard) -> None:
    inbox = store.inbox("w1", shard)
    behind = asyncio.ensure_future(inbox.ask_behind(packed("INCR", "jobd:behind")))
    await shard.link.command("RPUSH", shard.keys.inbox("w1"), "first", "second")
    assert await shard.link.command("GET", "jobd:behind") is None
    assert await inbox.hear() == "first"
    assert await behind == 1
    await inbox.close()


@pytest.mark.parametrize("end", [Inbox.interrupt, Inbox.close])
async def test_nothing_stands_behind_a_read_that_nobody_does(
    store: Store, shard: Shard, end: Callable[[Inbox], Awaitable[None] | None]
) -> None:
    inbox = store.inbox("w1", shard)
    behind = asyncio.ensure_future(inbox.ask_behind(packed("INCR", "jobd:behind")))
    await asyncio.sleep(0)
    if ending := end(inbox):
        await ending
    assert await behind is None
    assert await shard.link.command("GET", "jobd:behind") is None
    await inbox.close()


async def test_what_was_called_off_between_two_reads_does_not_stand_behind_the_next_one(
    store: Store, shard: Shard
) -> None:
    inbox = store.inbox("w1", shard)
    await shard.link.command("RPUSH", shard.keys.inbox("w1"), "wake", "wake")
    assert await inbox.hear() == "wake"  # so that the next read can begin at once
    behind = asyncio.ensure_future(inbox.ask_behind(packed("INCR", "jobd:behind")))
    await asyncio.sleep(0)

    inbox.interrupt()
    assert await inbox.hear() == "wake"
    assert await behind is None
    assert await shard.link.command("EXISTS", "jobd:behind") == 0
    await inbox.close()
