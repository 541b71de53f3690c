"""The embedded server: started, stopped, reached."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from jobd.errors import EmbeddedServerError
from jobd.store.datadir import LONGEST_SOCKET, DataDir, Holder, running_url
from jobd.store.embedded import EmbeddedServer
from jobd.store.server_binary import find_server_binary
from jobd.store.server_log import LARGEST
from tests.store.embedded.hosts import (
    PATIENCE_S,
    Host,
    client_of,
    hosting,
    nobody_holds,
    put,
    server_pid,
    value,
    written,
)


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


async def test_it_keeps_freed_memory_at_hand_unless_the_environment_says_otherwise(
    data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def said() -> list[bytes]:
        async with hosting(data.path) as host:
            environment = await anyio.Path("/proc", str(await server_pid(host.server.url)), "environ").read_bytes()
        return [line for line in environment.split(b"\0") if line.startswith(b"GLIBC_TUNABLES=")]

    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert await said() == [b"GLIBC_TUNABLES=glibc.malloc.tcache_count=2000"]
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=0")
    assert await said() == [b"GLIBC_TUNABLES=glibc.malloc.check=0"]


@pytest.mark.threat("S27")
async def test_only_this_user_can_reach_the_server_and_its_files(data: DataDir) -> None:
    async with hosting(data.path) as host:
        await put(host.server.url, color="green")
        paths = [data.path, *data.path.rglob("*")]
    assert {path.name for path in paths} >= {"valkey.sock", "lock", "owner.lock", "valkey.log", written(data).name}
    assert [path for path in paths if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077] == []


@pytest.mark.threat("S27")
async def test_the_socket_itself_is_closed_to_others(data: DataDir) -> None:
    async with hosting(data.path):
        assert stat.S_IMODE((data.path / "valkey.sock").stat().st_mode) == 0o700


@pytest.mark.threat("S27")
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


async def test_a_server_that_ends_at_once_is_an_error_with_its_own_words(
    data: DataDir, program: Callable[[str], Path]
) -> None:
    host = Host(data.path, binary=program("echo '*** cannot today ***'; exit 3"))
    with pytest.raises(EmbeddedServerError, match=r"does not start on .*cannot today.*code 3.*valkey\.log"):
        await host.server.start()
    assert host.told == ["failed"]
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
