"""What people and programs are told when something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from jobd import errors
from jobd.cli.exits import Exit, exit_of
from jobd.cli.faults import wants_json
from tests.cli.conftest import Cli, Enqueue
from tests.real_server import RealServer


def test_a_store_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    result = Cli({"JOBD_REDIS_URL": f"unix://{tmp_path}/nobody"})("queues")
    assert (result.exit_code, result.stdout) == (Exit.UNREACHABLE, "")
    assert "did not answer PING within 3 s" in result.stderr
    assert "Try:   check that the server runs" in result.stderr


@pytest.mark.parametrize(
    "words", [["queues"], ["jobs", "list"], ["jobs", "show", "x"], ["enqueue", "x", "--queue", "q"]]
)
def test_where_nothing_was_sent_nothing_is_said_of_effects(tmp_path: Path, words: list[str]) -> None:
    result = Cli({"JOBD_REDIS_URL": f"unix://{tmp_path}/nobody"})(*words)
    assert result.exit_code == Exit.UNREACHABLE
    assert "effect" not in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["queues", "--redis-url", "redis://localhost:1"], "did not answer PING within 3 s (connection refused)\n"),
        (["jobs", "list", "--date", "2026-13-01"], "'2026-13-01' is not a day such as 2026-01-31\n"),
        (["jobs", "list", "--limit", "0"], "'0' is not a whole number from 1 to 200\n"),
        (["run", "--port", "x"], "'x' is not a whole number from 0 to 65535\n"),
        (["jobs", "list", "--queue", "N ö"], "Invalid value for '--queue': 'N ö' cannot name a queue; a name has "),
        (["enqueue", "x", "--queue", "N ö"], "Invalid value for '--queue': 'N ö' cannot name a queue; a name has "),
        (["enqueue", "x", "--delay", "soon"], "'soon' is not a duration; use 2s, 5m, 1h30m or 1d\n"),
        (["enqueue", "x", "--data", "@nix"], "nix cannot be read: No such file or directory\n"),
        (["enqueue", "x", "a:=b"], "at character 1; a text is given as a=b\n"),
        (["enqueue", "x"], "`jobd plugins list` shows what is installed here"),
        (["jobs", "list", "--status", "flying"], "failed, cancelled, and words such as pending or finished\n"),
    ],
)
def test_faults_are_told_in_our_own_words(cli: Cli, words: list[str], said: str) -> None:
    assert said in cli(*words).stderr


def test_where_no_jobd_runs_and_no_redis_is_named_it_says_what_to_do(tmp_path: Path) -> None:
    result = Cli({"JOBD_DATA_DIR": str(tmp_path)})("queues")
    assert result.exit_code == Exit.UNREACHABLE
    assert result.stderr == (
        f"Error: no Redis is named, and no jobd runs on {tmp_path}\n"
        "       start `jobd run`, or name the data directory of one that runs "
        "(--data-dir, JOBD_DATA_DIR), or a Redis (--redis-url, JOBD_REDIS_URL)\n"
    )


def test_a_wrong_password_is_not_allowed(server_binary: Path) -> None:
    with RealServer(server_binary, "requirepass secret") as server:
        result = Cli({"JOBD_REDIS_URL": server.url})("queues")
    assert result.exit_code == Exit.NOT_ALLOWED
    assert "does not let us in" in result.stderr
    assert "secret" not in result.stderr


@pytest.mark.parametrize("words", [["jobs", "show"], ["nonsense"], ["run", "--port", "x"]])
def test_a_usage_error_is_a_problem_object_for_programs(cli: Cli, words: list[str]) -> None:
    result = cli(*words, "-o", "json")
    assert (result.exit_code, result.stdout) == (Exit.USAGE, "")
    problem = orjson.loads(result.stderr)
    assert (problem["code"], problem["exit_code"], problem["retryable"]) == ("usage", 2, False)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["jobs", "list", "-o", "json"], True),
        (["jobs", "list", "--output=json"], True),
        (["jobs", "list", "-ojson"], True),
        (["jobs", "list", "-o", "table", "json"], False),
        (["jobs", "list", "-o"], False),
    ],
)
def test_json_is_recognised_however_it_is_asked_for(words: list[str], wanted: bool) -> None:
    assert wants_json(words) is wanted


def test_every_error_ends_in_a_code_that_means_it() -> None:
    expected = {
        errors.JobNotFound: Exit.NOT_FOUND,
        errors.StateConflict: Exit.CONFLICT,
        errors.ResultTimeout: Exit.TIMED_OUT,
        errors.JobFailed: Exit.JOB_FAILED,
        errors.JobCancelled: Exit.JOB_FAILED,
        errors.StoreUnavailable: Exit.UNREACHABLE,
        errors.StoreFull: Exit.UNREACHABLE,
        errors.StoreRefused: Exit.UNREACHABLE,
        errors.EmbeddedServerError: Exit.UNREACHABLE,
        errors.StoreDenied: Exit.NOT_ALLOWED,
        errors.PayloadError: Exit.USAGE,
        errors.OptionError: Exit.USAGE,
        errors.UnknownJobType: Exit.USAGE,
        errors.SettingsError: Exit.USAGE,
        errors.PluginError: Exit.ERROR,
        errors.RoleError: Exit.ERROR,
    }
    assert {kind: exit_of(kind("x")) for kind in expected} == expected


def test_a_reader_that_has_seen_enough_is_no_error(cli: Cli, enqueue: Enqueue) -> None:
    for number in range(200):
        enqueue(f"job-{number}", tags=["x" * 200])
    reader = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert reader.stdin is not None
    with subprocess.Popen(
        [sys.executable, "-m", "jobd", "jobs", "list", "--limit", "200", "-o", "json"],
        stdout=reader.stdin,
        stderr=subprocess.PIPE,
        env={**os.environ, **cli.environment},
    ) as writer:
        reader.stdin.close()
        _, complaint = writer.communicate(timeout=120)
    reader.wait()
    assert (writer.returncode, complaint) == (0, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["run", "--help"], ["--help"], ["--version"], ["help", "exit-codes"]])
def test_output_that_finds_no_room_is_told_in_a_line(cli: Cli, words: list[str], unbuffered: str) -> None:
    done = _run(cli, words, "exec >/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (
        Exit.OUTPUT,
        "Error: the output cannot be written: No space left on device\n",
    )


def test_output_that_is_closed_is_told_in_a_line_unless_there_is_none(cli: Cli, enqueue: Enqueue) -> None:
    enqueue("one")
    done = _run(cli, ["jobs", "list"], "exec >&-")
    assert (done.returncode, done.stderr) == (Exit.OUTPUT, "Error: the output cannot be written: Bad file descriptor\n")
    done = _run(cli, ["jobs", "show", "nobody"], "exec >&-")
    assert (done.returncode, done.stderr.splitlines()[0][:22]) == (Exit.NOT_FOUND, "Error: there is no job")


@pytest.mark.parametrize("shut", ["exec 2>&-", "exec 2>/dev/full", "exec >&- 2>&-", "exec <&-"])
def test_where_nothing_can_be_said_the_exit_code_says_it(cli: Cli, shut: str) -> None:
    assert _run(cli, ["jobs", "show", "nobody"], shut).returncode == Exit.NOT_FOUND
    assert _run(cli, ["jobs", "cancel", "-"], f"exec <&-; {shut}").returncode == Exit.OK


def _run(cli: Cli, words: list[str], shut: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command whose standard streams a shell has prepared."""
    return subprocess.run(
        ["/bin/sh", "-c", f'{shut}; exec "$@"', "sh", sys.executable, "-m", "jobd", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **cli.environment, **environment},
    )
