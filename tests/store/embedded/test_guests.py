"""Several jobd on one directory: one owns the server, the others join it and take over."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from jobd.errors import EmbeddedServerError
from jobd.store.datadir import DataDir
from tests.store.embedded.hosts import (
    PATIENCE_S,
    Host,
    host_process,
    hosting,
    killed_at_the_end,
    put,
    server_pid,
    until_nobody_holds,
    value,
)


async def test_a_second_jobd_joins_and_leaves_without_a_trace(data: DataDir) -> None:
    async with hosting(data.path) as owner:
        pid = await server_pid(owner.server.url)
        async with hosting(data.path) as guest:
            assert not guest.server.owner
            assert guest.told == ["joined"]
            assert guest.server.url == owner.server.url
        assert await server_pid(owner.server.url) == pid
        assert owner.told == ["started"]


async def test_of_many_that_start_at_once_one_owns_the_server_and_the_others_join(data: DataDir) -> None:
    hosts = [Host(data.path) for _ in range(5)]

    async def start_and_use(host: Host) -> int:
        await host.server.start()
        return await server_pid(host.server.url)

    async with AsyncExitStack() as stack:
        for host in hosts:
            stack.push_async_callback(host.server.stop)
        with anyio.fail_after(PATIENCE_S):
            pids = await asyncio.gather(*map(start_and_use, hosts))
        assert sorted(host.told[0] for host in hosts) == ["joined"] * 4 + ["started"]
        assert len({host.server.url for host in hosts}) == 1
        assert len(set(pids)) == 1


async def test_a_guest_takes_over_when_the_owner_stops(data: DataDir) -> None:
    async with hosting(data.path) as owner, hosting(data.path) as guest:
        url = guest.server.url
        await put(url, color="green")
        await owner.server.stop()
        await guest.seen("taken_over")
        assert guest.server.owner
        assert guest.server.url == url
        assert await value(url, "color") == "green"
        async with hosting(data.path) as other:
            assert not other.server.owner
    await until_nobody_holds(data)


async def test_of_several_guests_one_takes_over_and_the_others_stay_guests(data: DataDir) -> None:
    async with hosting(data.path) as owner, hosting(data.path) as first, hosting(data.path) as second:
        await owner.server.stop()
        async with anyio.create_task_group() as group:

            async def first_to(guest: Host) -> None:
                await guest.seen("taken_over")
                group.cancel_scope.cancel()

            group.start_soon(first_to, first)
            group.start_soon(first_to, second)
        assert sorted([first.server.owner, second.server.owner]) == [False, True]
        assert await server_pid(first.server.url) == await server_pid(second.server.url)


async def test_the_guest_of_a_killed_jobd_takes_over_with_all_that_was_acknowledged(data: DataDir) -> None:
    async with host_process(data.path) as owner:
        started = await owner.seen("started")
        async with killed_at_the_end(started["server_pid"]), hosting(data.path) as guest:
            assert not guest.server.owner
            await put(guest.server.url, color="green")
            await owner.kill()
            taken_over = await guest.seen("taken_over")
            assert taken_over["url"] == started["url"]
            assert taken_over["server_pid"] != started["server_pid"]
            assert await value(guest.server.url, "color") == "green"


async def test_a_guest_that_is_killed_leaves_the_owner_alone(data: DataDir) -> None:
    async with hosting(data.path) as owner, host_process(data.path) as guest:
        await guest.seen("joined")
        await guest.kill()
        assert owner.told == ["started"]
        await put(owner.server.url, color="green")


async def test_a_guest_stops_at_once_although_it_waits_for_the_ownership(data: DataDir) -> None:
    async with hosting(data.path) as owner, host_process(data.path) as guest:
        await guest.seen("joined")
        assert await guest.end() == 0
        assert owner.server.owner


async def test_a_guest_whose_turn_comes_after_its_stop_does_not_take_over(data: DataDir) -> None:
    async with hosting(data.path) as owner:
        async with hosting(data.path) as guest:
            pass
        await owner.server.stop()
        await until_nobody_holds(data)
        assert guest.told == ["joined", "left"]


async def test_a_takeover_that_fails_is_an_error_for_the_guest(data: DataDir, tmp_path: Path) -> None:
    async with hosting(data.path) as owner, hosting(data.path, binary=tmp_path / "absent") as guest:
        await owner.server.stop()
        with anyio.fail_after(PATIENCE_S), pytest.raises(EmbeddedServerError, match="no server to embed"):
            await guest.server.wait_failed()
    assert guest.told == ["joined", "failed"]
