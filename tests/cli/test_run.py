"""`jobd run`: how its options become settings and roles. What it runs is tested elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from jobd import app
from jobd.cli.exits import Exit
from jobd.settings import Settings
from tests.cli.conftest import Cli

Asked = list[tuple[Settings, Sequence[str]]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What `app.run` was asked for; nothing is run."""
    asked: Asked = []

    def run(settings: Settings, roles: Sequence[str] = ()) -> int:
        asked.append((settings, roles))
        return 0

    monkeypatch.setattr(app, "run", run)
    return asked


def test_without_options_everything_runs_as_the_settings_say(asked: Asked) -> None:
    assert Cli({})("run").exit_code == 0
    ((settings, roles),) = asked
    assert (list(roles), settings) == ([], Settings())


def test_options_win_over_the_environment(asked: Asked, tmp_path: Path) -> None:
    cli = Cli({"JOBD_PORT": "1", "JOBD_HOST": "::1", "JOBD_WORKER__CONCURRENCY": "3", "JOBD_WORKER__GRACE": "7s"})
    result = cli(
        "run", "--queue", "walls=6", "--queue", "doors", "--queue-order", "weighted",
        "--concurrency", "20", "--processes", "auto", "--port", "9000",
        "--data-dir", str(tmp_path), "--redis-url", "redis://elsewhere:6379/1", "--log-level", "debug",
        "--log-format", "json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    ((settings, _),) = asked
    assert (settings.port, settings.host, settings.redis_url) == (9000, "::1", "redis://elsewhere:6379/1")
    assert (settings.worker.queues, settings.worker.concurrency) == (("walls=6", "doors"), 20)
    assert settings.worker.queue_order == "weighted"
    assert (settings.worker.processes, settings.worker.grace) == ("auto", 7_000)
    assert (settings.data_dir, settings.log.level, settings.log.format) == (tmp_path, "debug", "json")


@pytest.mark.requirement("6.7")
@pytest.mark.parametrize(
    ("words", "roles"),
    [
        (["run", "--role", "worker"], ["worker"]),
        (["--role", "worker"], ["worker"]),
        (["--role=api", "--port", "0"], ["api"]),
        (["--port", "0", "--role", "monitor", "--role", "scheduler"], ["scheduler", "monitor"]),
        (["run", "--role", "worker", "--role", "worker"], ["worker"]),
    ],
)
def test_roles_are_named_with_or_without_run(asked: Asked, words: list[str], roles: list[str]) -> None:
    assert Cli({})(*words).exit_code == 0
    assert list(asked[0][1]) == roles


def test_a_configuration_file_is_named_by_an_option(asked: Asked) -> None:
    Path("other.toml").write_text("port = 9001\n[worker]\nprocesses = 0\n")
    assert Cli({})("run", "--config", "other.toml").exit_code == 0
    assert (asked[0][0].port, asked[0][0].worker.processes) == (9001, 0)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["run", "--role", "boss"], "'boss' is not one of"),
        (["run", "--processes", "many"], "'many' is neither a whole number nor auto"),
        (["run", "--processes", "-1"], "'-1' is neither a whole number nor auto"),
        (["run", "--concurrency", "0"], "'0' is not a whole number from 1 to 10000"),
        (["run", "--queue", "Walls"], "'Walls' cannot name a queue; a name has "),
        (["run", "--queue", "walls=x"], "queue 'walls=x': a weight is a whole number from 1 to 1,000"),
        (["run", "--queue-order", "random"], "'random' is not one of"),
        (["run", "--queue-order", "strict"], "name them in worker.queues"),
        (["run", "--config", "nowhere.toml"], "nowhere.toml: the configuration file cannot be read"),
        (["run", "extra"], "unexpected extra argument"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(asked: Asked, words: list[str], complaint: str) -> None:
    result = Cli({})(*words)
    assert result.exit_code == Exit.USAGE
    assert complaint in result.stderr
    assert asked == []


def test_a_wrong_setting_says_where_it_came_from(asked: Asked) -> None:
    result = Cli({"JOBD_PORT": "many"})("run")
    assert result.exit_code == Exit.USAGE
    assert "port (from " in result.stderr
    assert asked == []
