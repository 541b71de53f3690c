"""Health."""

from __future__ import annotations

import pytest

from jobd.client import Client
from jobd.http.server import HttpServer
from jobd.settings import Settings
from jobd.store.store import Store
from tests.http.api import Api
from tests.http.hand import Hand

PASS, FAIL = {"status": "pass"}, {"status": "fail"}


async def test_a_server_that_answers_is_alive(api: Api) -> None:
    assert ((await api.get("/livez")).status, (await api.get("/livez")).body) == (200, PASS)


async def test_ready_means_that_jobs_can_be_taken_and_run(api: Api, hand: Hand) -> None:
    reply = await api.get("/readyz")

    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert reply.body == {"status": "pass", "checks": {"server": PASS, "store": PASS, "workers": PASS}}


async def test_without_a_worker_it_is_not_ready(api: Api) -> None:
    reply = await api.get("/readyz")

    assert reply.status == 503
    assert reply.body == {"status": "fail", "checks": {"server": PASS, "store": PASS, "workers": FAIL}}


async def test_a_worker_whose_lease_has_run_out_does_not_count(api: Api, hand: Hand) -> None:
    link, keys = hand.shard.link, hand.shard.keys
    await link.command("ZADD", keys.fixed("leases"), 1, hand.name)

    assert (await api.get("/readyz")).body["checks"]["workers"] == FAIL


async def test_a_member_of_another_kind_is_no_worker(api: Api, client: Client) -> None:
    await client.store.shards[0].join("monitor-1", lease_ms=60_000, lines=[], about=b'{"kind":"monitor"}')

    assert (await api.get("/readyz")).status == 503


async def test_without_a_store_it_is_alive_and_not_ready() -> None:
    async with Client(store=Store.at("redis://127.0.0.1:1")) as client:
        server = HttpServer(client, Settings(port=0))
        await server.start()
        async with Api(f"http://127.0.0.1:{server.port}") as api:
            reply = await api.get("/readyz")
            assert (await api.get("/livez")).status == 200
        await server.stop()

    assert reply.status == 503
    assert reply.body["checks"] == {"server": PASS, "store": FAIL, "workers": FAIL}


@pytest.mark.usefixtures("hand")
async def test_a_server_that_shuts_down_says_so_on_the_connections_it_has(server: HttpServer, api: Api) -> None:
    assert (await api.get("/readyz")).status == 200
    await server.quiet()
    reply = await api.get("/readyz")

    assert (reply.status, reply.body["checks"]["server"]) == (503, FAIL)
    assert reply.headers["Connection"] == "close"
