"""The twins of what operators ask, for programs that are not async."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from jobd.domain.duration import Duration

if TYPE_CHECKING:
    from jobd.control.queues import QueueControl
    from jobd.domain.queue import Pause, Queue
    from jobd.loop_thread import Runner


class SyncQueueControl:
    """The twin of QueueControl."""

    _client: QueueControl
    _run: Runner

    def queues(self) -> dict[str, Queue]:
        """See Client.queues."""
        return self._run(self._client.queues)

    def pauses(self) -> list[Pause]:
        """See Client.pauses."""
        return self._run(self._client.pauses)

    def pause(
        self,
        queue: str | None = None,
        *,
        group: str | None = None,
        type: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        until: datetime | Duration | None = None,
    ) -> Pause:
        """See Client.pause."""
        return self._run(partial(self._client.pause, queue, group=group, type=type, reason=reason, by=by, until=until))

    def resume(self, queue: str | None = None, *, group: str | None = None, type: str | None = None) -> bool:
        """See Client.resume."""
        return self._run(partial(self._client.resume, queue, group=group, type=type))
