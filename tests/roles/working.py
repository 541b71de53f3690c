"""A worker at work in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.levels import Levels
from jobd.roles.reaper import Reaper
from jobd.roles.scheduler import Scheduler
from jobd.roles.verdicts import Verdicts
from tests.roles.parts import Parts


@asynccontextmanager
async def working(
    parts: Parts, *job_types: jobd.JobType[Any, Any], monitor: bool = True, **options: Any
) -> AsyncIterator[Client]:
    """An engine that knows these types (none named: those that are installed), with a scheduler and (unless told
    otherwise) a monitor beside it; a client that knows them too."""
    catalog = Catalog(job_types) if job_types else parts.catalog
    parts.catalog = catalog
    client = Client(store=parts.store, catalog=catalog)
    parts.client = client
    actors: list[Any] = [
        Reaper(parts.membership("monitor", ["@monitor"]), Verdicts(catalog, Levels()), report=parts.report),
        Scheduler(parts.membership("scheduler", ["@scheduler"]), report=parts.report),
        parts.engine(**options),
    ]
    if not monitor:
        del actors[0]
    for actor in actors:
        await actor.start()
    try:
        yield client
        assert parts.reported == []
        assert not any(actor.failed for actor in actors)
    finally:
        for actor in reversed(actors):
            await actor.interrupt()
            await actor.stop()
