"""What the configuration declares of queues reaches the store, and leaves it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobd.client import Client
from jobd.domain.backoff import DEFAULT as DEFAULT_BACKOFF
from jobd.domain.options import Options
from jobd.roles.declared_limits import DeclaredLimits
from jobd.settings import load_settings
from jobd.store.store import Store
from tests.roles.parts import Parts


async def declare(store: Store, folder: Path, text: str) -> None:
    path = folder / "jobd.toml"
    path.write_text(text)
    async with DeclaredLimits(store, load_settings(environment={}, config=path).rules).life():
        pass


@pytest.mark.requirement("3.2")
async def test_limits_of_queues_are_declared_and_what_is_set_at_run_time_wins(parts: Parts, tmp_path: Path) -> None:
    (shard,) = parts.store.shards
    await shard.set_rule("q/a-b", {"concurrency": 9})
    await declare(parts.store, tmp_path, '[queues.a_b]\nconcurrency = 4\nrate = "10/1s"\n[queues.c]\nageing = "5m"')
    assert await shard.rules() == {
        "q/a-b": {"concurrency": 9, "rate": {"n": 10, "ms": 1_000}},
        "q/c": {"ageing_ms": 300_000},
    }
    await shard.set_rule("q/a-b", {"concurrency": None})
    assert (await shard.rules())["q/a-b"]["concurrency"] == 4


async def test_what_is_declared_no_more_is_taken_back_but_not_by_a_process_without_queues(
    parts: Parts, tmp_path: Path
) -> None:
    (shard,) = parts.store.shards
    await declare(parts.store, tmp_path, "[queues.a]\nconcurrency = 4")
    await declare(parts.store, tmp_path, "port = 1")
    assert await shard.rules() == {"q/a": {"concurrency": 4}}
    await declare(parts.store, tmp_path, '[queues.b]\nrate = "1/1s/5"')
    assert await shard.rules() == {"q/b": {"rate": {"n": 1, "ms": 1_000, "burst": 5}}}


async def test_options_of_the_jobs_of_a_queue_are_declared_too(parts: Parts, tmp_path: Path) -> None:
    await declare(parts.store, tmp_path, '[queues.a]\nretries = 6\nbackoff = "3s"')
    async with Client(store=Store.at(parts.store.url)) as client:
        assert (await client.queue_options("a")).holds.max_attempts == 7
        await client.set_queue_options("a", retries=1)
        await declare(parts.store, tmp_path, "[queues.a]\nretries = 8\npriority = 2")
        says = await client.queue_options("a")
        assert (says.holds.max_attempts, says.holds.priority, says.set) == (2, 2, Options(max_attempts=2))
        assert says.holds.backoff == DEFAULT_BACKOFF
