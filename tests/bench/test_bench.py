"""The benchmark measures, and refuses to tell figures of runs that went wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.contender import read_contenders
from tests.bench.environments import Environments
from tests.bench.process import BenchError
from tests.bench.stage import Stage
from tests.bench.verify import verify

JOBS = 300


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.bench", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def test_it_measures_jobd_and_the_floors(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = bench("--jobs", str(JOBS), "--repeat", "1", "--peers", "none", "--only", "drain", "--json", str(figures))
    assert done.returncode == 0, done.stderr
    assert "| **jobd** | " in done.stdout
    drain = json.loads(figures.read_text())["figures"]["drain"]
    assert sorted(drain) == ["claim", "jobd", "pop"]
    assert drain["jobd"][0] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "dran"], "there is no part 'dran'"),
        (["--peers", "hewey"], "'hewey' is none of bullmq, "),
    ],
)
def test_a_name_that_does_not_exist_is_refused(words: list[str], message: str) -> None:
    done = bench(*words)
    assert done.returncode != 0
    assert message in done.stderr


def test_a_job_that_ran_twice_is_not_let_pass() -> None:
    contender = read_contenders()["jobd"]
    executables = Environments(Path()).executables(contender)
    with Stage(contender, executables, JOBS) as stage:
        stage.fill(JOBS)
        with stage.worker() as worker:
            stage.wait(worker, JOBS)
            verify(stage, worker, range(JOBS))
            with pytest.raises(BenchError, match="completed jobs are kept, of 299"):
                verify(stage, worker, range(JOBS - 1))
            with pytest.raises(BenchError, match="did not run as it should have"):
                verify(stage, worker, range(JOBS), attempts=2)
            stage.tally.ran(7)
            with pytest.raises(BenchError, match=r"did not run 1 time\(s\): \[\(7, 2\)\]"):
                verify(stage, worker, range(JOBS))


def test_a_worker_that_ends_is_told_with_its_last_words() -> None:
    contender = read_contenders()["jobd"]
    executables = Environments(Path()).executables(contender)
    with (
        Stage(contender, executables, 1) as stage,
        stage.process([sys.executable, "-c", "raise SystemExit('no more')"], {}, "worker") as worker,
        pytest.raises(BenchError, match=r"ended after 0 of 1 jobs; its log ends in:\nno more"),
    ):
        stage.wait(worker, 1)
