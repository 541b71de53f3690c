"""The monitor's operator: carries on operations on many jobs that nobody else works on."""

from __future__ import annotations

from jobd import clock
from jobd.actors.actor import Report
from jobd.actors.message_actor import MessageActor
from jobd.actors.timer import Tick, Timer
from jobd.client import Client
from jobd.domain.ids import new_id

LOOK_S = 1.0
"""seconds between two looks"""
_TURN_S = 5.0
"""how long it works on one operation before it looks at others, and whether it is to stop"""


class Operator(MessageActor[Tick]):
    """Takes an operation under a lease, does some of it, and gives it back; with what a dead one held, another goes
    on."""

    def __init__(self, client: Client, *, report: Report) -> None:
        super().__init__("operator", report=report)
        self._client = client
        self._name = f"operator-{new_id(clock.now_ms(), clock.random_bits)}"
        self.timers = (Timer(self.tell, Tick(), interval=LOOK_S),)

    async def handle(self, message: Tick) -> None:
        """One look."""
        await self.run_once()

    async def run_once(self) -> bool:
        """Does some of an operation, if there is one. Returns whether there was."""
        found = await self._client.carry_on(self._name, seconds=_TURN_S)
        if found:
            self.tell(Tick())
        return found
