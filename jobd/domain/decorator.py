"""`@jobd.job`: makes a job type of a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, Unpack, overload

from jobd.domain.jobtype import JobType, PlainJobType
from jobd.domain.keywords import TypeOptions
from jobd.domain.options import Level, Options, read_options

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic import BaseModel

    from jobd.context import Context, SyncContext

Model = TypeVar("Model", bound="BaseModel | DataclassInstance")
R = TypeVar("R")
Params = ParamSpec("Params")


class JobDecorator:
    """What `job(...)` returns: give it the function."""

    def __init__(self, name: str, options: Options) -> None:
        self._name = name
        self._options = options

    # the first that fits is meant: a model is also a parameter, and a coroutine function also a function
    @overload
    def __call__(self, handler: Callable[[Context, Model], Awaitable[R]]) -> JobType[Model, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, handler: Callable[[Model], Awaitable[R]]) -> JobType[Model, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, handler: Callable[[SyncContext, Model], R]) -> JobType[Model, R]: ...
    @overload
    def __call__(self, handler: Callable[[Model], R]) -> JobType[Model, R]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[Context, Params], Awaitable[R]]) -> PlainJobType[Params, R]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[SyncContext, Params], R]) -> PlainJobType[Params, R]: ...
    @overload
    def __call__(self, handler: Callable[Params, Awaitable[R]]) -> PlainJobType[Params, R]: ...
    @overload
    def __call__(self, handler: Callable[Params, R]) -> PlainJobType[Params, R]: ...
    def __call__(self, handler: Callable[..., Any]) -> JobType[Any, Any]:
        """The job type of this handler."""
        return PlainJobType(self._name, handler, self._options)


def job(name: str, **options: Unpack[TypeOptions]) -> JobDecorator:
    """Makes a job type of the function below it.

    `name` is how callers ask for it. The options are the defaults of its jobs: `queue`; `priority`, 1 (most urgent) to
    10 or a name; `delay`; `max_attempts`, the first run included (or `retries`, without it); `backoff`; `timeout` of
    one attempt; `tags`; `metadata`. Raises OptionError, naming the option, if one of them is not allowed.
    """
    return JobDecorator(name, read_options(options, Level.TYPE))
