"""A job type: what a plugin offers. Its name, its handler, its default options, and the types of payload and result.

The types come from the handler's signature. They are read on first use, not at import, so that a module full of job
types is quick to import and may name types that are defined further down.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, cast

from jobd.domain.batch import Batch
from jobd.domain.error_rules import NO_RULES, ErrorRules
from jobd.domain.lane_key import fields_in
from jobd.domain.names import check_type_name
from jobd.domain.options import Options
from jobd.domain.payload import PayloadShape
from jobd.domain.signature import read_fields, read_shape
from jobd.errors import OptionError, PluginError

if TYPE_CHECKING:
    from jobd.context import Context
    from jobd.sync_context import SyncContext

P = TypeVar("P")
R = TypeVar("R")
Params = ParamSpec("Params")


class JobType(Generic[P, R]):
    """What a plugin offers under a name, made by `@jobd.job`. P is its payload's type, R its result's."""

    def __init__(
        self,
        name: str,
        handler: Callable[..., Any],
        options: Options,
        *,
        description: str | None = None,
        error_rules: ErrorRules = NO_RULES,
        batch: Batch | None = None,
        services: Iterable[type | str] = (),
    ) -> None:
        """Raises OptionError if the name is not one that a job type may have, the handler is no function, or `unique`
        chooses fields that its payload does not have."""
        if not callable(handler):
            raise OptionError(f"job type {name!r}: {handler!r} is not a function")
        self.name: Final = check_type_name(name)
        self.handler: Final = handler
        self.options: Final = options
        self.error_rules: Final = error_rules
        self.batch: Final = batch
        """how many jobs the handler takes in one call; None: one, and not as a list"""
        self.services: Final = tuple(services)
        """what its handler asks for, made for it where it runs in a process of its own"""
        self.is_async: Final = inspect.iscoroutinefunction(handler)
        self.description: Final = description or inspect.getdoc(handler) or ""
        self.__name__ = getattr(handler, "__name__", name)
        self.__doc__ = handler.__doc__
        self.__module__ = handler.__module__
        if options.unique and options.unique.fields:
            with suppress(PluginError):  # types that are defined further down: `shape` says it
                options.unique.check_fields(self.name, read_fields(self.name, handler, batched=batch is not None))

    def __repr__(self) -> str:
        return f"<job type {self.name} of {self.__module__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the handler itself, as a test of it would."""
        return self.handler(*args, **kwargs)

    @cached_property
    def shape(self) -> PayloadShape:
        """How payload and result are read and written. Raises PluginError if the signature cannot be used, OptionError
        if `unique` chooses a field that is not there."""
        shape = read_shape(self.name, self.handler, batched=self.batch is not None)
        if self.options.unique:
            self.options.unique.check_fields(self.name, shape.fields)
        return shape

    def check_keys(self) -> None:
        """Raises PluginError if the signature cannot be used, or a key is made of a field that the payload has not."""
        shape = self.shape
        for key, names in fields_in(self.options).items():
            known = shape.payload_schema().get("properties", {})
            for name in names:
                if name not in known:
                    there = ", ".join(known) or "none"
                    raise PluginError(f"job type {self.name}: {key}: the payload has no field {name!r}; it has {there}")

    def encode(self, payload: object) -> bytes:
        """The JSON of a payload. Raises PayloadError listing each wrong field."""
        return self.shape.encode(payload)

    def check_json(self, raw: bytes) -> None:
        """Raises PayloadError, listing each wrong field, if `raw` is not the JSON of a payload of this type."""
        self.shape.decode(raw)

    def values(self, raw: bytes) -> Mapping[str, Any]:
        """The plain values of a payload's JSON by the names of its fields, with defaults. Raises PayloadError."""
        return self.shape.values(raw)

    def prepare(self, raw: bytes, context: Context | SyncContext) -> Callable[[], Any]:
        """The call that runs one attempt: the handler bound to its context and payload. Raises PayloadError."""
        return self.shape.bind(self.handler, raw, context)

    def prepare_batch(
        self, payloads: Sequence[Any], contexts: Sequence[Context] | Sequence[SyncContext]
    ) -> Callable[[], Any]:
        """The call that runs a batch, of payloads that `shape.decode` has read and of their contexts."""
        if self.shape.context is None:
            return lambda: self.handler(list(payloads))
        return lambda: self.handler(list(contexts), list(payloads))

    def encode_result(self, result: object) -> bytes:
        """The JSON of what the handler returned; empty for None. Raises ValueError if it has none of its type."""
        return self.shape.encode_result(result)

    def decode_result(self, value: Any) -> R:
        """What the handler returned, from the plain JSON values that it was kept as. Raises ValueError."""
        return cast("R", self.shape.decode_result(value))

    @cached_property
    def payload_schema(self) -> dict[str, Any]:
        """The JSON Schema of the payload."""
        return self.shape.payload_schema()


class PlainJobType(JobType[Mapping[str, Any], R], Generic[Params, R]):
    """A job type whose handler takes plain typed parameters; its payload is the JSON object of them."""

    def payload(self, *args: Params.args, **kwargs: Params.kwargs) -> Mapping[str, Any]:
        """The payload of a call with these arguments, checked by the type checker as the call itself would be. Raises
        TypeError if they do not fit."""
        parameters = [p for p in inspect.signature(self.handler).parameters.values() if p.name != self.shape.context]
        arguments = inspect.Signature(parameters).bind(*args, **kwargs).arguments
        return arguments if self.shape.plain else cast("Mapping[str, Any]", arguments[parameters[0].name])
