"""Shards over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from jobd.client import Client
from tests.http.api import Api

GROW = "/api/v1/shards/grow"


@pytest.mark.requirement("3.3")
async def test_the_store_grows_and_its_shards_are_listed(api: Api, client: Client) -> None:
    await api.enqueue()
    (alone,) = (await api.get("/api/v1/shards")).body["data"]
    assert (alone["number"], alone["jobs"], alone["workers"]) == (0, 1, 0)
    assert alone["node"]

    grown = await api.post(GROW, {"shards": 3})
    assert (grown.status, [shard["number"] for shard in grown.body["data"]]) == (200, [0, 1, 2])
    assert (await api.get("/api/v1/shards")).body == grown.body
    assert (await api.post(GROW, {"shards": 3})).body == grown.body
    assert (await api.post("/api/v1/jobs", {"type": "anything", "queue": "new"})).status == 201
    assert sum(shard.jobs for shard in await client.shards()) == 2


async def test_a_dry_run_says_what_would_be(api: Api, client: Client) -> None:
    reply = await api.post(GROW, {"shards": 2, "dry_run": True})

    assert (reply.status, reply.body) == (200, {"dry_run": True, "shards": 1, "after": 2})
    assert len(await client.shards()) == 1


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        ({"shards": 2}, "/shards", "never has fewer than the 3"),
        ({"shards": 257}, "/shards", "not between 4 and 256"),
        ({"shards": 0}, "/shards", "whole number"),
        ({"shards": True}, "/shards", "whole number"),
        ({"shards": "4"}, "/shards", "whole number"),
        ({}, "/shards", "required"),
        ({"shards": 4, "yes": True}, "/yes", "no such field"),
    ],
)
async def test_what_cannot_be_is_refused_at_its_place(
    api: Api, client: Client, body: dict[str, Any], pointer: str, said: str, dry_run: bool
) -> None:
    await client.grow(3)
    reply = await api.post(GROW, {**body, "dry_run": dry_run})

    assert (reply.status, reply.pointers) == (422, [pointer])
    assert said in reply.body["errors"][0]["message"]
    assert len(await client.shards()) == 3


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_type_that_is_unique_in_all_queues_is_a_conflict(api: Api, client: Client, dry_run: bool) -> None:
    await client.store.tell_types({"report": {"unique": {"scope": "type"}}})
    reply = await api.post(GROW, {"shards": 2, "dry_run": dry_run})

    assert (reply.status, "unique in all queues" in reply.body["detail"]) == (409, True)
    assert len(await client.shards()) == 1


async def test_queues_that_are_spread_are_named(api: Api, client: Client) -> None:
    await client.grow(2)
    await client.store.spread("events")

    assert (await api.get("/api/v1/shards")).body["spread"] == ["events"]
