"""The whole way by the command line alone, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import orjson
import pytest

from tests.cli.conftest import PROJECT, Cli
from tests.cli.packages import Packages


@pytest.fixture
def cli(redis_url: str, packages: Packages) -> Cli:
    return Cli({"JOBD_REDIS_URL": redis_url, "PYTHONPATH": f"{PROJECT}:{packages.folder}"})


@pytest.fixture
def running(cli: Cli) -> Iterator[subprocess.Popen[str]]:
    """`jobd run`, once it is up."""
    with subprocess.Popen(
        [sys.executable, "-m", "jobd", "run", "--processes", "0", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **cli.environment},
    ) as process:
        assert process.stdout is not None
        assert any(" is up" in line for line in process.stdout)
        yield process
        process.kill()


@pytest.mark.requirement("2.1")
def test_a_job_goes_in_runs_and_is_looked_at(cli: Cli, running: subprocess.Popen[str]) -> None:
    done = cli.process("enqueue", "paint", "wall=north", "--id", "wall-1", "--wait", "--wait-timeout", "30s")
    assert (done.returncode, done.stdout, done.stderr) == (0, '"north"\n', "paint wall-1\n")
    shown = orjson.loads(cli.process("jobs", "show", "wall-1", "-o", "json").stdout)
    assert (shown["status"], shown["queue"], shown["attempts"][0]["outcome"]) == ("completed", "walls", "returned")
    (worker,) = orjson.loads(cli.process("workers", "-o", "json").stdout)["data"]
    assert worker["about"]["pid"] == running.pid
    wrong = cli.process("enqueue", "paint", "colour=blue")
    assert wrong.returncode == 2
    assert wrong.stderr == (
        "Error: the payload does not fit paint\n"
        "       /wall: this field is required\n"
        "       /colour: there is no such field\n"
        "Try:   correct these fields; `key:=json` gives numbers, lists and objects\n"
    )
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=120) == 0
