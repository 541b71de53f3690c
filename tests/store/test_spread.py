"""Queues that are spread over all shards: what is together, what is anywhere, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest

import jobd
from jobd.catalog import Catalog
from jobd.domain.state import State
from jobd.errors import OptionError, SettingsError, StateConflict
from jobd.roles.declared_limits import DeclaredLimits
from jobd.settings import load_settings
from jobd.store.homes import Home, written_home
from jobd.store.once import Once
from jobd.store.store import Store
from tests.store.growing import shard_for
from tests.store.hands import new_job

KEYS = [f"key-{number}" for number in range(20)]


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[jobd.Client]:
    """A client of a store of four shards, with the spread queue "wide"."""
    async with opened(redis_url, 4) as client:
        await client.store.spread("wide")
        yield client


@asynccontextmanager
async def opened(url: str, shards: int = 1) -> AsyncIterator[jobd.Client]:
    """A client as another process has it."""
    async with AsyncExitStack() as stack:
        store = Store.at(url, shards=shards)
        stack.push_async_callback(store.close)
        yield jobd.Client(store=store, catalog=Catalog())


async def shard_of_job(client: jobd.Client, job_id: str) -> int:
    """The number of the shard that has it, which is the one that is asked first."""
    first = client.store.shards_of(job_id)[0]
    for shard in client.store.shards:
        if (await shard.get([job_id]))[0] is not None:
            assert shard is first or not job_id.startswith("0")
            return shard.number
    raise AssertionError(job_id)


async def put(client: jobd.Client, queue: str = "wide", **options: Any) -> int:
    """Enqueues a job; the number of its shard."""
    return await shard_of_job(client, (await client.enqueue("noop", {}, queue=queue, **options)).id)


# --- where jobs are --------------------------------------------------------------------------------------------------


async def test_jobs_without_a_key_are_in_all_shards_and_counted_and_listed_as_one_queue(client: jobd.Client) -> None:
    assert {await put(client) for _ in range(60)} == {0, 1, 2, 3}
    assert (await client.queues())["wide"][State.WAITING] == 60
    assert len((await client.list(queue="wide", limit=100)).jobs) == 60
    assert await client.drain("wide") == 60


@pytest.mark.parametrize("option", ["ordering_key", "group", "id"])
async def test_those_with_a_key_are_where_that_says(client: jobd.Client, option: str) -> None:
    found = {}
    for key in KEYS:
        found[key] = await put(client, **{option: key})
        if option != "id":
            assert {await put(client, **{option: key}) for _ in range(5)} == {found[key]}
    assert set(found.values()) == {0, 1, 2, 3}


async def test_unique_keys_are_compared_over_all_shards(client: jobd.Client) -> None:
    for key in KEYS:
        first = await client.enqueue("noop", {}, queue="wide", unique=jobd.Unique(key=key))
        again = await client.enqueue("noop", {}, queue="wide", unique=jobd.Unique(key=key))
        assert (first.outcome, again.outcome, again.id) == ("created", "existing", first.id)
        owner = await client.unique_owner("noop", queue="wide", unique=jobd.Unique(key=key))
        assert owner is not None
        assert owner.owner == first.id
    jobs = (await client.list(queue="wide", limit=100)).jobs
    assert {await shard_of_job(client, job.id) for job in jobs} == {0, 1, 2, 3}


async def test_an_id_of_ones_own_makes_one_job_whatever_the_shard(client: jobd.Client) -> None:
    for key in KEYS:
        outcomes = [(await client.enqueue("noop", {}, queue="wide", id=key)).outcome for _ in range(3)]
        assert outcomes == ["created", "existing", "existing"]


async def test_an_ordering_key_decides_before_a_group_and_a_group_before_a_unique_key(client: jobd.Client) -> None:
    by_order = {key: await put(client, ordering_key=key) for key in KEYS}
    by_group = {key: await put(client, group=key) for key in KEYS}
    for key, other in zip(KEYS, reversed(KEYS), strict=True):
        assert await put(client, ordering_key=key, group=other, unique=jobd.Unique(key=other)) == by_order[key]
        assert await put(client, group=key, unique=jobd.Unique(key=f"of {other}")) == by_group[key]


async def test_a_call_without_keys_is_whole_in_one_shard_and_a_large_one_is_in_several(client: jobd.Client) -> None:
    handles = await client.enqueue_many("noop", [{}] * 1_000, queue="wide")
    assert len({client.store.shards_of(handle.id)[0].number for handle in handles}) == 1
    many = await client.enqueue_many("noop", [{}] * 9_000, queue="wide")
    assert len({client.store.shards_of(handle.id)[0].number for handle in many}) > 1


async def test_a_request_that_comes_again_under_its_name_goes_to_the_same_shard(client: jobd.Client) -> None:
    from jobd.domain.options import make_options
    from jobd.intake import Request

    request = Request("noop", {}, make_options(queue="wide"))
    for name in KEYS:
        once = Once(name, "digest")
        told = [await client.enqueue_once(await client.intake.plan([request] * 3, once=name), once) for _ in range(2)]
        assert [handle.id for handle in told[0][0]] == [handle.id for handle in told[1][0]]
        assert [before for _, before in told] == [False, True]
    assert (await client.queues())["wide"][State.WAITING] == 3 * len(KEYS)


async def test_what_a_handler_enqueues_stays_in_its_shard_unless_a_key_says_another(client: jobd.Client) -> None:
    store = client.store
    for here in store.shards:
        await here.join(f"w{here.number}", lease_ms=20_000, lines=["*"], about=b"{}")
        job = new_job(queue="wide")
        await here.enqueue([job])
        _, (delivery,) = await here.turn(f"w{here.number}", [], sequence=1, want=1, types=",noop,")
        context = jobd.Context(delivery, here, client, cast(Any, None), asyncio.get_running_loop())
        child = await context.enqueue("noop", {}, queue="wide")
        assert store.shards_of(child.id)[0] is here
        homes = {key: (await store.home_of("wide")).shard("wide", f"o/{key}") for key in KEYS}
        for key, number in homes.items():
            if number == here.number:
                await context.enqueue("noop", {}, queue="wide", ordering_key=key)
            else:
                with pytest.raises(OptionError, match="another shard"):
                    await context.enqueue("noop", {}, queue="wide", ordering_key=key)


async def test_copies_and_moves_are_where_their_keys_say(client: jobd.Client) -> None:
    job = await client.enqueue("noop", {}, queue="wide", ordering_key="key-1")
    home = await shard_of_job(client, job.id)
    assert await shard_of_job(client, (await client.duplicate(job.id)).id) == home
    narrow = next(f"narrow-{at}" for at in range(99) if shard_for(client.store, f"narrow-{at}") == home)
    moved = await client.move(job.id, narrow)
    assert await shard_of_job(client, moved.id) == home
    assert await shard_of_job(client, (await client.move(moved.id, "wide")).id) == home


async def test_a_copy_goes_where_its_key_says_and_a_move_that_would_have_to_is_refused(client: jobd.Client) -> None:
    homes = {key: await put(client, ordering_key=key) for key in KEYS}
    for key, home in homes.items():
        job = await client.enqueue("noop", {}, queue="narrow", ordering_key=key)
        assert await shard_of_job(client, (await client.duplicate(job.id, queue="wide")).id) == home
        if home == shard_for(client.store, "narrow"):
            assert await shard_of_job(client, (await client.move(job.id, "wide")).id) == home
        else:
            with pytest.raises(StateConflict, match="queue wide is on another shard"):
                await client.move(job.id, "wide")


# --- all shards at once ----------------------------------------------------------------------------------------------


async def test_a_pause_holds_in_all_shards(client: jobd.Client) -> None:
    await client.pause("wide", reason="broken")
    for shard in client.store.shards:
        assert (await shard.rules())["q/wide"]["paused"]["reason"] == "broken"
    assert [pause.queue for pause in await client.pauses()] == ["wide"]
    assert await client.resume("wide")
    assert await client.pauses() == []


async def test_limits_of_groups_hold_and_those_of_the_queue_are_refused(client: jobd.Client) -> None:
    await client.set_limits(queue="wide", group_concurrency=2)
    await client.set_limits(queue="wide", group="key-1", concurrency=3)
    for shard in client.store.shards:
        rules = await shard.rules()
        assert rules["q/wide"] == {"group_concurrency": 2}
        assert rules["g/wide/key-1"] == {"concurrency": 3}
    refused: dict[str, Any] = {"concurrency": 3, "rate": "10/1m", "size": 100}
    for name, value in refused.items():
        with pytest.raises(OptionError, match=rf"{name}: queue wide is spread over 4 shards, none of which sees all"):
            await client.set_limits(queue="wide", **{name: value})
        await client.set_limits(queue="wide", **{name: None})


# --- saying so -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["concurrency = 5", 'rate = "10/1m"', "size = 10"])
def test_settings_that_spread_and_limit_a_queue_are_refused(tmp_path: Any, limit: str) -> None:
    path = tmp_path / "jobd.toml"
    path.write_text(f"[queues]\nwide = {{ spread = true, {limit} }}\n")
    with pytest.raises(SettingsError, match=r"needs all jobs of the queue in one shard.*limit its groups"):
        load_settings(config=path, environment={})


async def test_a_queue_that_the_configuration_spreads_is_spread_for_all(redis_url: str) -> None:
    settings = load_settings(environment={"JOBD_QUEUES__BROAD__SPREAD": "true"})
    async with opened(redis_url, 4) as one, opened(redis_url, 4) as another:
        actor = DeclaredLimits(one.store, settings.rules, settings.spread_queues)
        await actor.start()
        assert {await put(another, "broad") for _ in range(60)} == {0, 1, 2, 3}
        await actor.stop()
        await actor.start()
        await actor.stop()


async def test_a_queue_that_was_used_before_keeps_its_keys_where_they_were(redis_url: str) -> None:
    async with opened(redis_url, 4) as before, opened(redis_url, 4) as operator:
        homes = {await put(before, "wide", ordering_key=key) for key in KEYS}
        assert len(homes) == 1
        await operator.store.spread("wide")
        assert await written_home(operator.store.shards[0], "wide") == Home(4, spread=True)
        async with opened(redis_url, 4) as later:
            for client in (before, operator, later):
                assert {await put(client, "wide", ordering_key=key) for key in KEYS} == homes
            assert {await put(later, "wide") for _ in range(60)} == {0, 1, 2, 3}


async def test_a_queue_that_an_older_jobd_has_used_keeps_its_keys_too(redis_url: str) -> None:
    async with opened(redis_url, 4) as client:
        await put(client, "wide")
        first = client.store.shards[0]
        await first.link.command("DEL", first.keys.fixed("homes"))  # it wrote nothing of the kind
        await client.store.spread("wide")
        assert await written_home(first, "wide") == Home(4, spread=True)


async def test_a_queue_is_not_spread_while_something_holds_it_as_a_whole(redis_url: str) -> None:
    async with opened(redis_url, 4) as client:
        for say, take_back, name in (
            (client.set_limits(queue="wide", concurrency=3), {"concurrency": None}, "concurrency"),
            (client.pause("wide"), None, "paused"),
        ):
            await say
            with pytest.raises(OptionError, match=rf"spread: for queue wide there is {name} set"):
                await client.store.spread("wide")
            await (client.set_limits(queue="wide", **take_back) if take_back else client.resume("wide"))
        await client.set_limits(queue="wide", group_concurrency=3)
        await client.store.spread("wide")
        assert [(await shard.rules())["q/wide"] for shard in client.store.shards] == [{"group_concurrency": 3}] * 4


# --- growth ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("few", [1, 2])
async def test_when_the_store_grows_jobs_without_keys_come_to_all_and_keys_stay(redis_url: str, few: int) -> None:
    async with opened(redis_url, few) as client, opened(redis_url, few) as stale:
        await client.store.spread("wide")
        await client.set_limits(queue="wide", group_concurrency=2)
        options: list[dict[str, Any]] = [{name: key} for key in KEYS for name in ("ordering_key", "group", "id")]
        options += [{"unique": jobd.Unique(key=key)} for key in KEYS]
        before = [await put(stale, **option) for option in options]
        await client.grow(5)
        for some in (client, stale):
            assert [await put(some, **option) for option in options] == before
            assert {await put(some) for _ in range(80)} == {0, 1, 2, 3, 4}
        assert [(await shard.rules())["q/wide"] for shard in client.store.shards] == [{"group_concurrency": 2}] * 5
        unique = [client.unique_owner("noop", queue="wide", unique=jobd.Unique(key=key)) for key in KEYS]
        assert None not in await asyncio.gather(*unique)


async def test_one_who_knew_of_one_shard_puts_keys_where_the_others_do(redis_url: str) -> None:
    async with opened(redis_url) as stale, opened(redis_url) as client:
        await stale.queues()
        await client.grow(4)
        await client.store.spread("wide")
        there = [await put(client, ordering_key=key) for key in KEYS]
        handles = [await stale.enqueue("noop", {}, queue="wide", ordering_key=key) for key in KEYS]
        for handle, number in zip(handles, there, strict=True):
            assert (await client.store.shards[number].get([handle.id]))[0] is not None


async def test_a_queue_whose_jobs_become_unique_takes_none_into_a_shard_where_that_does_not_hold(
    client: jobd.Client, redis_url: str
) -> None:
    async with opened(redis_url, 4) as producer:
        await producer.enqueue("noop", {}, queue="wide")
        await client.set_queue_options("wide", unique="one-key")
        with pytest.raises(StateConflict, match="try again"):
            await producer.enqueue("noop", {}, queue="wide")
        asked = [await producer.enqueue("noop", {}, queue="wide") for _ in range(5)]
        assert [handle.outcome for handle in asked] == ["created", *["existing"] * 4]
        assert (await client.enqueue("noop", {}, queue="wide")).outcome == "existing"
