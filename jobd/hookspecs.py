"""The hooks that a plugin may implement. Each describes or observes; jobd itself does all the awaiting.

A plugin is a module named by an entry point in the group `jobd`. It implements the hooks it needs with
`@jobd.hookimpl`, and may leave out parameters it does not use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from pydantic import BaseModel

    from jobd.domain.job import Job
    from jobd.domain.jobtype import JobType

hookspec = pluggy.HookspecMarker("jobd")
hookimpl = pluggy.HookimplMarker("jobd")


@hookspec
def jobd_job_types() -> Iterable[JobType[Any, Any]]:  # type: ignore[empty-body]  # a specification has no body
    """The job types that this plugin offers. Called once, at start."""


@hookspec
def jobd_settings() -> tuple[str, type[BaseModel]]:  # type: ignore[empty-body]  # a specification has no body
    """A name and a pydantic model of this plugin's settings. Called once, at start.

    The model is filled from `[plugins.<name>]` of the configuration file and from `JOBD_PLUGINS__<NAME>__<FIELD>`;
    handlers get it by `ctx.service(Model)`, factories of services by a parameter of that type.
    """


@hookspec
def jobd_services() -> Mapping[type | str, Callable[..., Any]]:  # type: ignore[empty-body]  # a specification has no body
    """What handlers may ask for with `ctx.service(…)`: a type or a name, and a factory. Called once, at start.

    A factory is a function, a coroutine function, or a function that returns a (sync or async) context manager; that is
    entered when the worker starts and left when it stops. (Let what is one for another reason, such as a lock, be
    yielded by a context manager of yours.) Its parameters are filled by type, else by name, with settings and other
    services.
    """


@hookspec
def jobd_job_settled(job: Job) -> None:
    """A job has ended: completed, failed or cancelled, as its value says.

    Told, a moment after the store took the verdict, in the process that ended it: the worker that ran it, the monitor
    that took it over (lost for good, out of time, poison), or the client that cancelled it before it ran (the API, or a
    program of yours that has loaded the plugins, as an enqueue does). Each ending is told once, in one process only.

    Not told: what nobody can read any more because its retention was over at once; jobs that somebody has retried in
    between, or moved to another queue, where they go on; and, of each process, the endings of its last moments if it
    dies or cannot tell them within 2 s, and the oldest of more than 10 000 that wait to be told. Who must know of each
    ending looks into the store.

    It may observe and not block: it is called in the event loop. An error in it is logged and changes nothing.
    """
