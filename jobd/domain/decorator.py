"""`@jobd.job`: makes a job type of a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, Unpack, cast, overload

from jobd.domain.error_rules import BackoffFunction, ErrorRules
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

    def __init__(self, name: str, options: Options, error_rules: ErrorRules) -> None:
        self._name = name
        self._options = options
        self._error_rules = error_rules

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
        return PlainJobType(self._name, handler, self._options, error_rules=self._error_rules)


def job(name: str, **options: Unpack[TypeOptions]) -> JobDecorator:
    """Makes a job type of the function below it.

    `name` is how callers ask for it. The options are the defaults of its jobs: `queue`; `priority`, 1 (most urgent) to
    10 or a name; `delay`; `max_attempts`, the first run included (or `retries`, without it); `backoff`; `timeout` of
    one attempt; `tags`; `metadata`. A `backoff` may here be a function that is given the Failure and returns how long
    to wait; `on_error` maps exceptions to what follows from them. Raises OptionError, naming the option, if one of them
    is not allowed.
    """
    on_error, backoff = options.pop("on_error", None), options.get("backoff")
    function = cast("BackoffFunction", options.pop("backoff")) if callable(backoff) else None
    return JobDecorator(name, read_options(options, Level.TYPE), ErrorRules(on_error, function))
