"""The command line as tests use it: in this process for most, in one of its own where that is the point."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from jobd.cli.main import jobd
from jobd.sync import SyncClient
from tests.cli.packages import Packages
from tests.hand_worker import HandWorker

PROJECT = Path(__file__).parents[2]


class Cli:
    """Runs commands against one store."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        """How the command ended and what it wrote, in this process."""
        return CliRunner(env=self.environment).invoke(jobd, arguments, input=stdin, catch_exceptions=False)

    def json(self, *arguments: str) -> object:
        """What a command that succeeds writes with `-o json`."""
        result = self(*arguments, "-o", "json")
        assert result.exit_code == 0, result.stderr
        value: object = orjson.loads(result.stdout)
        return value

    def process(
        self, *arguments: str, stdin: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The same as a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "jobd", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, **self.environment, **environment},
        )


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings from outside, and an empty working directory."""
    for name in list(os.environ):
        if name.startswith(("JOBD_", "REDIS_", "QUEUE_", "WORKER_")) or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(redis_url: str) -> Cli:
    return Cli({"JOBD_REDIS_URL": redis_url})


@pytest.fixture
def worker(redis_url: str) -> Iterator[HandWorker]:
    with HandWorker(redis_url) as worker:
        yield worker


@pytest.fixture
def client(redis_url: str) -> Iterator[SyncClient]:
    with SyncClient(redis_url) as client:
        yield client


Enqueue = Callable[..., str]


@pytest.fixture
def enqueue(client: SyncClient) -> Enqueue:
    """Enqueues a job of a type that only the test's worker knows, and returns its id."""

    def enqueue(job_id: str, type_name: str = "paint", **options: Any) -> str:
        options = {"queue": "walls", **options}
        return client.enqueue(type_name, {"wall": "north"}, id=job_id, **options).id

    return enqueue


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    packages = Packages(tmp_path / "site")
    packages.install(
        "jobd-walls",
        """\
        [jobd]
        walls = jobd_walls
        [jobd.commands]
        walls = jobd_walls:walls
        """,
        """\
        import click, jobd

        @jobd.job("paint", queue="walls")
        async def paint(wall: str) -> str:
            return wall

        @jobd.hookimpl
        def jobd_job_types():
            return [paint]

        @click.command()
        @click.argument("colour")
        def walls(colour):
            '''Says a colour.'''
            click.echo(f"all walls are {colour}")
        """,
    )
    return packages
