"""The API is asked all that its own description allows, and much that it does not, by schemathesis: nothing makes it
fail, each answer is as described, and what is refused leaves nothing behind."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jobd.client import Client
from jobd.http.openapi import PATH
from jobd.http.server import HttpServer
from jobd.settings import Settings
from jobd.store.lease_keeper import LeaseKeeper
from tests.http.hand import LEASE_MS, Hand

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
ENQUEUE = ("POST /api/v1/jobs", "POST /api/v1/jobs/batch", "POST /jobs")


@pytest.fixture
async def described(client: Client, hand: Hand, redis_url: str) -> AsyncIterator[str]:
    """The URL of a server with a worker that lives as long as the test, and some jobs, so that there is something to be
    found."""
    keeper = LeaseKeeper(redis_url, "jobd", 1, LEASE_MS)
    keeper.add(0, hand.name, lambda: True, lambda: None)
    keeper.start()
    server = HttpServer(client, Settings(port=0))
    await server.start()
    await client.enqueue("anything", {"value": 1}, id="here")
    await client.enqueue("send-letter", {"to": "ada", "subject": "x"}, unique="a key", delay="1h")
    await hand.complete(await hand.take())
    yield f"http://127.0.0.1:{server.port}"
    await server.stop()
    keeper.stop()


async def fuzz(url: str, folder: Path, *options: str) -> None:
    """Fails with the report, which tells how to ask again what was answered wrongly."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", url + PATH, "--no-color", "--warnings", "off"),
        *("--request-timeout", "100", "--suppress-health-check", "all"),
        *options,
        cwd=folder,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, said.decode()


@pytest.mark.requirement("4.7", "4.8")
async def test_whatever_the_description_allows_is_answered_as_it_says(described: str, tmp_path: Path) -> None:
    """The health of a queue alone may be a 503."""
    await fuzz(
        described,
        tmp_path,
        *("--checks", ",".join(CHECKS), "--phases", "examples,fuzzing", "--max-examples", "4"),
        *("--exclude-path-regex", "/health$", "--generation-deterministic"),
    )


@pytest.mark.requirement("4.8")
async def test_junk_is_refused_and_nothing_of_it_is_enqueued(described: str, tmp_path: Path, client: Client) -> None:
    before = await client.store.counts()
    await fuzz(
        described,
        tmp_path,
        *("--checks", "not_a_server_error,negative_data_rejection", "--mode", "negative", "--max-examples", "25"),
        *("--phases", "fuzzing"),
        *("--generation-deterministic", *(word for name in ENQUEUE for word in ("--include-name", name))),
    )
    assert await client.store.counts() == before


@pytest.mark.long
@pytest.mark.requirement("4.8")
async def test_a_long_run_finds_nothing(described: str, tmp_path: Path) -> None:
    await fuzz(
        described,
        tmp_path,
        *("--checks", ",".join(CHECKS), "--max-examples", "15", "--phases", "coverage,fuzzing"),
        *("--exclude-path-regex", "/health$", "--seed", "7"),
    )
