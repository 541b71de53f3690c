"""Uniqueness as callers of a client meet it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel, Field, SecretStr

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.state import State
from jobd.domain.unique import Unique
from jobd.errors import InvalidRequest, OptionError, PluginError, StateConflict, UniqueConflict
from jobd.intake import told_facts
from jobd.store.store import Store
from jobd.sync import SyncClient


class Letter(BaseModel):
    to: str
    cc: set[str] = set()
    copies: int = Field(default=1, alias="howMany")
    secret: SecretStr | None = None


@jobd.job("letter", queue="letters", unique=True)
async def letter(letter: Letter) -> None: ...


@jobd.job("to-one", unique=["to"])
async def to_one(to: str, text: str = "") -> None: ...


@jobd.job("plain")
async def plain(n: int = 0) -> None: ...


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=Catalog([letter, to_one, plain])) as client:
        yield client


async def test_equal_payloads_are_the_same_however_they_are_written(client: Client) -> None:
    first = await client.enqueue(letter, Letter(to="ada", cc={"b", "c", "d"}))
    for same in (
        Letter(to="ada", cc={"d", "c", "b"}),
        {"to": "ada", "cc": ["c", "d", "b"]},
        {"cc": ["b", "d", "c"], "howMany": 1, "to": "ada"},
        {"cc": ["b", "d", "c"], "copies": 1, "to": "ada"},
    ):
        again = await client.enqueue("letter", same)
        assert (again.id, again.created, again.outcome) == (first.id, False, "existing")
    for other in ({"to": "bob"}, {"to": "ada", "cc": ["b", "c", "d"], "howMany": 2}, {"to": "ada", "secret": "x"}):
        assert (await client.enqueue("letter", other)).created
    assert (await client.enqueue("letter", {"to": "ada", "secret": "y"})).created


async def test_chosen_fields_are_compared_and_others_are_not(client: Client) -> None:
    first = await client.enqueue(to_one, {"to": "ada", "text": "one"})
    assert (await client.enqueue(to_one, {"to": "ada", "text": "two"})).id == first.id
    assert (await client.enqueue(to_one, {"to": "bob", "text": "one"})).created


async def test_a_job_says_otherwise_than_its_type(client: Client) -> None:
    await client.enqueue(to_one, {"to": "ada"})
    assert (await client.enqueue(to_one, {"to": "ada"}, unique=False)).created
    first = await client.enqueue(plain, {"n": 1}, unique="one at a time")
    assert (await client.enqueue(plain, {"n": 2}, unique="one at a time")).id == first.id
    assert (await client.enqueue(plain, {"n": 2}, unique="one at a time", queue="other")).created
    everywhere = Unique("one", scope="type")
    first = await client.enqueue(plain, unique=everywhere)
    assert (await client.enqueue(plain, unique=everywhere, queue="other")).id == first.id


async def test_a_job_tells_what_makes_it_unique(client: Client) -> None:
    job = await (await client.enqueue(to_one, {"to": "ada"})).get()
    assert job.options.unique == Unique(fields=["to"])
    key = await client.unique_key(job.unique_key or "")
    assert key is not None
    assert (key.owner, key.until, key.follower) == (job.id, None, None)
    assert (await (await client.enqueue(plain)).get()).unique_key is None


async def test_a_conflict_is_answered_as_was_asked(client: Client) -> None:
    first = await client.enqueue(plain, unique="k")
    with pytest.raises(UniqueConflict, match=f"job {first.id} has the unique key") as refused:
        await client.enqueue(plain, unique=Unique("k", on_conflict="error"))
    assert (refused.value.job_id, refused.value.status) == (first.id, 409)
    ignored = await client.enqueue(plain, unique=Unique("k", on_conflict="ignore"))
    assert (ignored.outcome, ignored.created, ignored.id == first.id) == ("ignored", False, False)
    with pytest.raises(StateConflict, match="was not made"):
        await ignored.result()
    replaced = await client.enqueue(plain, {"n": 5}, unique=Unique("k", mode="replace"))
    assert (replaced.outcome, replaced.id) == ("replaced", first.id)
    assert (await replaced.get()).data == {"n": 5}


async def test_one_conflict_that_is_an_error_refuses_all_of_a_batch(client: Client) -> None:
    await client.enqueue(plain, unique="k")
    with pytest.raises(UniqueConflict):
        await client.enqueue_many(plain, [{"n": n} for n in range(3)], unique=Unique("k", on_conflict="error"))
    assert len((await client.list()).jobs) == 1


async def test_single_enqueues_that_share_a_trip_are_refused_each_for_itself(client: Client) -> None:
    await client.enqueue(plain, unique="k")
    insisting = Unique("k", on_conflict="error")
    answers = await asyncio.gather(
        *(client.enqueue(plain, {"n": n}, unique=insisting if n % 2 else None) for n in range(20)),
        return_exceptions=True,
    )
    assert [isinstance(answer, UniqueConflict) for answer in answers] == [n % 2 == 1 for n in range(20)]
    assert len((await client.list()).jobs) == 11


async def test_debounced_jobs_are_delayed_by_their_period(client: Client) -> None:
    settle = Unique("k", mode="debounce", period="1h")
    job = await (await client.enqueue(plain, {"n": 1}, unique=settle)).get()
    assert job.status is State.DELAYED
    assert 3_590 < (job.run_at - job.created_at).total_seconds() <= 3_600
    with pytest.raises(OptionError, match="a debounced job is delayed by its period"):
        await client.enqueue(plain, unique=settle, delay="1m")


async def test_a_key_is_found_by_what_would_be_enqueued_and_freed(client: Client) -> None:
    job = await client.enqueue(to_one, {"to": "ada", "text": "x"})
    key = await client.unique_owner(to_one, {"to": "ada"})
    assert key is not None
    assert key.owner == job.id
    assert await client.unique_owner(to_one, {"to": "bob"}) is None
    with pytest.raises(UniqueConflict) as refused:
        await client.free_unique_key(key.name, owner="somebody-else")
    assert refused.value.job_id == job.id
    assert await client.free_unique_key(key.name, owner=job.id) == key
    assert await client.free_unique_key(key.name) is None
    assert (await client.enqueue(to_one, {"to": "ada"})).created
    with pytest.raises(OptionError, match="is not unique"):
        await client.unique_owner(plain)


async def test_one_that_follows_is_listed_and_tells_whom_it_waits_for(client: Client) -> None:
    shard = client.store.shards[0]
    await shard.join("w", lease_ms=60_000, lines=["*"], about=b"{}")
    last = Unique(mode="keep_last")
    first = await client.enqueue(plain, unique=last)
    await shard.turn("w", [], sequence=1, want=1, types=",plain,")
    follower = await client.enqueue(plain, unique=last)
    (reason,) = await client.why(follower.id)
    assert (reason.cause, reason.job) == ("blocked", first.id)
    assert first.id in reason.message
    assert [job.id for job in (await client.list(status="blocked")).jobs] == [follower.id]
    await client.remove(follower.id)
    assert (await client.list(status="blocked")).jobs == ()
    assert (await client.unique_keys()).keys[0].follower is None


async def test_all_keys_are_in_the_pages(client: Client) -> None:
    await client.enqueue_many(plain, [{"n": n} for n in range(700)], unique=True)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await client.unique_keys(limit=100, cursor=cursor)
        seen += [key.name for key in page.keys]
        cursor = page.cursor
        if cursor is None:
            break
    assert len(set(seen)) == 700
    for wrong in ({"limit": 0}, {"cursor": "x"}, {"cursor": "7-0"}):
        with pytest.raises(InvalidRequest):
            await client.unique_keys(**wrong)


async def test_a_type_whose_plugin_is_elsewhere_is_unique_by_the_same_fields(client: Client, redis_url: str) -> None:
    await client.store.tell_types({"to-one": told_facts(to_one)})
    async with Client(store=Store.at(redis_url), catalog=Catalog()) as stranger:
        first = await stranger.enqueue("to-one", {"to": "ada", "text": "1"})
    assert (await client.enqueue(to_one, {"to": "ada", "text": "2"})).id == first.id


async def test_a_copy_of_a_unique_job_is_not_unique(client: Client) -> None:
    job = await client.enqueue(to_one, {"to": "ada"})
    copy = await client.duplicate(job.id)
    assert (copy.unique_key, copy.options.unique) == (None, None)
    with pytest.raises(OptionError, match="keeps the unique key that it was enqueued with"):
        await client.change(job.id, unique="other")


def test_the_sync_client_has_the_same_names(redis_url: str) -> None:
    with SyncClient(redis_url, catalog=Catalog([plain])) as client:
        first = client.enqueue(plain, unique="k")
        again = client.enqueue(plain, unique="k")
        assert (again.id, again.created, again.outcome) == (first.id, False, "existing")
        key = client.unique_owner(plain, unique="k")
        assert key is not None
        assert client.unique_key(key.name) == key
        assert client.unique_keys().keys == (key,)
        assert client.free_unique_key(key.name) == key


# --- fields that do not exist ----------------------------------------------------------------------------------------


@dataclass
class Record:
    name: str


class Loose(TypedDict):
    name: str


@pytest.mark.parametrize("model", [Letter, Record, Loose])
def test_a_field_that_does_not_exist_is_refused_at_decoration(model: Any) -> None:
    async def handler(ctx: jobd.Context, payload: Any) -> None: ...

    handler.__annotations__["payload"] = model
    handler.__annotations__["ctx"] = jobd.Context
    with pytest.raises(OptionError, match="unique: the payload of wrong has no field 'colour'; there are "):
        jobd.job("wrong", unique=["colour"])(handler)


def test_a_parameter_that_does_not_exist_is_refused_at_decoration() -> None:
    with pytest.raises(OptionError, match="unique: the payload of wrong has no field 'b'; there are a"):

        @jobd.job("wrong", unique=Unique(fields=["b"]))
        async def wrong(a: int) -> None: ...


def test_fields_of_types_that_are_defined_further_down_are_checked_when_they_are_known() -> None:
    @jobd.job("later", unique=["nothing"])
    async def later(payload: Later) -> None: ...  # type: ignore[name-defined]  # noqa: F821  it is the point

    with pytest.raises(PluginError):
        _ = later.shape
    later.handler.__annotations__["payload"] = Record
    with pytest.raises(OptionError, match="has no field 'nothing'; there are name"):
        _ = later.shape


async def test_a_field_that_does_not_exist_is_refused_at_enqueue(client: Client) -> None:
    with pytest.raises(OptionError, match="unique: the payload of plain has no field 'm'; there are n"):
        await client.enqueue(plain, unique=["m"])
