"""A supervisor at work, for tests that look on."""

from __future__ import annotations

import asyncio

from anyio import Event

from jobd.actors.actor import Actor
from jobd.actors.supervisor import Shutdown, Supervisor


class Stage:
    """A supervisor that runs actors in a task of its own, what it reported, and how it went down."""

    def __init__(self, *actors: Actor, grace: float = 25.0) -> None:
        self.reported: list[tuple[str, str]] = []
        self.supervisor = Supervisor(report=lambda name, error: self.reported.append((name, str(error))), last_wait=3.0)
        self.ready = Event()
        self.run = asyncio.create_task(self.supervisor.run(actors, grace=grace, on_ready=self.ready.set))

    @property
    def shutdown(self) -> Shutdown:
        assert self.supervisor.shutdown is not None
        return self.supervisor.shutdown
