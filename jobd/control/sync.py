"""The twins of what operators ask, for programs that are not async."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from jobd.domain.duration import Duration

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.limits import Limits
    from jobd.domain.queue import Pause, Queue
    from jobd.loop_thread import Runner


class SyncQueueControl:
    """The twin of QueueControl."""

    _client: Client
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


class SyncLimitControl:
    """The twin of LimitControl."""

    _client: Client
    _run: Runner

    def limits(self) -> list[Limits]:
        """See Client.limits."""
        return self._run(self._client.limits)

    def set_limits(
        self,
        *,
        queue: str | None = None,
        group: str | None = None,
        type: str | None = None,
        key: str | None = None,
        rate_key: str | None = None,
        **limits: Any,
    ) -> Limits:
        """See Client.set_limits."""
        named = {"queue": queue, "group": group, "type": type, "key": key, "rate_key": rate_key}
        return self._run(partial(self._client.set_limits, **named, **limits))
