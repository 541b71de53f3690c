"""Names of the environment: jobd's own and those of other systems, and the `.env` below them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from jobd.errors import SettingsError
from jobd.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(environment: dict[str, str]) -> Settings:
    return load_settings(environment=environment)


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(environment)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("JOBD_WORKER__GRACE", "25s", lambda s: s.worker.grace == 25_000),
        ("JOBD_WORKER__GRACE", "1.5", lambda s: s.worker.grace == 1_500),
        ("JOBD_WORKER__GRACE", " 2m ", lambda s: s.worker.grace == 120_000),
        ("JOBD_WORKER__PROCESSES", "auto", lambda s: s.worker.processes == "auto"),
        ("JOBD_WORKER__PROCESSES", "0", lambda s: s.worker.processes == 0),
        ("JOBD_WORKER__QUEUES", "mail, images,", lambda s: s.worker.queues == ("mail", "images")),
        ("JOBD_WITHOUT", "email,webhook", lambda s: s.without == ("email", "webhook")),
        ("JOBD_LOG__LEVEL", "DEBUG", lambda s: s.log.level == "debug"),
        ("JOBD_DATA_DIR", "~/jobs", lambda s: s.data_dir == Path("~/jobs").expanduser()),
        ("JOBD_TOKEN", "t", lambda s: s.http.token == SecretStr("t")),
        ("JOBD_HTTP__TOKEN", "t", lambda s: s.http.token == SecretStr("t")),
        ("JOBD_PORT", "tcp://10.0.0.1:8420", lambda s: s.port == 8420),  # set by Kubernetes for a service called jobd
        ("JOBD_SERVICE_HOST", "10.0.0.1", lambda s: s == Settings()),
        ("JOBD_PORT_8420_TCP_ADDR", "10.0.0.1", lambda s: s == Settings()),
        ("JOBD_HOST", "", lambda s: s.host == "127.0.0.1"),
        ("OTHER", "x", lambda s: s == Settings()),
    ],
)
def test_names_of_the_environment(name: str, value: str, found: Any) -> None:
    assert found(settings({name: value}))


def test_the_longer_name_of_the_token_wins() -> None:
    assert settings({"JOBD_HTTP__TOKEN": "long", "JOBD_TOKEN": "short"}).http.token == SecretStr("long")
    assert settings({"JOBD_TOKEN": "short", "JOBD_HTTP__TOKEN": "long"}).http.token == SecretStr("long")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("JOBD_WORKER_GRACE", "JOBD_WORKER__GRACE"),
        ("JOBD_REDIS", "JOBD_REDIS_URL"),
        ("JOBD_DATA", "JOBD_DATA_DIR"),
        ("JOBD_PLUGINS_EMAIL_HOST", "JOBD_PLUGINS__…"),
        ("JOBD_WORKER", "JOBD_WORKER__…"),
    ],
)
def test_a_name_that_is_nearly_a_setting_is_refused_with_the_one_that_is_meant(name: str, meant: str) -> None:
    assert refusal({name: "5"}) == f"{name}: there is no such setting; did you mean {meant}?"


# --- .env ------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("6.4")
def test_a_dot_env_file_is_read_and_the_environment_wins_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("JOBD_PORT=1\nJOBD_HOST=in.the.file\nexport WORKER_COUNT=7\nEMPTY\n")
    for name in ("JOBD_HOST", "WORKER_COUNT", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JOBD_PORT", "2")
    found = load_settings()
    assert (found.port, found.host, found.worker.processes) == (2, "in.the.file", 7)


def test_an_empty_name_in_the_environment_hides_the_one_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("JOBD_HOST=in.the.file\n")
    monkeypatch.setenv("JOBD_HOST", "")
    assert load_settings().host == "127.0.0.1"


def test_a_name_in_the_dot_env_file_is_said_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBD_PORT", raising=False)
    (tmp_path / ".env").write_text("JOBD_PORT=x\n")
    with pytest.raises(SettingsError, match=r"^port \(from JOBD_PORT in \.env\): "):
        load_settings()


def test_an_unreadable_dot_env_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"JOBD_PORT=\xff\n")
    with pytest.raises(SettingsError, match=r"^\.env: this file cannot be read: "):
        load_settings()


# --- the names of other systems ------------------------------------------------------------------------------------


@pytest.mark.requirement("6.4")
@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({"REDIS_URL": "rediss://other:1/2"}, "rediss://other:1/2"),
        ({"REDIS_URL": "redis://one", "REDIS_HOST": "two"}, "redis://one"),
        ({"REDIS_HOST": "cache"}, "redis://cache:6379/0"),
        ({"REDIS_HOST": "::1"}, "redis://[::1]:6379/0"),
        ({"REDIS_PORT": "6380"}, "redis://localhost:6380/0"),
        ({"REDIS_DB": "3"}, "redis://localhost:6379/3"),
        ({"REDIS_PASSWORD": "p@ss/wörd"}, "redis://:p%40ss%2Fw%C3%B6rd@localhost:6379/0"),
        (
            {"REDIS_HOST": "cache", "REDIS_PORT": "1", "REDIS_PASSWORD": "p", "REDIS_DB": "2"},
            "redis://:p@cache:1/2",
        ),
        ({"REDIS_PORT": "tcp://10.0.0.1:6379"}, None),  # set by Kubernetes for a service called redis
        ({"REDIS_HOST": ""}, None),
        ({}, None),
    ],
)
def test_a_redis_that_other_systems_name_is_used(environment: dict[str, str], url: str | None) -> None:
    assert settings(environment).redis_url == url


@pytest.mark.requirement("6.4")
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("WORKER_COUNT", lambda s: s.worker.processes),
        ("QUEUE_MAX_CONCURRENCY", lambda s: s.worker.concurrency),
        ("QUEUE_REMOVE_ON_SUCCESS", lambda s: s.retention.completed),
        ("QUEUE_REMOVE_ON_FAILURE", lambda s: s.retention.failed),
        ("QUEUE_DEFAULT_RETRIES", lambda s: s.levels.defaults.max_attempts - 1),
    ],
)
def test_numbers_that_other_systems_name_are_used(name: str, found: Any) -> None:
    assert found(settings({name: "7"})) == 7
    assert refusal({name: "many"}).partition(" (from ")[2].startswith(f"{name}): ")


@pytest.mark.requirement("6.4")
def test_names_of_our_own_win_over_those_of_others() -> None:
    own = {
        "JOBD_REDIS_URL": "redis://own",
        "JOBD_WORKER__PROCESSES": "1",
        "JOBD_WORKER__CONCURRENCY": "2",
        "JOBD_RETENTION__COMPLETED": "3",
        "JOBD_RETENTION__FAILED": "4",
        "JOBD_DEFAULTS__RETRIES": "5",
    }
    others = {
        "REDIS_URL": "redis://other",
        "REDIS_HOST": "other",
        "WORKER_COUNT": "9",
        "QUEUE_MAX_CONCURRENCY": "9",
        "QUEUE_REMOVE_ON_SUCCESS": "9",
        "QUEUE_REMOVE_ON_FAILURE": "9",
        "QUEUE_DEFAULT_RETRIES": "9",
    }
    assert settings({**own, **others}) == settings({**others, **own}) == settings(own)


@pytest.mark.requirement("6.4")
def test_the_example_of_an_environment_names_all_of_them_and_is_understood() -> None:
    lines = re.findall(r"^# ([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    environment = dict(lines)
    assert {
        "REDIS_URL",
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_PASSWORD",
        "REDIS_DB",
        "WORKER_COUNT",
        "QUEUE_REMOVE_ON_SUCCESS",
        "QUEUE_REMOVE_ON_FAILURE",
        "QUEUE_DEFAULT_RETRIES",
        "QUEUE_MAX_CONCURRENCY",
    } <= set(environment)
    del environment["JOBD_CONFIG"]
    found = settings(environment)
    assert found.redis_url == "redis://localhost:6379/0"
    # those of jobd are its defaults
    others = {name: value for name, value in environment.items() if not name.startswith("JOBD_")}
    assert settings(others).retention.completed == 10
    assert settings(others).retention.failed == 50
    assert (found.port, found.worker, found.log) == (8420, Settings().worker, Settings().log)
