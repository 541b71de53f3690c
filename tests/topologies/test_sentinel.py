"""Sentinels and the two servers that they watch: the master changes, and the same jobd goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from jobd.errors import ClientClosed, StoreRefused, StoreUnavailable
from jobd.store.store import Store
from jobd.store.topology import owner as owners
from tests.acceptance.program import Program
from tests.acceptance.until import until
from tests.servers.sentinels import SentinelFleet
from tests.topologies.household import Household, household, program_on

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[SentinelFleet]:
    with SentinelFleet(server_binary, "appendonly yes") as fleet:
        yield fleet


@pytest.fixture(scope="module")
def program(fleet: SentinelFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with program_on(fleet.url, tmp_path_factory.mktemp("sentinel")) as program:
        yield program


@pytest.fixture
async def home(fleet: SentinelFleet, program: Program) -> AsyncIterator[Household]:
    fleet.mend()
    async with household(fleet.url, program) as home:
        yield home


async def test_the_master_is_killed(home: Household, fleet: SentinelFleet) -> None:
    former = fleet.master
    async with home.busy() as accepted:
        former.stop()
        asked_of_the_former = len(accepted) + 1  # one of which it may have told before it died
        await asyncio.to_thread(fleet.wait_failover, former)
        await home.takes_jobs()
        after = accepted[asked_of_the_former:]
    assert fleet.master is not former
    # what the replica had not been told yet is lost, unless it was to be confirmed by it
    await home.all_ran(after)


async def test_nothing_that_a_replica_has_confirmed_is_lost_with_the_master(
    home: Household, fleet: SentinelFleet
) -> None:
    former = fleet.master
    async with home.busy("replica") as accepted:
        former.stop()
        await asyncio.to_thread(fleet.wait_failover, former)
        await home.takes_jobs()
    await home.all_ran(accepted)


async def test_the_master_is_frozen_and_comes_back_as_it_was(home: Household, fleet: SentinelFleet) -> None:
    former = fleet.master
    async with home.busy():
        former.freeze()
        await asyncio.to_thread(fleet.wait_failover, former)
        await home.takes_jobs()
        former.thaw()  # it takes itself for the master until the Sentinels tell it
        await home.takes_jobs()
    await asyncio.to_thread(fleet.mend)
    await home.takes_jobs()


async def test_the_master_is_changed_for_maintenance(home: Household, fleet: SentinelFleet) -> None:
    former = fleet.master
    async with home.busy() as accepted:
        await asyncio.to_thread(fleet.fail_over)
        await asyncio.to_thread(fleet.wait_replica, former)  # it is told seconds later, and takes jobs until then
        begun = len(accepted) + 1  # one of which it may have told before
        await home.takes_jobs()
        after = accepted[begun:]
    await home.all_ran(after)


async def test_a_master_that_goes_for_maintenance_is_left_before_it_refuses_anything(
    home: Household, fleet: SentinelFleet
) -> None:
    store = Store.at(fleet.url)
    await store.check()
    owner = store.shards[0].link.owner
    former, before = fleet.master, owner.address
    await asyncio.to_thread(fleet.fail_over)
    await until(lambda: owner.address != before)  # nothing was asked of the former one since
    assert owner.address is not None
    assert owner.address.port == fleet.master.port != former.port
    await store.check()
    await store.close()
    await home.takes_jobs()


async def listening(fleet: SentinelFleet) -> Store:
    """A store that hears at once what the Sentinels say."""
    before = fleet.listeners
    store = Store.at(fleet.url)
    await store.check()
    await until(lambda: fleet.listeners > before)
    return store


async def test_nothing_is_asked_of_a_master_since_another_one_is_chosen(
    home: Household, fleet: SentinelFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "CHANGE_S", 60.0)
    store = await listening(fleet)
    owner, former, chosen = store.shards[0].link.owner, fleet.master, fleet.replica
    chosen.freeze()  # it cannot become what it was chosen for
    try:
        await asyncio.to_thread(fleet.ask_for_failover)
        await until(lambda: owner.at_hand is None)
        with pytest.raises(StoreUnavailable):
            await store.check(patience_s=0.2)
        assert owner.address is not None
        assert owner.address.port == former.port
    finally:
        chosen.thaw()
    await store.check()
    assert owner.address.port == chosen.port
    await store.close()
    await home.takes_jobs()


async def test_a_master_is_asked_again_when_the_one_that_was_chosen_does_not_take_over(
    home: Household, fleet: SentinelFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "CHANGE_S", 0.1)
    store = await listening(fleet)
    owner, former, chosen = store.shards[0].link.owner, fleet.master, fleet.replica
    chosen.freeze()
    try:
        await asyncio.to_thread(fleet.ask_for_failover)
        await until(lambda: owner.at_hand is None)
        await store.check()
        assert owner.address is not None
        assert owner.address.port == former.port
    finally:
        chosen.thaw()
    await store.close()
    await asyncio.to_thread(fleet.wait_failover, former)
    await home.takes_jobs()


async def test_one_sentinel_is_enough_to_find_the_master(home: Household, fleet: SentinelFleet) -> None:
    master = fleet.master
    fleet.sentinels[0].stop()
    fleet.sentinels[1].freeze()
    try:
        newcomer = Store.at(fleet.url)
        await newcomer.check()
        assert newcomer.shards[0].link.owner.address is not None
        assert newcomer.shards[0].link.owner.address.port == master.port
        await newcomer.close()
        await home.takes_jobs()
    finally:
        fleet.sentinels[1].thaw()
        fleet.sentinels[0].start()


async def test_a_service_that_nobody_watches_is_said_at_once(fleet: SentinelFleet) -> None:
    store = Store.at(fleet.url.replace("/jobs/", "/jibs/"))
    with pytest.raises(StoreRefused, match="watch no service 'jibs'"):
        await store.check()
    await store.close()


async def test_sentinels_that_are_all_away_cost_no_more_than_the_callers_patience() -> None:
    store = Store.at("redis+sentinel://127.0.0.1:1,127.0.0.1:2/jobs")
    with pytest.raises(StoreUnavailable):
        await store.check(patience_s=0.5)
    await store.close()


async def test_nobody_listens_to_sentinels_for_a_store_that_is_closed() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        store = Store.at(f"redis+sentinel://127.0.0.1:{port}/jobs")
        calls = [
            asyncio.create_task(store.known_types()) for _ in range(2)
        ]  # the second waits for what the first finds
        await asked.wait()
        await store.close()
        go_on.set()
        assert [type(error) for error in await asyncio.gather(*calls, return_exceptions=True)] == [ClientClosed] * 2
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith("listens")] == []
