"""A Cluster: masters fail, slots move, and the same jobd goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

import jobd
from jobd.errors import StoreUnavailable
from jobd.settings import Settings
from tests.acceptance.program import Program
from tests.servers.cluster import ClusterFleet
from tests.servers.tcp_server import TcpServer
from tests.servers.wait import wait
from tests.store.growing import shard_for
from tests.store.hands import new_job
from tests.topologies.household import AGAIN_S, Household, household, program_on

pytestmark = pytest.mark.long

SLOT = key_slot(b"{jobd:0}")


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[ClusterFleet]:
    with ClusterFleet(server_binary, "appendonly yes") as fleet:
        yield fleet


@pytest.fixture(scope="module")
def program(fleet: ClusterFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with program_on(fleet.url, tmp_path_factory.mktemp("cluster")) as program:
        yield program


@pytest.fixture
async def home(fleet: ClusterFleet, program: Program) -> AsyncIterator[Household]:
    fleet.mend()
    async with household(fleet.url, program) as home:
        yield home


@pytest.fixture
def owner(fleet: ClusterFleet, home: Household) -> TcpServer:
    """The node with the keys of jobd."""
    return fleet.owner(SLOT)


# --- masters ---------------------------------------------------------------------------------------------------------


async def test_the_owner_of_the_shard_is_killed(home: Household, fleet: ClusterFleet, owner: TcpServer) -> None:
    async with home.busy() as accepted:
        owner.stop()
        begun = len(accepted) + 1  # one of which it may have told before it died
        await asyncio.to_thread(fleet.wait_owner, SLOT, owner)
        await home.takes_jobs()
        after = accepted[begun:]
    await home.all_ran(after)


async def test_the_owner_is_frozen_and_comes_back_as_it_was(
    home: Household, fleet: ClusterFleet, owner: TcpServer
) -> None:
    async with home.busy():
        replica = fleet.replica_of(owner)
        owner.freeze()
        await asyncio.to_thread(_wait_master, fleet, replica)
        await home.takes_jobs()
        owner.thaw()
        await home.takes_jobs()


def _wait_master(fleet: ClusterFleet, node: TcpServer) -> None:
    """Waits until a replica has become a master. A frozen node is not to be asked."""
    wait(lambda: fleet.ask(node, "ROLE")[0] == b"master")


async def test_the_owner_hands_over_for_maintenance_and_nothing_is_lost(
    home: Household, fleet: ClusterFleet, owner: TcpServer
) -> None:
    async with home.busy() as accepted:
        fleet.ask(fleet.replica_of(owner), "CLUSTER", "FAILOVER")
        await asyncio.to_thread(fleet.wait_owner, SLOT, owner)
        await home.takes_jobs()
    await home.all_ran(accepted)


async def test_a_cluster_that_is_down_because_of_other_slots(
    home: Household, fleet: ClusterFleet, owner: TcpServer
) -> None:
    other = fleet.others(owner)[0]
    replica = fleet.replica_of(other)
    async with home.busy() as accepted:
        replica.stop()
        other.stop()
        await asyncio.to_thread(_wait_state, fleet, owner, "fail")
        with pytest.raises(StoreUnavailable, match="cluster is down"):
            await home.client.store.shards[0].link.command("HLEN", "{jobd:0}:jobs", patience_s=2.0)
        other.start()
        replica.start()
        await asyncio.to_thread(_wait_state, fleet, owner, "ok")
        await home.takes_jobs()
    await home.all_ran(accepted)


def _wait_state(fleet: ClusterFleet, node: TcpServer, state: str) -> None:
    wait(lambda: fleet.info(node)["cluster_state"] == state)


# --- slots -----------------------------------------------------------------------------------------------------------


async def test_the_slot_of_the_shard_moves_in_one_go(home: Household, fleet: ClusterFleet, owner: TcpServer) -> None:
    target = fleet.others(owner)[0]
    async with home.busy() as accepted:
        fleet.begin_move(SLOT, owner, target)
        while fleet.move_keys(SLOT, owner, target):
            pass
        fleet.end_move(SLOT, owner, target)
        await home.takes_jobs()
    await home.all_ran(accepted)


async def test_while_the_slot_moves_its_shard_says_so_and_nothing_is_lost(
    home: Household, fleet: ClusterFleet, owner: TcpServer
) -> None:
    target = fleet.others(owner)[0]
    late = await home.client.enqueue_many("noop", [{"text": "x"}] * 100, delay=4.0)
    async with home.busy() as accepted:
        fleet.begin_move(SLOT, owner, target)
        # key by key, with time between them in which all is tried that jobd does
        while fleet.move_keys(SLOT, owner, target, most=2):
            await asyncio.sleep(0.2)
        with pytest.raises(StoreUnavailable, match="is on its way to another node"):
            await home.client.store.shards[0].enqueue([new_job()], patience_s=2.0)
        fleet.end_move(SLOT, owner, target)
        await home.takes_jobs()
    await home.all_ran([*accepted, *(job.id for job in late)])
    assert fleet.ask(owner, "CLUSTER", "COUNTKEYSINSLOT", SLOT) == 0


async def test_a_move_that_is_broken_off_leaves_all_where_it_was(
    home: Household, fleet: ClusterFleet, owner: TcpServer
) -> None:
    target = fleet.others(owner)[0]
    async with home.busy() as accepted:
        fleet.begin_move(SLOT, owner, target)
        await asyncio.sleep(0.5)
        assert fleet.ask(target, "CLUSTER", "COUNTKEYSINSLOT", SLOT) == 0
        for node in (target, owner):
            fleet.ask(node, "CLUSTER", "SETSLOT", SLOT, "STABLE")
        await home.takes_jobs()
    await home.all_ran(accepted)


# --- several shards --------------------------------------------------------------------------------------------------

QUEUES = [f"queue-{number}" for number in range(12)]
MANY = {"prefix": "many", "shards": 4}


@pytest.fixture
async def many(fleet: ClusterFleet, tmp_path: Path) -> AsyncIterator[jobd.Client]:
    """A client of a store of four shards, on all three masters, with a worker for each."""
    fleet.mend()
    environment = {f"JOBD_{name.upper()}": str(value) for name, value in MANY.items()}
    settings = Settings.model_validate({"redis_url": fleet.url, **MANY})
    with program_on(fleet.url, tmp_path, **environment):
        async with jobd.Client(settings=settings) as client:
            yield client


async def test_queues_of_several_shards_are_served_and_a_master_that_fails_harms_its_own_alone(
    fleet: ClusterFleet, many: jobd.Client
) -> None:
    slots = [key_slot(b"{many:%d}" % number) for number in range(4)]
    assert len({fleet.owner(slot) for slot in slots}) == 3
    await _run_in(many, QUEUES)
    unlucky = fleet.owner(slots[3])
    hit = [number for number, slot in enumerate(slots) if fleet.owner(slot) is unlucky]
    others = [queue for queue in QUEUES if shard_for(many.store, queue) not in hit]
    assert 0 < len(others) < len(QUEUES)
    unlucky.stop()
    await _run_in(many, others)
    await asyncio.to_thread(fleet.wait_owner, slots[3], unlucky)
    await _run_in(many, QUEUES)
    async with asyncio.timeout(AGAIN_S):  # whoever lost his lease meanwhile is there again, and his old self is buried
        while {member.alive for member in await many.store.members()} != {True}:
            await asyncio.sleep(0.05)


async def test_a_store_gets_more_shards_and_they_are_served_as_are_spread_queues(
    fleet: ClusterFleet, tmp_path: Path
) -> None:
    fleet.mend()
    settings = Settings.model_validate({"redis_url": fleet.url, "prefix": "more"})
    with program_on(fleet.url, tmp_path, JOBD_PREFIX="more", JOBD_QUEUES__WIDE__SPREAD="true"):
        async with jobd.Client(settings=settings) as client:
            await _run_in(client, [*QUEUES, "wide"])
            facts = await client.grow(6)
            assert len({shard.node for shard in facts}) == 3
            await _run_in(client, [*QUEUES, *[f"fresh-{number}" for number in range(30)], *["wide"] * 30])
            jobs = [shard.jobs for shard in await client.shards()]
            assert min(jobs) > 0, jobs


async def _run_in(client: jobd.Client, queues: list[str]) -> None:
    """Within the time allowed, jobs of these queues are taken and run, delayed ones too."""
    async with asyncio.timeout(AGAIN_S):
        jobs = [await client.enqueue("noop", {"text": "x"}, queue=queue) for queue in queues]
        jobs += [await client.enqueue("noop", {"text": "x"}, queue=queue, delay=0.05) for queue in queues]
        await asyncio.gather(*(job.result() for job in jobs))
