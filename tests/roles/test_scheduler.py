"""The scheduler: how long it sleeps."""

from __future__ import annotations

import pytest

from jobd.actors.timer import Tick
from jobd.roles.scheduler import Scheduler
from tests.roles.parts import Parts


async def test_it_sleeps_until_the_next_job_is_due_and_no_longer(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    membership = parts.membership("scheduler", ["@scheduler"])
    await membership.join()
    scheduler = Scheduler(membership, report=parts.report)
    naps: list[float] = []
    monkeypatch.setattr(scheduler._timer, "within", naps.append)
    await scheduler.handle(Tick())
    assert naps == []
    await parts.client.enqueue("noop", {"text": "x"}, delay="1h")
    await scheduler.handle(Tick())
    (nap,) = naps
    assert 3_000 < nap <= 3_600
    await membership.leave()
