"""The exit codes, and which error ends in which."""

from __future__ import annotations

from enum import IntEnum

from jobd import errors


class Exit(IntEnum):
    """How a command ended, for scripts. Each number keeps its meaning."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    CONFLICT = 5
    UNREACHABLE = 6
    TIMED_OUT = 7
    JOB_FAILED = 8
    PARTLY = 10
    OUTPUT = 11
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "it is done",
    Exit.ERROR: "it failed for a reason that has no number of its own, or several things failed in different ways",
    Exit.USAGE: "the command line, a setting or the data of a job is wrong; nothing was done",
    Exit.NOT_FOUND: "there is no such job, operation, worker or unique key",
    Exit.NOT_ALLOWED: "the store does not let us in: wrong password, or a permission is missing",
    Exit.CONFLICT: "the state that the job is in does not allow it, or another job has its unique key",
    Exit.UNREACHABLE: "the store cannot be reached or used",
    Exit.TIMED_OUT: "the job has not ended within the time that you gave",
    Exit.JOB_FAILED: "the job has ended, but not successfully",
    Exit.PARTLY: "it was done to some jobs, and could not be done to others",
    Exit.OUTPUT: "what was asked may be done, but its output could not be written: the disk is full, or it is closed",
    Exit.INTERRUPTED: "interrupted by Ctrl-C",
}


class OutputError(errors.JobdError):
    """Raised when standard output does not take what a command has to say."""

    code = "output"


_OF_ERRORS: tuple[tuple[type[Exception], Exit], ...] = (
    (errors.JobNotFound, Exit.NOT_FOUND),
    (errors.OperationNotFound, Exit.NOT_FOUND),
    (errors.WorkerNotFound, Exit.NOT_FOUND),
    (errors.StateConflict, Exit.CONFLICT),
    (errors.QueueFull, Exit.CONFLICT),
    (errors.UniqueConflict, Exit.CONFLICT),
    (errors.ResultTimeout, Exit.TIMED_OUT),
    (errors.JobFailed, Exit.JOB_FAILED),
    (errors.JobCancelled, Exit.JOB_FAILED),
    (errors.StoreDenied, Exit.NOT_ALLOWED),
    (errors.StoreError, Exit.UNREACHABLE),
    (errors.InvalidRequest, Exit.USAGE),
    (errors.UnknownJobType, Exit.USAGE),
    (errors.SettingsError, Exit.USAGE),
    (OutputError, Exit.OUTPUT),
)
"""the first that fits is meant"""


def exit_of(error: Exception) -> Exit:
    """The exit code that an error ends in."""
    return next((code for kind, code in _OF_ERRORS if isinstance(error, kind)), Exit.ERROR)
