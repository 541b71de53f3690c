"""Tells plugins that jobs have ended (`jobd_job_settled`), beside the work of those who end them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from jobd.domain.state import ENDED
from jobd.errors import ClientClosed, StoreError

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from jobd.catalog import Catalog
    from jobd.domain.job import Job
    from jobd.store.shard import Settlement
    from jobd.store.store import Store

MOST_UNTOLD = 10_000
"""endings that wait to be told; who observes too slowly misses the oldest"""
DRAIN_S = 2.0
"""how long the last ones may take at the end"""
_AT_ONCE = 20
"""jobs read in one command: each may be large"""


class Observers:
    """Takes note of endings at once, reads the jobs and tells the plugins a moment later."""

    def __init__(self, store: Store, catalog: Catalog | None) -> None:
        """`catalog` has the plugins; None as long as nobody has loaded them."""
        self.catalog = catalog
        self._store = store
        self._untold: deque[str] = deque()
        self._telling: asyncio.Task[None] | None = None
        self._missed = 0

    @property
    def wanted(self) -> bool:
        """Does any plugin that is loaded want to know how jobs end?"""
        return self.catalog is not None and self.catalog.watches_endings

    def settled(self, settlements: Sequence[Settlement], answers: Sequence[int]) -> None:
        """The store answered these settlements so: tells of the jobs that they have ended."""
        if self.wanted:
            done = zip(settlements, answers, strict=True)
            self.ended(item.job_id for item, answer in done if answer and item.verdict.state in ENDED)

    def ended(self, job_ids: Iterable[str]) -> None:
        """These jobs have ended. Costs nothing if nobody wants to know."""
        if not self.wanted:
            return
        self._untold.extend(job_ids)
        while len(self._untold) > MOST_UNTOLD:
            self._untold.popleft()
            self._missed += 1
        if self._untold and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell_all(), name="endings are told to plugins")

    async def drain(self) -> None:
        """Returns when all were told, or time is up."""
        if self._telling is None:
            return
        await asyncio.wait({self._telling}, timeout=DRAIN_S)
        if not self._telling.done():
            self._telling.cancel()
            _log().warning("jobd_job_settled was not told of the last jobs that ended", jobs=len(self._untold))
            await asyncio.wait({self._telling})

    async def _tell_all(self) -> None:
        while self._untold:
            ids = [self._untold.popleft() for _ in range(min(_AT_ONCE, len(self._untold)))]
            try:
                jobs = await self._store.get_many(ids)
            except (StoreError, ClientClosed) as error:
                _log().warning("jobd_job_settled was not told of jobs that ended", jobs=len(ids), error=str(error))
                continue
            for job in jobs:
                if job.status in ENDED:  # else somebody has retried it since
                    self.tell(job)
            if self._missed:
                missed, self._missed = self._missed, 0
                _log().warning("jobd_job_settled is too slow; it was not told of jobs that ended", jobs=missed)

    def tell(self, job: Job) -> None:
        """Tells the plugins of one job that has ended, at once."""
        try:
            if self.catalog is not None:
                self.catalog.settled(job)
        except Exception as error:  # noqa: BLE001  observers change nothing
            _log().error("jobd_job_settled failed", job=job.id, error=repr(error))


def _log() -> FilteringBoundLogger:
    from jobd import log  # here, because most clients never log anything and the library takes its time

    return log.get("plugins")
