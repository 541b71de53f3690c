"""Every error that jobd raises on purpose: one root, a few families.

Each class says when it is raised. `status` is the HTTP status that fits it, `code` the word that programs match on, and
`retryable` whether the same call may succeed later without a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypedDict


class FieldFault(TypedDict):
    """One wrong field: where it is (a JSON pointer), a word for programs, a sentence for people."""

    pointer: str
    code: str
    message: str


class JobdError(Exception):
    """The root: catch it to catch whatever jobd raises on purpose."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False


# --- what the caller gave is wrong -----------------------------------------------------------------------------------


class InvalidRequest(JobdError):
    """Raised when a value that the caller gave cannot be used; the message names it and what is allowed."""

    status = 422
    code = "validation_failed"

    def __init__(self, message: str, faults: Sequence[FieldFault] = ()) -> None:
        super().__init__(message)
        self.faults: tuple[FieldFault, ...] = tuple(faults)


class PayloadError(InvalidRequest):
    """Raised when a payload does not fit its job type; `faults` lists each wrong field."""


class OptionError(InvalidRequest):
    """Raised when an option of a job or a job type has a value that is not allowed."""


class UnknownJobType(JobdError):
    """Raised when nobody offers a job type of this name."""

    status = 422
    code = "unknown_type"


class SettingsError(JobdError):
    """Raised at start when a setting cannot be used; the message says where it came from."""

    code = "settings"


class PluginError(JobdError):
    """Raised at start when a plugin cannot be used; the message names the plugin and the cure."""

    code = "plugin"


class ClientClosed(JobdError):
    """Raised when a client is used after it was closed, or in a child process of the one that opened it."""

    code = "client_closed"


# --- the job is not as the caller thinks -----------------------------------------------------------------------------


class JobNotFound(JobdError):
    """Raised when there is no job of this id: it never was, or its retention has ended."""

    status = 404
    code = "not_found"


class WorkerNotFound(JobdError):
    """Raised when no worker process of this id runs: it has left, or its lease has run out."""

    status = 404
    code = "worker_not_found"


class OperationNotFound(JobdError):
    """Raised when there is no operation of this id: it never was, or is long over."""

    status = 404
    code = "operation_not_found"


class StateConflict(JobdError):
    """Raised when the state a job is in does not allow what was asked."""

    status = 409
    code = "conflict"


class UniqueConflict(JobdError):
    """Raised when another job has the unique key of one that is enqueued with `on_conflict="error"`, or run again by
    hand. Nothing was done; `job_id` is the other job."""

    status = 409
    code = "unique_conflict"

    def __init__(self, message: str, job_id: str = "") -> None:
        super().__init__(message)
        self.job_id = job_id


class IdempotencyMismatch(JobdError):
    """Raised when an idempotency key comes again with another request. Nothing was done."""

    status = 422
    code = "idempotency_mismatch"


# --- how a job ended, told to the one who waits for its result -------------------------------------------------------


class ResultTimeout(JobdError, TimeoutError):
    """Raised when a job has not ended within the time that the caller was ready to wait."""

    status = 504
    code = "result_timeout"
    retryable = True


class JobFailed(JobdError):
    """Raised by `result()` when the job failed for good; `error` is the record of its last attempt."""

    code = "job_failed"

    def __init__(self, message: str, error: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.error = error


class JobCancelled(JobdError):
    """Raised by `result()` when the job was cancelled; the message holds the reason that was given."""

    code = "job_cancelled"


# --- the store -------------------------------------------------------------------------------------------------------


class StoreError(JobdError):
    """The family of faults between jobd and its store."""

    status = 503
    code = "store"
    retryable = True


class StoreUnavailable(StoreError):
    """Raised when the store did not answer until patience ran out. It is unknown whether a change took effect."""

    code = "redis_unavailable"


class StoreFull(StoreError):
    """Raised when the store has no memory for new jobs. Nothing was stored; running jobs can still end."""

    code = "store_full"


class QueueFull(JobdError):
    """Raised when a queue, or a group in it, has as many jobs as it may have that have not started. Nothing was
    stored."""

    status = 429
    code = "queue_full"
    retryable = True


class EnqueueExpired(StoreError):
    """Raised when an enqueue reached the store after its deadline. It took no effect at this arrival."""

    code = "enqueue_expired"


class StoreRefused(StoreError):
    """Raised when the store refuses to work at all: wrong version, wrong password, wrong settings."""

    code = "store_refused"
    retryable = False


class StoreDenied(StoreRefused):
    """Raised when the store does not let us in: wrong password, or a permission is missing."""

    code = "store_denied"


class LeaseLost(StoreError):
    """Raised when a worker's lease has run out: its jobs belong to others, and it starts again under a new id."""

    code = "lease_lost"


class EmbeddedServerError(StoreError):
    """Raised when the embedded server cannot run; the message says why and what to do."""

    code = "embedded_server"
    retryable = False


class RoleError(JobdError):
    """Raised when a role cannot start or go on; the message says which and why."""

    code = "role"
