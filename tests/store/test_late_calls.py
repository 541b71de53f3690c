"""A call that was long on its way comes behind its own repeat: it may change nothing that its caller was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jobd.domain.delivery import Met, NewJob
from jobd.domain.state import State
from jobd.errors import QueueFull, UniqueConflict
from jobd.store import link
from jobd.store.agreement import Outgrown
from jobd.store.rules import FENCE
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.servers.proxy import Proxy
from tests.servers.tcp_server import TcpServer
from tests.servers.wait import wait
from tests.store.hands import Arguments, BentLink, Clock, Hands, made_id, new_job
from tests.store.strict_scripts import strict
from tests.store.unique_jobs import INSISTING, SIMPLE, job


@pytest.fixture(autouse=True)
def under_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "load", strict)


def copy(sent_ms: int, *, repeat: bool = False) -> Any:
    """What makes of an enqueue one that was sent then, and arrives now."""

    def bend(first: Arguments, again: Arguments) -> Arguments:
        sent_us = sent_ms * 1_000
        return [*first[:2], sent_us + 60_000_000, sent_us, "1" if repeat else "", *first[5:]]

    return bend


async def bent(shard: Shard, bend: Any, *jobs: NewJob) -> list[bool | Met]:
    plain = shard.link
    shard.link = BentLink(plain, bend)
    try:
        return await shard.enqueue(jobs)
    finally:
        shard.link = plain


@pytest.mark.parametrize("job_id", ["chosen", made_id()])
async def test_what_a_repeat_was_refused_for_its_key_stays_refused_when_the_key_is_free(
    hands: Hands, shard: Shard, clock: Clock, job_id: str
) -> None:
    await hands.put(job("owner"))
    sent = clock.ms
    clock.forward(3_000)
    with pytest.raises(UniqueConflict):
        await bent(shard, copy(sent, repeat=True), new_job("beside"), job(job_id, INSISTING))
    await shard.cancel(["owner"], {})
    for repeat in (False, True):
        with pytest.raises(UniqueConflict, match=f"job owner has the unique key of job {job_id}; nothing") as told:
            await bent(shard, copy(sent, repeat=repeat), new_job("beside"), job(job_id, INSISTING))
        assert told.value.job_id == "owner"
    assert await hands.states("beside", job_id) == [None, None]


@pytest.mark.parametrize("job_id", ["chosen", made_id()])
@pytest.mark.parametrize("group", [None, "a b"])
async def test_what_a_repeat_was_refused_for_want_of_room_stays_refused_when_there_is_room(
    hands: Hands, shard: Shard, clock: Clock, job_id: str, group: str | None
) -> None:
    lane_key = "" if group is None else "g=a%20b"
    await shard.set_rule("q/default" if group is None else "g/default/a%20b", {"size": 1})
    await hands.put(new_job("fills", lane_key=lane_key))
    sent = clock.ms
    clock.forward(3_000)
    said = set()
    for repeat in (True, False, True):
        with pytest.raises(QueueFull) as told:
            await bent(shard, copy(sent, repeat=repeat), new_job(job_id, lane_key=lane_key))
        said.add(str(told.value))
        await shard.cancel(["fills"], {})
    assert len(said) == 1
    assert await hands.states(job_id) == [None]


async def test_an_id_that_a_later_call_was_refused_is_not_made_by_an_earlier_one(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    """Whoever was not answered asks again, under the id of their choice."""
    await hands.put(job("owner"))
    sent = clock.ms
    clock.forward(3_000)
    with pytest.raises(UniqueConflict):
        await hands.put(job("chosen", INSISTING))
    await shard.cancel(["owner"], {})
    with pytest.raises(UniqueConflict):
        await bent(shard, copy(sent), job("chosen", INSISTING))
    clock.forward(1)
    # who asks once more, for what was refused before, is heard
    assert await bent(shard, copy(clock.ms, repeat=True), job("chosen", INSISTING)) == [True]


async def test_a_call_that_was_answered_is_answered_alike_though_a_later_one_for_its_ids_was_refused(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    first = clock.ms
    await hands.put(job("owner"))
    assert await hands.put(new_job("done"), job("met")) == [True, Met("owner", replaced=False)]
    await shard.cancel(["done"], {})
    assert await shard.delete(["done"], {State.CANCELLED}) == ["gone"]
    clock.forward(3_000)
    second = clock.ms
    with pytest.raises(UniqueConflict):
        await hands.put(new_job("done"), new_job("met"), job("third", INSISTING))
    await shard.cancel(["owner"], {})
    clock.forward(3_000)
    for repeat in (False, True):
        again = await bent(shard, copy(first, repeat=repeat), new_job("done"), job("met"))
        assert again == [False, Met("owner", replaced=False)]
        with pytest.raises(UniqueConflict, match="job owner has the unique key of job third"):
            await bent(shard, copy(second, repeat=repeat), new_job("done"), new_job("met"), job("third", INSISTING))
    assert await hands.states("done", "met", "third") == [None, None, None]


async def test_a_refusal_that_nothing_can_contradict_leaves_nothing(hands: Hands, shard: Shard) -> None:
    await hands.put(job("owner"))
    with pytest.raises(UniqueConflict):
        await hands.put(job(made_id(), INSISTING), job("b"))
    gone = [shard.keys.gone(minute) for minute in range(3)]
    assert await shard.link.command("EXISTS", *gone) == 1
    assert await shard.link.command("HKEYS", gone[hands.clock.ms // 60_000 % 3]) == [b"!b"]


async def test_what_was_answered_before_a_store_grew_is_answered_alike_by_it_now(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    sent = clock.ms  # and all of it in the same millisecond
    await hands.put(job("owner"), new_job("removed"))
    with pytest.raises(UniqueConflict):
        await bent(shard, copy(sent, repeat=True), job("refused", INSISTING))
    await shard.cancel(["removed", "owner"], {})
    assert await shard.delete(["removed"], {State.CANCELLED}) == ["gone"]
    await shard.set_rule(FENCE, {"shards": 2})
    with pytest.raises(UniqueConflict):
        await bent(shard, copy(sent, repeat=True), job("refused", INSISTING))
    assert await bent(shard, copy(sent, repeat=True), new_job("removed")) == [False]
    with pytest.raises(Outgrown):
        await bent(shard, copy(sent, repeat=True), new_job("never came"))


# --- over a real line -------------------------------------------------------------------------------------------------


@pytest.fixture
async def direct(server_binary: Path) -> AsyncIterator[tuple[TcpServer, Store]]:
    """A server on a port, and a store at it."""
    with TcpServer(server_binary) as server:
        store = Store.at(server.url)
        yield server, store
        await store.close()


def calls(server: TcpServer) -> int:
    """How many scripts the server has run."""
    with server.client() as client:
        stats: dict[str, Any] = client.info("commandstats")
    return int(stats["cmdstat_fcall"]["calls"])


async def test_copies_that_were_held_up_on_the_line_make_none_of_what_their_repeats_were_refused(
    direct: tuple[TcpServer, Store],
) -> None:
    server, store = direct
    near = store.shards[0]
    async with Proxy(server.port) as proxy:
        far = Store.at(f"redis://127.0.0.1:{proxy.port}/0")
        await far.shards[0].enqueue([job("owner"), new_job("fills", queue="full")])
        await near.set_rule("q/full", {"size": 1})
        proxy.hold()
        wanted = [job(made_id(), INSISTING), job(made_id(), SIMPLE), new_job(queue="full")]
        refused, met, full = await asyncio.gather(
            *(far.shards[0].enqueue([one]) for one in wanted), return_exceptions=True
        )
        assert isinstance(refused, UniqueConflict)
        assert met == [Met("owner", replaced=False)]
        assert isinstance(full, QueueFull)
        assert await near.cancel(["owner", "fills"], {}) == ["cancelled", "cancelled"]
        before = calls(server)
        proxy.let_go()
        await asyncio.to_thread(wait, lambda: calls(server) == before + len(wanted))
        assert await near.get([one.id for one in wanted]) == [None, None, None]
        assert (await store.counts())["full"][State.WAITING] == 0
        await far.close()
