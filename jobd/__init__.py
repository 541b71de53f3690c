"""jobd runs work in the background. This is its front door: plugin authors and applications import from here.

Names are imported on first use, because the libraries behind some of them take a while to load.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.context import Context
    from jobd.domain.backoff import Backoff
    from jobd.domain.decorator import job
    from jobd.domain.failure import Failure, ProcessDied, TimedOut
    from jobd.domain.isolation import Isolation
    from jobd.domain.job import Job
    from jobd.domain.jobtype import JobType
    from jobd.domain.rate import Rate
    from jobd.domain.signals import Cancel, Fail, RateLimited, Retry, Snooze
    from jobd.domain.unique import Unique
    from jobd.errors import (
        JobCancelled,
        JobdError,
        JobFailed,
        JobNotFound,
        OptionError,
        PayloadError,
        QueueFull,
        ResultTimeout,
        StateConflict,
        StoreUnavailable,
        UniqueConflict,
        UnknownJobType,
    )
    from jobd.handle import JobHandle
    from jobd.hookspecs import hookimpl
    from jobd.sync import SyncClient
    from jobd.sync_context import SyncContext

__version__ = "0.1.0"

_HOME = {
    "Backoff": "jobd.domain.backoff",
    "Cancel": "jobd.domain.signals",
    "Client": "jobd.client",
    "Context": "jobd.context",
    "Fail": "jobd.domain.signals",
    "Failure": "jobd.domain.failure",
    "Isolation": "jobd.domain.isolation",
    "Job": "jobd.domain.job",
    "JobCancelled": "jobd.errors",
    "JobFailed": "jobd.errors",
    "JobHandle": "jobd.handle",
    "JobNotFound": "jobd.errors",
    "JobType": "jobd.domain.jobtype",
    "JobdError": "jobd.errors",
    "OptionError": "jobd.errors",
    "PayloadError": "jobd.errors",
    "QueueFull": "jobd.errors",
    "RateLimited": "jobd.domain.signals",
    "ResultTimeout": "jobd.errors",
    "ProcessDied": "jobd.domain.failure",
    "Rate": "jobd.domain.rate",
    "Retry": "jobd.domain.signals",
    "Snooze": "jobd.domain.signals",
    "StateConflict": "jobd.errors",
    "StoreUnavailable": "jobd.errors",
    "SyncClient": "jobd.sync",
    "SyncContext": "jobd.sync_context",
    "TimedOut": "jobd.domain.failure",
    "Unique": "jobd.domain.unique",
    "UniqueConflict": "jobd.errors",
    "UnknownJobType": "jobd.errors",
    "hookimpl": "jobd.hookspecs",
    "job": "jobd.domain.decorator",
}

__all__ = [
    "Backoff",
    "Cancel",
    "Client",
    "Context",
    "Fail",
    "Failure",
    "Isolation",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobHandle",
    "JobNotFound",
    "JobType",
    "JobdError",
    "OptionError",
    "PayloadError",
    "ProcessDied",
    "QueueFull",
    "Rate",
    "RateLimited",
    "ResultTimeout",
    "Retry",
    "Snooze",
    "StateConflict",
    "StoreUnavailable",
    "SyncClient",
    "SyncContext",
    "TimedOut",
    "Unique",
    "UniqueConflict",
    "UnknownJobType",
    "hookimpl",
    "job",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'jobd' has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
