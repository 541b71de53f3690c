"""What may have been missed while the line to the store was broken: that somebody wants a job to end, or something of
this worker, and, where there was a failover or an older copy of the data was brought back, that the store forgot how
jobs have ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jobd import log
from jobd.errors import StoreError
from jobd.roles.worker.cancels import Cancels
from jobd.roles.worker.outbox import Outbox
from jobd.roles.worker.running import Key, Running
from jobd.roles.worker.slots import Slots
from jobd.store.shard import Shard

_PATIENCE_S = 1.0


class CatchUp:
    """Compares what the store says with what this worker has in hand."""

    def __init__(
        self,
        shard: Shard,
        cancels: Cancels,
        running: Mapping[Key, Running],
        slots: Slots,
        outbox: Outbox,
        on_asked: Callable[[str], None],
    ) -> None:
        """`on_asked` is told what people want of this worker."""
        self.due = False
        """was the line broken since the last look?"""
        self._shard = shard
        self._cancels = cancels
        self._running = running
        self._slots = slots
        self._outbox = outbox
        self._on_asked = on_asked
        self._asked = ""
        self._log = log.get("worker")

    def asked(self, what: str) -> None:
        """People want this of the worker: a word said so, or what the store has written down."""
        if what != self._asked:
            self._asked = what
            self._on_asked(what)

    async def look(self, member: str) -> bool:
        """To be called when every fetch of this member has been answered and none is under way. False if the store
        could not be asked: it is still due then."""
        self.due = False
        try:
            await self._cancels.look()
            if asked := await self._shard.asked_of(member, patience_s=_PATIENCE_S):
                self.asked(asked)
            await self._give_back_strays(member)
        except StoreError as error:
            self._log.warning("what was missed is not known yet; asking again", error=str(error))
            self.due = True
        return not self.due

    async def _give_back_strays(self, member: str) -> None:
        """Nobody else would end them, as their worker lives."""
        said = await self._shard.held_by(member, patience_s=_PATIENCE_S)
        mine = {*self._running, *((job.id, job.fence) for job in self._slots.to_come), *self._outbox.keys}
        strays = [key for key in said if key not in mine]
        if strays:
            self._log.warning("the store has forgotten how jobs ended; they run again", jobs=len(strays))
            self._outbox.let_go(member, strays)
