"""A handle on a job that was enqueued: its id, and the questions one may ask about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from jobd.errors import StateConflict

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.job import Job
    from jobd.domain.jobtype import JobType
    from jobd.domain.keywords import Durability
    from jobd.domain.reason import Reason
    from jobd.domain.state import State

R = TypeVar("R")

Outcome = Literal["created", "existing", "replaced", "ignored"]


class JobHandle(Generic[R]):
    """What `enqueue` returns; R is the type of the job's result."""

    __slots__ = ("_client", "_job_type", "durability", "id", "outcome", "pending", "queue", "type")

    def __init__(
        self,
        client: Client,
        job_id: str,
        type_name: str,
        queue: str,
        *,
        job_type: JobType[Any, R] | None = None,
        outcome: Outcome = "created",
        pending: bool = False,
        durability: Durability = "server",
    ) -> None:
        self._client = client
        self._job_type = job_type
        self.id = job_id
        self.type = type_name
        self.queue = queue
        self.outcome: Outcome = outcome
        """what became of the enqueue: it made a job; this is a handle on one that existed, of the same id or with the
        same unique key; that one has been given the data; or nothing was made, and there is no job of this id"""
        self.durability: Durability = durability
        """who has the job now: the server, or a replica of it too"""
        self.pending = pending
        """True: enqueued by a running handler; it becomes a job when that handler's job is completed"""

    @property
    def created(self) -> bool:
        """Did this enqueue make the job?"""
        return self.outcome == "created"

    def __repr__(self) -> str:
        return f"<job {self.id} of type {self.type}>"

    async def result(self, timeout: float | None = None) -> R:
        """What the handler returned, waiting for it up to `timeout` seconds (None: as long as it takes).
        Raises JobFailed, JobCancelled, ResultTimeout, JobNotFound."""
        if self.pending:
            raise StateConflict(
                f"job {self.id} becomes a job when the handler that enqueued it is completed, which cannot wait; "
                "ctx.client.enqueue is the immediate way"
            )
        if self.outcome == "ignored":
            raise StateConflict(f"job {self.id} was not made: another job has its unique key; there is no result of it")
        value = await self._client.result(self.id, timeout=timeout)
        if self._job_type is None:
            return value  # type: ignore[no-any-return]  # plain JSON: nobody here knows more
        return self._job_type.decode_result(value)

    async def get(self) -> Job:
        """The job as it is now. Raises JobNotFound."""
        return await self._client.get(self.id)

    async def status(self) -> State:
        """The state it is in. Raises JobNotFound."""
        return (await self._client.get(self.id)).status

    async def why(self) -> list[Reason]:
        """See Client.why."""
        return await self._client.why(self.id)

    async def cancel(self, reason: str | None = None) -> Job:
        """See Client.cancel."""
        return await self._client.cancel(self.id, reason=reason)

    async def retry(self) -> Job:
        """See Client.retry."""
        return await self._client.retry(self.id)
