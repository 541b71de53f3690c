"""Each role, started and stopped in every way that must be harmless."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobd.domain.levels import Levels
from jobd.http.server import HttpServer
from jobd.roles.api import Api
from jobd.roles.embedded import Embedded
from jobd.roles.leases import Leases
from jobd.roles.pruner import Pruner
from jobd.roles.reaper import Reaper
from jobd.roles.scheduler import Scheduler
from jobd.roles.verdicts import Verdicts
from jobd.store.embedded import EmbeddedServer
from tests.actors.stress import stress
from tests.roles.parts import Parts


async def test_an_engine_may_be_started_and_stopped_at_any_moment(parts: Parts) -> None:
    await stress(parts.engine, rounds=8)


@pytest.mark.long
async def test_a_crew_may_be_started_and_stopped_at_any_moment(parts: Parts) -> None:
    await stress(parts.crew, rounds=3)


async def test_a_reaper_may_be_started_and_stopped_at_any_moment(parts: Parts) -> None:
    await stress(
        lambda: Reaper(
            parts.membership("monitor", ["@monitor"]), Verdicts(parts.catalog, Levels()), report=parts.report
        ),
        rounds=10,
    )
    assert parts.reported == []


async def test_a_scheduler_may_be_started_and_stopped_at_any_moment(parts: Parts) -> None:
    await stress(lambda: Scheduler(parts.membership("scheduler", ["@scheduler"]), report=parts.report), rounds=10)
    assert parts.reported == []


async def test_a_pruner_may_be_started_and_stopped_at_any_moment(parts: Parts) -> None:
    await stress(lambda: Pruner(parts.store, report=parts.report), rounds=10)
    assert parts.reported == []


async def test_leases_may_be_started_and_stopped_at_any_moment(parts: Parts) -> None:
    await stress(lambda: Leases(parts.make_keeper()), rounds=10)


async def test_the_embedded_server_may_be_started_and_stopped_at_any_moment(tmp_path: Path) -> None:
    await stress(lambda: Embedded(EmbeddedServer(tmp_path)), rounds=3)


async def test_the_api_may_be_started_and_stopped_at_any_moment(parts: Parts) -> None:
    await stress(lambda: Api(HttpServer(parts.client, parts.settings)), rounds=10)


async def test_who_stops_leaves_the_store(parts: Parts) -> None:
    for actor in (
        parts.engine(),
        parts.crew(),
        Reaper(parts.membership("monitor", ["@monitor"]), Verdicts(parts.catalog, Levels()), report=parts.report),
        Scheduler(parts.membership("scheduler", ["@scheduler"]), report=parts.report),
    ):
        await actor.start()
        assert len(await parts.store.members()) == 1
        await actor.stop()
        assert await parts.store.members() == []
