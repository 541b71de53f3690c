from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobd.errors import EmbeddedServerError
from jobd.store.datadir import LONGEST_SOCKET, DataDir, Holder


def holder(socket: str = "valkey.sock") -> Holder:
    return Holder(pid=11, server_pid=12, server="Valkey", version="9.1.2", socket=socket)


def record(data: DataDir, socket: str = "valkey.sock") -> None:
    """Write a record as the owner of a server does."""
    data.make()
    assert data.server_lock.try_acquire()
    data.record(holder(socket))
    data.server_lock.release()


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A directory whose path is too long for a socket in it."""
    return tmp_path / ("d" * LONGEST_SOCKET)


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is as short as the system allows."""
    with tempfile.TemporaryDirectory(prefix="jobd") as folder:
        yield Path(folder).resolve()


@pytest.fixture
def runtime(short: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's private runtime directory."""
    folder = short / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def temporary(short: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory, and no runtime directory beside it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    return short


def test_the_directory_is_made_for_this_user_alone(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "a" / "data")
    data.make()
    assert stat.S_IMODE(data.path.stat().st_mode) == 0o700
    data.make()


def test_a_directory_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o750)
    DataDir(tmp_path / "data").make()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o750


def test_a_file_in_its_place_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(EmbeddedServerError, match=r"cannot make .*/data: File exists; choose another"):
        DataDir(tmp_path / "data").make()


def test_the_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    assert data.holder() is None
    record(data)
    assert data.holder() == holder()
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_shorter_record_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    record(data, socket="/a/long/path/to/some.sock")
    record(data)
    assert data.holder() == holder()


@pytest.mark.parametrize("text", ["", "not JSON", "[1]", "{}", '{"pid": 1}', "\x00\x01"])
def test_a_record_that_makes_no_sense_is_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    assert DataDir(tmp_path).holder() is None
    assert DataDir(tmp_path).recorded_socket() is None


def test_a_server_runs_only_while_the_lock_is_held(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "data")
    assert data.running_socket() is None
    record(data)
    assert data.running_socket() is None
    data.server_lock.try_acquire()
    assert DataDir(tmp_path / "data").running_socket() == data.path / "valkey.sock"
    data.server_lock.release()


def test_to_look_who_runs_does_not_take_the_lock(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    record(data)
    assert data.running_socket() is None
    assert data.server_lock.try_acquire()
    data.server_lock.release()


def test_the_socket_is_in_the_directory(tmp_path: Path) -> None:
    assert DataDir(tmp_path).socket() == tmp_path / "valkey.sock"


def test_a_directory_named_in_two_ways_is_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert DataDir(tmp_path / "link").path == DataDir(tmp_path / "data" / ".." / "data").path


def test_a_long_path_puts_the_socket_into_the_runtime_directory(deep: Path, runtime: Path) -> None:
    socket = DataDir(deep).socket()
    assert socket.parent == runtime
    assert DataDir(deep).socket() == socket
    assert DataDir(deep / "other").socket() != socket


@pytest.mark.usefixtures("runtime")
def test_clients_find_the_socket_outside_by_the_record(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataDir(deep)
    record(data, socket=str(data.socket()))
    monkeypatch.delenv("XDG_RUNTIME_DIR")  # as in another session
    assert DataDir(deep).recorded_socket() == data.socket()
    assert DataDir(deep).socket() == data.socket()


def test_a_recorded_place_that_is_gone_is_replaced(
    deep: Path, short: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataDir(deep)
    record(data, socket=str(data.socket()))
    runtime.rmdir()  # as after a reboot
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    assert data.socket().parent == short


@pytest.mark.parametrize("runtime_dir", ["", "relative", "/nonexistent"])
def test_without_a_runtime_directory_it_is_a_private_one_in_the_temporary_directory(
    deep: Path, runtime_dir: str, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime_dir)
    folder = DataDir(deep).socket().parent
    assert folder == temporary / f"jobd-{os.geteuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.threat("S27")
def test_a_temporary_directory_that_others_can_enter_is_refused(deep: Path, temporary: Path) -> None:
    (temporary / f"jobd-{os.geteuid()}").mkdir(mode=0o755)
    with pytest.raises(EmbeddedServerError, match="not a directory that this user alone can enter"):
        DataDir(deep).socket()


@pytest.mark.threat("S27")
def test_a_link_planted_in_the_temporary_directory_is_refused(deep: Path, temporary: Path) -> None:
    (temporary / "theirs").mkdir(mode=0o700)
    (temporary / f"jobd-{os.geteuid()}").symlink_to(temporary / "theirs")
    with pytest.raises(EmbeddedServerError, match="not a directory that this user alone can enter"):
        DataDir(deep).socket()


def test_no_place_with_a_short_path_is_an_error_for_people(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with pytest.raises(EmbeddedServerError, match=r"too long for a socket.*choose a shorter data directory"):
        DataDir(deep).socket()


@pytest.mark.usefixtures("runtime")
def test_the_record_in_a_copy_does_not_lead_to_the_originals_server(tmp_path: Path, deep: Path) -> None:
    original = DataDir(deep)
    record(original, socket=str(original.socket()))
    shutil.copytree(deep, tmp_path / "copy")
    assert DataDir(tmp_path / "copy").recorded_socket() is None

    original = DataDir(tmp_path / "short")
    record(original)
    shutil.copytree(original.path, tmp_path / "other")
    assert DataDir(tmp_path / "other").recorded_socket() == tmp_path / "other" / "valkey.sock"
