"""`@jobd.job`: makes a job type of a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, Unpack, cast, overload

from jobd.domain.batch import Batch, read_batch
from jobd.domain.duration import Duration
from jobd.domain.error_rules import BackoffFunction, ErrorRules
from jobd.domain.jobtype import JobType, PlainJobType
from jobd.domain.keywords import TypeOptions
from jobd.domain.lane_key import check_weight
from jobd.domain.options import Level, Options, read_options
from jobd.errors import OptionError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic import BaseModel

    from jobd.context import Context
    from jobd.sync_context import SyncContext

Model = TypeVar("Model", bound="BaseModel | DataclassInstance")
P = TypeVar("P")
R = TypeVar("R")
Params = ParamSpec("Params")


class JobDecorator:
    """What `job(...)` returns: give it the function."""

    def __init__(
        self, name: str, options: Options, error_rules: ErrorRules, services: Iterable[type | str] = ()
    ) -> None:
        self._name = name
        self._options = options
        self._error_rules = error_rules
        self._services = services

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
        return PlainJobType(self._name, handler, self._options, error_rules=self._error_rules, services=self._services)


class BatchDecorator:
    """What `job(..., batch=...)` returns: give it the function."""

    def __init__(
        self, name: str, options: Options, error_rules: ErrorRules, services: Iterable[type | str], batch: Batch
    ) -> None:
        self._name = name
        self._options = options
        self._error_rules = error_rules
        self._services = services
        self._batch = batch

    # the first that fits is meant: a list is also a result, and a coroutine function also a function
    @overload
    def __call__(
        self, handler: Callable[[list[Context], list[P]], Awaitable[list[R | Exception]]]
    ) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[P]], Awaitable[list[R | Exception]]]) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[Context], list[P]], Awaitable[list[R]]]) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[P]], Awaitable[list[R]]]) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[Context], list[P]], Awaitable[R]]) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[P]], Awaitable[R]]) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[SyncContext], list[P]], list[R | Exception]]) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[P]], list[R | Exception]]) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[SyncContext], list[P]], list[R]]) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[P]], list[R]]) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[SyncContext], list[P]], R]) -> JobType[P, R]: ...
    @overload
    def __call__(self, handler: Callable[[list[P]], R]) -> JobType[P, R]: ...
    def __call__(self, handler: Callable[..., Any]) -> JobType[Any, Any]:
        """The job type of this handler."""
        return JobType(
            self._name,
            handler,
            self._options,
            error_rules=self._error_rules,
            services=self._services,
            batch=self._batch,
        )


@overload
def job(
    name: str,
    *,
    batch: int,
    batch_wait: Duration | None = None,
    batch_mixed: bool = False,
    **options: Unpack[TypeOptions],
) -> BatchDecorator: ...
@overload
def job(name: str, **options: Unpack[TypeOptions]) -> JobDecorator: ...
def job(
    name: str,
    *,
    batch: int | None = None,
    batch_wait: Duration | None = None,
    batch_mixed: bool = False,
    **options: Unpack[TypeOptions],
) -> JobDecorator | BatchDecorator:
    """Makes a job type of the function below it.

    `name` is how callers ask for it. The options are the defaults of its jobs: `queue`; `priority`, 1 (most urgent) to
    10 or a name; `delay`; `max_attempts`, the first run included (or `retries`, without it); `backoff`; `timeout` of
    one attempt; `tags`; `metadata`. A `backoff` may here be a function that is given the Failure and returns how long
    to wait; `on_error` maps exceptions to what follows from them. With `batch` the handler takes lists, of up to so
    many jobs; `batch_wait` is how long the first waits for others, and `batch_mixed` lets it have jobs of several
    groups. `services` are those that a handler asks for which has a process of its own (`isolation`). Raises
    OptionError, naming the option, if one of them is not allowed.
    """
    lot = read_batch(batch, batch_wait, batch_mixed)
    services = _services(options.pop("services", ()))
    on_error, backoff = options.pop("on_error", None), options.get("backoff")
    function = cast("BackoffFunction", options.pop("backoff")) if callable(backoff) else None
    read, rules = read_options(options, Level.TYPE), ErrorRules(on_error, function)
    check_weight(read)
    if lot is None:
        return JobDecorator(name, read, rules, services)
    return BatchDecorator(name, read, rules, services, lot)


def _services(wanted: object) -> tuple[type | str, ...]:
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise OptionError(f"services: give a list of types or names, not {wanted!r}")
    services = tuple(wanted)
    for service in services:
        if not isinstance(service, type | str):
            raise OptionError(f"services: {service!r} is neither a type nor a name")
    return services
