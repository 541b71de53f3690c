"""The embedded server, shown on real servers that are stopped, killed, damaged and taken over."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from jobd.errors import EmbeddedServerError
from jobd.store.datadir import LONGEST_SOCKET, DataDir, Holder, running_url
from jobd.store.embedded import EmbeddedServer
from jobd.store.restarts import Restarts
from jobd.store.server_binary import find_server_binary
from jobd.store.server_log import LARGEST
from jobd.store.server_process import ServerProcess
from tests.store.hosts import PATIENCE_S, Host, client_of, host_process, hosting, killed_at_the_end, server_pid


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path / "data")


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a program that passes for a server until it is to serve."""

    def make(what_it_does: str) -> Path:
        path = tmp_path / "server"
        version = f"[ \"$1\" = --version ] && echo 'Valkey server v={find_server_binary().version_text}' && exit"
        path.write_text(f"#!/bin/sh\n{version}\n{what_it_does}\n")
        path.chmod(0o755)
        return path

    return make


def written(data: DataDir) -> Path:
    """The file to which the server appends."""
    return data.appended / "appendonly.aof.1.incr.aof"


def nobody_holds(data: DataDir) -> bool:
    """Are both locks free, so that neither a jobd nor a server is left?"""
    held = [lock.try_acquire() for lock in (data.owner_lock, data.server_lock)]
    data.owner_lock.release()
    data.server_lock.release()
    return all(held)


async def until_nobody_holds(data: DataDir) -> None:
    """Wait until neither a jobd nor a server is left."""
    with anyio.fail_after(PATIENCE_S):
        for lock in (data.owner_lock, data.server_lock):
            await lock.acquire()
            lock.release()


async def put(url: str, **values: str) -> None:
    async with client_of(url) as client:
        await client.mset(values)


async def value(url: str, key: str) -> str | None:
    async with client_of(url) as client:
        found = await client.get(key)
        assert found is None or isinstance(found, str)
        return found


# --- start and stop --------------------------------------------------------------------------------------------------


async def test_it_answers_when_start_returns_and_is_gone_when_stop_returns(data: DataDir) -> None:
    async with hosting(data.path) as host:
        assert host.server.owner
        assert host.server.url == f"unix://{data.path}/valkey.sock"
        async with client_of(host.server.url) as client:
            assert await client.ping()
    assert not host.server.owner
    assert host.told == ["started", "stopped"]
    assert "now ready to exit" in data.log.read_text()
    assert nobody_holds(data)
    with pytest.raises(RedisConnectionError):
        await value(host.server.url, "anything")


async def test_what_was_written_is_there_after_the_next_start(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, color="green")
    async with hosting(data.path) as host:
        assert await value(host.server.url, "color") == "green"


async def test_one_server_can_be_started_and_stopped_many_times(data: DataDir) -> None:
    server = EmbeddedServer(data.path)
    await server.stop()
    for _ in range(2):
        await server.start()
        await server.start()
        assert server.owner
        await server.stop()
        await server.stop()
        assert nobody_holds(data)


async def test_only_this_user_can_reach_the_server_and_its_files(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, color="green")
        paths = [data.path, *data.path.rglob("*")]
    assert {path.name for path in paths} >= {"valkey.sock", "lock", "owner.lock", "valkey.log", written(data).name}
    assert [path for path in paths if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077] == []


async def test_the_socket_itself_is_closed_to_others(data: DataDir) -> None:
    async with hosting(data.path):
        assert stat.S_IMODE((data.path / "valkey.sock").stat().st_mode) == 0o700


async def test_it_is_set_up_to_keep_everything_and_to_listen_on_no_port(data: DataDir) -> None:
    async with hosting(data.path) as host, client_of(host.server.url) as client:
        wanted = {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "always",
            "aof-use-rdb-preamble": "no",
            "aof-load-truncated": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "maxmemory": "0",
            "enable-debug-command": "no",
        }
        assert await client.config_get(*wanted) == wanted


async def test_durability_and_memory_are_as_asked(data: DataDir) -> None:
    async with (
        hosting(data.path, appendfsync="everysec", maxmemory=64 << 20) as host,
        client_of(host.server.url) as client,
    ):
        wanted = {"appendfsync": "everysec", "maxmemory": str(64 << 20)}
        assert await client.config_get(*wanted) == wanted


@pytest.mark.parametrize("name", ["with space", 'quote"d', "per%cent#?", "ünïcode", "back\\slash"])
async def test_any_name_of_a_directory_will_do(tmp_path: Path, name: str) -> None:
    async with hosting(tmp_path / name) as host:
        await put(host.server.url, color="green")
        assert running_url(tmp_path / name) == host.server.url


async def test_a_path_too_long_for_a_socket_works_and_is_found_by_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * LONGEST_SOCKET)
    with tempfile.TemporaryDirectory(prefix="jobd") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        async with hosting(deep) as host:
            monkeypatch.delenv("XDG_RUNTIME_DIR")  # the client runs in another session
            assert running_url(deep) == host.server.url
            await put(host.server.url, color="green")


async def test_the_lock_file_says_who_runs_what(data: DataDir) -> None:
    async with hosting(data.path) as host:
        holder = data.holder()
        assert holder is not None
        assert holder.pid == os.getpid()
        assert holder.server_pid == await server_pid(host.server.url)
        assert holder.version == find_server_binary().version_text


async def test_the_url_is_known_to_others_only_while_a_server_runs(data: DataDir) -> None:
    assert running_url(data.path) is None
    async with hosting(data.path) as host:
        assert running_url(data.path) == host.server.url
        shutil.copytree(data.path, data.path.with_name("copy"), ignore=shutil.ignore_patterns("*.sock"))
        assert running_url(data.path.with_name("copy")) is None
    assert running_url(data.path) is None


async def test_it_keeps_out_of_the_terminals_process_group(data: DataDir) -> None:
    async with hosting(data.path) as host:
        pid = await server_pid(host.server.url)
        assert os.getpgid(pid) == pid != os.getpgid(0)


async def test_start_returns_only_when_the_data_is_loaded(data: DataDir, program: Callable[[str], Path]) -> None:
    async with hosting(data.path) as host, client_of(host.server.url) as client:
        many = client.pipeline(transaction=False)
        for number in range(3_000):
            many.set(f"key {number}", number)
        await many.execute()
    slow = program(f"exec '{find_server_binary().path}' - --key-load-delay 100")
    async with hosting(data.path, binary=slow):
        assert "DB loaded from append only file" in data.log.read_text()


async def test_a_large_log_is_put_aside_at_the_next_start(data: DataDir) -> None:
    data.make()
    with data.log.open("wb") as log:
        log.truncate(LARGEST + 1)
    async with hosting(data.path):
        assert data.log.stat().st_size < 100_000
        assert data.log.with_name("valkey.log.1").stat().st_size == LARGEST + 1


async def test_a_server_that_does_not_end_by_itself_is_killed(data: DataDir) -> None:
    async with hosting(data.path, stop_patience=0.1) as host:
        pid = await server_pid(host.server.url)
        os.kill(pid, signal.SIGSTOP)
        with anyio.fail_after(PATIENCE_S):
            await host.server.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert nobody_holds(data)


# --- a start that fails ----------------------------------------------------------------------------------------------


async def test_a_server_that_ends_at_once_is_an_error_with_its_own_words(
    data: DataDir, program: Callable[[str], Path]
) -> None:
    host = Host(data.path, binary=program("echo '*** cannot today ***'; exit 3"))
    with pytest.raises(EmbeddedServerError, match=r"does not start on .*cannot today.*code 3.*valkey\.log"):
        await host.server.start()
    assert host.told == ["failed", "stopped"]
    assert nobody_holds(data)


async def test_no_server_at_all_is_an_error_and_leaves_nothing_behind(data: DataDir, tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="no server to embed"):
        await EmbeddedServer(data.path, binary=tmp_path / "absent").start()
    assert nobody_holds(data)


async def test_a_start_that_is_cancelled_leaves_nothing_behind(
    data: DataDir, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    running = tmp_path / "running"
    os.mkfifo(running)
    server = EmbeddedServer(data.path, binary=program(f"echo > '{running}'; exec sleep 600"))
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as group:
            group.start_soon(server.start)
            await anyio.to_thread.run_sync(running.read_text, abandon_on_cancel=True)
            group.cancel_scope.cancel()
    assert nobody_holds(data)


async def test_data_of_a_newer_server_is_not_touched(data: DataDir) -> None:
    data.make()
    data.server_lock.try_acquire()
    data.record(Holder(pid=1, server_pid=2, server="Valkey", version="99.0.0", socket="valkey.sock"))
    data.server_lock.release()
    with pytest.raises(EmbeddedServerError, match=r"last written by Valkey 99\.0\.0.*Install 99\.0\.0 or newer"):
        await EmbeddedServer(data.path).start()
    assert not data.appended.exists()
    assert data.holder() == Holder(pid=1, server_pid=2, server="Valkey", version="99.0.0", socket="valkey.sock")


# --- damaged files ---------------------------------------------------------------------------------------------------


async def test_a_cut_off_tail_costs_the_last_write_only(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, first="1")
        await put(host.server.url, last="2")
    os.truncate(written(data), written(data).stat().st_size - 3)
    async with hosting(data.path) as host:
        assert await value(host.server.url, "first") == "1"
        assert await value(host.server.url, "last") is None


async def test_damaged_data_is_an_error_that_names_the_file_and_a_cure_that_works(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, first="1")
    with written(data).open("ab") as file:
        file.write(b"this is no command\r\n")
    with pytest.raises(EmbeddedServerError) as caught:
        await EmbeddedServer(data.path).start()
    message = str(caught.value)
    assert f"the data file {written(data)} is damaged. The server says: Bad file format" in message
    assert nobody_holds(data)

    cure = message.partition("in bash or zsh: ")[2]
    await anyio.run_process(["bash", "-c", cure], input=b"y\n", stdout=subprocess.DEVNULL)
    async with hosting(data.path) as host:
        assert await value(host.server.url, "first") == "1"


async def test_damage_found_after_a_crash_ends_the_restarts(data: DataDir) -> None:
    async with hosting(data.path, restarts=Restarts(first=0)) as host:
        with written(data).open("ab") as file:
            file.write(b"this is no command\r\n")
        os.kill(await server_pid(host.server.url), signal.SIGKILL)
        with anyio.fail_after(PATIENCE_S), pytest.raises(EmbeddedServerError, match="is damaged"):
            await host.server.wait_failed()
    assert host.told == ["started", "crashed", "failed", "stopped"]
    assert nobody_holds(data)


async def test_a_manifest_that_makes_no_sense_is_damage_too(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, first="1")
    (data.appended / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(EmbeddedServerError) as caught:
        await EmbeddedServer(data.path).start()
    assert "appendonly.aof.manifest is damaged. The server says: Invalid AOF manifest file format" in str(caught.value)
    assert "bring it back from a backup" in str(caught.value)


# --- crashes ---------------------------------------------------------------------------------------------------------


async def test_a_killed_server_comes_back_at_the_same_url_with_all_that_was_acknowledged(data: DataDir) -> None:
    async with hosting(data.path, restarts=Restarts(first=0)) as host:
        acknowledged = 0
        async with client_of(host.server.url) as client:
            pid = await server_pid(host.server.url)
            with suppress(RedisConnectionError):
                while True:
                    acknowledged = await client.incr("count")
                    if acknowledged == 100:
                        os.kill(pid, signal.SIGKILL)
        crashed = await host.seen("crashed")
        assert crashed == {"how": "was killed by SIGKILL", "restart_in": 0}
        restarted = await host.seen("restarted")
        assert restarted["url"] == host.server.url
        assert restarted["server_pid"] == await server_pid(host.server.url) != pid
        assert int(await value(host.server.url, "count") or 0) >= acknowledged >= 100
        assert host.server.owner


async def test_a_server_that_was_told_to_end_by_somebody_else_comes_back(data: DataDir) -> None:
    async with hosting(data.path, restarts=Restarts(first=0)) as host:
        await put(host.server.url, color="green")
        async with client_of(host.server.url) as client:
            await client.shutdown()
        assert str((await host.seen("crashed"))["how"]).startswith("ended with code 0")
        await host.seen("restarted")
        assert await value(host.server.url, "color") == "green"


async def test_too_many_crashes_are_an_error_for_the_owner(data: DataDir) -> None:
    async with hosting(data.path, restarts=Restarts(first=0, most=2)) as host:
        failure = asyncio.create_task(host.server.wait_failed())
        for _ in range(2):
            os.kill(await server_pid(host.server.url), signal.SIGKILL)
            await host.seen("restarted")
        os.kill(await server_pid(host.server.url), signal.SIGKILL)
        with anyio.fail_after(PATIENCE_S), pytest.raises(EmbeddedServerError) as caught:
            await failure
        message = str(caught.value)
        assert "crashed more than 2 times within 60 seconds; the last time it was killed by SIGKILL" in message
        assert str(data.log) in message
        assert nobody_holds(data)


async def test_a_restart_that_fails_is_tried_again(data: DataDir, tmp_path: Path) -> None:
    binary = tmp_path / "server"
    binary.symlink_to(find_server_binary().path)
    async with hosting(data.path, binary=binary, restarts=Restarts(first=0.02, most=50)) as host:
        binary.rename(tmp_path / "away")  # as while it is upgraded
        os.kill(await server_pid(host.server.url), signal.SIGKILL)
        await host.seen("crashed")
        assert "cannot be run" in str((await host.seen("crashed"))["how"])
        (tmp_path / "away").rename(binary)
        await host.seen("restarted")


async def test_a_stop_ends_the_wait_for_failures(data: DataDir) -> None:
    async with hosting(data.path) as host:
        waiting = asyncio.create_task(host.server.wait_failed())
        await asyncio.sleep(0)
        await host.server.stop()
        with anyio.fail_after(PATIENCE_S):
            await waiting


async def test_a_stop_while_a_restart_is_due_leaves_nothing_behind(data: DataDir) -> None:
    async with hosting(data.path, restarts=Restarts(first=600, longest=600)) as host:
        os.kill(await server_pid(host.server.url), signal.SIGKILL)
        await host.seen("crashed")
        with anyio.fail_after(PATIENCE_S):
            await host.server.stop()
    assert nobody_holds(data)


# --- several jobd on one directory -----------------------------------------------------------------------------------


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
        assert guest.told == ["joined", "stopped"]


async def test_a_takeover_that_fails_is_an_error_for_the_guest(data: DataDir, tmp_path: Path) -> None:
    async with hosting(data.path) as owner, hosting(data.path, binary=tmp_path / "absent") as guest:
        await owner.server.stop()
        with anyio.fail_after(PATIENCE_S), pytest.raises(EmbeddedServerError, match="no server to embed"):
            await guest.server.wait_failed()
    assert guest.told == ["joined", "failed", "stopped"]


# --- what a killed jobd leaves ---------------------------------------------------------------------------------------


async def test_the_server_of_a_killed_jobd_ends_in_good_order_and_its_data_is_there(data: DataDir) -> None:
    async with host_process(data.path) as host:
        started = await host.seen("started")
        async with killed_at_the_end(started["server_pid"]):
            await put(started["url"], color="green")
            await host.kill()
            await until_nobody_holds(data)
    assert "User requested shutdown" in data.log.read_text()
    async with hosting(data.path) as next_host:
        assert await value(next_host.server.url, "color") == "green"


async def test_jobd_and_server_killed_together_lose_nothing_acknowledged(data: DataDir) -> None:
    async with host_process(data.path) as host:
        started = await host.seen("started")
        await put(started["url"], color="green")
        os.kill(started["server_pid"], signal.SIGKILL)
        await host.kill()
        await until_nobody_holds(data)
    async with hosting(data.path) as next_host:
        assert await value(next_host.server.url, "color") == "green"


@asynccontextmanager
async def orphan(data: DataDir) -> AsyncIterator[ServerProcess]:
    """A server that runs on although no jobd looks after it, as where a child cannot be tied to its parent."""
    data.make()
    assert data.server_lock.try_acquire()
    process = await ServerProcess.spawn(find_server_binary(), data, appendfsync="always", maxmemory=None)
    await process.wait_answering()
    data.server_lock.release()  # the server has its share of it
    try:
        yield process
    finally:
        await process.stop(0)


async def test_a_server_left_behind_is_shut_down_and_its_data_taken_over(data: DataDir) -> None:
    async with orphan(data) as left_behind:
        url = running_url(data.path)
        assert url is not None
        await put(url, color="green")
        async with hosting(data.path) as host:
            assert host.server.owner
            assert (await left_behind.wait_ended()).startswith("ended with code 0")
            assert await value(host.server.url, "color") == "green"


async def test_a_server_left_behind_that_does_not_end_is_an_error_that_names_it(data: DataDir) -> None:
    async with orphan(data):
        holder = data.holder()
        assert holder is not None
        os.kill(holder.server_pid, signal.SIGSTOP)
        with pytest.raises(EmbeddedServerError, match=rf"server process {holder.server_pid}\) holds .*does not end"):
            await EmbeddedServer(data.path, stop_patience=0.1).start()


async def test_a_server_whose_lock_files_were_removed_is_noticed(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, color="green")
        (data.path / "lock").unlink()
        (data.path / "owner.lock").unlink()
        with pytest.raises(EmbeddedServerError, match=r"a server answers on .*does not hold the lock"):
            await EmbeddedServer(data.path).start()
        assert await value(host.server.url, "color") == "green"
