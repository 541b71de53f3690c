"""The life of a server."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientConnectionError

from jobd.client import Client
from jobd.errors import RoleError
from jobd.http.server import HttpServer
from jobd.settings import Settings
from tests.http.api import Api
from tests.http.hand import Hand


async def test_a_server_on_port_0_tells_which_one_it_got(server: HttpServer) -> None:
    assert server.port > 0


async def test_starting_and_stopping_twice_is_harmless_and_it_can_start_again(client: Client) -> None:
    server = HttpServer(client, Settings(port=0))
    await server.stop()
    for _ in range(2):
        await server.start()
        await server.start()
        async with Api(f"http://127.0.0.1:{server.port}") as api:
            assert (await api.get("/livez")).status == 200
        await server.stop()
        await server.stop()


async def test_a_port_that_is_taken_is_told_and_nothing_is_left(client: Client, server: HttpServer) -> None:
    second = HttpServer(client, Settings(port=server.port))

    with pytest.raises(RoleError, match=f"on 127.0.0.1:{server.port}: address already in use; .*JOBD_PORT"):
        await second.start()
    await server.stop()
    await second.start()
    await second.stop()


async def test_a_quiet_server_still_takes_jobs_and_lets_those_wait_who_want_to(
    server: HttpServer, api: Api, hand: Hand
) -> None:
    await api.enqueue(id="one")
    asked = asyncio.create_task(api.get("/api/v1/jobs/one", Prefer="wait=60"))
    await hand.somebody_waits_for("one")
    await server.quiet()

    async with Api(api.url) as late:
        reply = await late.post("/jobs", {"type": "anything"})
        assert (reply.status, reply.headers["Connection"]) == (201, "close")
        assert (await late.get("/readyz")).status == 503
        assert (await late.get("/livez")).status == 200
    await hand.complete(await hand.take())
    assert (await asked).body["status"] == "completed"


async def test_a_server_that_stops_takes_no_connections_and_answers_whoever_waits(
    server: HttpServer, api: Api, hand: Hand
) -> None:
    await api.enqueue(id="one")
    asked = asyncio.create_task(api.get("/api/v1/jobs/one", Prefer="wait=60"))
    await hand.somebody_waits_for("one")
    await server.stop()

    reply = await asked
    assert (reply.status, reply.body["status"]) == (200, "waiting")
    assert reply.headers["Connection"] == "close"
    async with Api(api.url) as late:
        with pytest.raises(ClientConnectionError):
            await late.get("/livez")


async def test_a_stop_lets_the_request_that_runs_come_to_its_end(server: HttpServer, api: Api, client: Client) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    enqueue = client.enqueue_dated

    async def slow(*arguments: object) -> object:
        entered.set()
        await go_on.wait()
        return await enqueue(*arguments)  # type: ignore[arg-type]  # they are handed on

    client.enqueue_dated = slow  # type: ignore[method-assign, assignment]  # a request that runs while it stops
    asked = asyncio.create_task(api.post("/jobs", {"type": "anything"}))
    await entered.wait()
    stopped = asyncio.create_task(server.stop())
    async with Api(api.url) as late:
        with pytest.raises(ClientConnectionError):
            await late.get("/livez")
    go_on.set()

    assert (await asked).status == 201
    await stopped
