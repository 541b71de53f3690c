"""How payload and result of a job type are read and written: by pydantic, on types taken from the handler's signature.

A handler takes its context (optional) and then either one model (a pydantic model, a dataclass or a TypedDict), or
plain typed parameters; then the payload is the JSON object of them. Unknown fields are refused in both.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import orjson

from jobd.errors import FieldFault, PayloadError, PluginError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

_CODES = {
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "json_invalid": "not_json",
    "unexpected_keyword_argument": "unknown_field",
}


@dataclass(frozen=True)
class PayloadShape:
    """The validators of one job type, compiled once."""

    type_name: str
    context: str | None
    """the parameter that takes the context"""
    plain: bool
    """plain parameters rather than one model"""
    model: Any
    adapter: TypeAdapter[Any]
    result: TypeAdapter[Any] | None
    """None: any JSON value"""

    def encode(self, payload: object) -> bytes:
        """The JSON of a payload. A model is taken as valid; anything else is checked. Raises PayloadError."""
        if not self.plain and isinstance(self.model, type) and not _is_typed_dict(self.model):
            if isinstance(payload, self.model):
                return self.adapter.dump_json(payload, by_alias=True)
        if payload is None:
            payload = {}
        raw = encode_json(payload, self.type_name)
        self.decode(raw)
        return raw

    def decode(self, raw: bytes) -> Any:
        """The validated payload. Raises PayloadError listing each wrong field."""
        from pydantic import ValidationError

        try:
            return self.adapter.validate_json(raw or b"{}", extra="forbid")
        except ValidationError as error:
            raise _payload_error(self.type_name, error) from None

    def bind(self, handler: Callable[..., Any], raw: bytes, context: object) -> Callable[[], Any]:
        """The handler with its arguments. Raises PayloadError."""
        value = self.decode(raw)
        arguments = {name: getattr(value, name) for name in type(value).model_fields} if self.plain else None
        if self.context is None:
            return (lambda: handler(**arguments)) if arguments is not None else (lambda: handler(value))
        if arguments is not None:
            return lambda: handler(context, **arguments)
        return lambda: handler(context, value)

    def encode_result(self, result: object) -> bytes:
        """The JSON of a result; empty for None. Raises TypeError or ValueError."""
        if result is None:
            return b""
        if self.result is None:
            return orjson.dumps(result)
        return self.result.dump_json(result, by_alias=True, warnings="error")

    def payload_schema(self) -> dict[str, Any]:
        """The JSON Schema of the payload, closed against unknown fields."""
        schema = self.adapter.json_schema()
        if schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
        return schema


def encode_json(value: object, what: str) -> bytes:
    """JSON of plain values. Raises PayloadError if it has none."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        fault = FieldFault(pointer="", code="not_json", message=str(error))
        raise PayloadError(f"the payload of {what} is not made of JSON values: {error}", [fault]) from error


def read_shape(type_name: str, handler: Callable[..., Any]) -> PayloadShape:
    """The shape that a handler's signature says. Raises PluginError naming the type, the parameter and the cure."""
    where = f"job type {type_name} ({handler.__module__}.{getattr(handler, '__qualname__', handler)})"
    try:
        hints = typing.get_type_hints(handler, include_extras=True)
    except NameError as error:
        raise PluginError(f"{where}: {error}; import the types of its signature at run time too") from error
    parameters = list(inspect.signature(handler).parameters.values())
    context = None
    if parameters and _is_context(hints.get(parameters[0].name)):
        context = parameters.pop(0).name
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise PluginError(f"{where}: parameter {parameter} has no place in a JSON object; use named parameters")
        if parameter.name not in hints:
            raise PluginError(f"{where}: parameter {parameter.name!r} has no type; annotate it")
        if parameter.name.startswith("_"):
            raise PluginError(f"{where}: parameter {parameter.name!r} starts with '_'; give it another name")
    result = hints.get("return", Any)
    if len(parameters) == 1 and _is_model(hints[parameters[0].name]):
        return _shape(where, type_name, context, False, hints[parameters[0].name], result)
    return _shape(where, type_name, context, True, _model_of(type_name, parameters, hints), result)


def _shape(where: str, name: str, context: str | None, plain: bool, model: Any, result: Any) -> PayloadShape:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        result_adapter = None if result in (Any, None, type(None)) else TypeAdapter(result)
        return PayloadShape(name, context, plain, model, TypeAdapter(model), result_adapter)
    except PydanticUserError as error:
        raise PluginError(f"{where}: its types cannot be read from JSON: {error}") from error


def _model_of(name: str, parameters: list[inspect.Parameter], hints: Mapping[str, Any]) -> Any:
    from pydantic import ConfigDict, create_model

    fields = {p.name: (hints[p.name], ... if p.default is p.empty else p.default) for p in parameters}
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, protected_namespaces=())
    return create_model(f"{name} payload", __config__=config, **cast("dict[str, Any]", fields))


def _is_context(hint: object) -> bool:
    return getattr(hint, "__jobd_context__", False) is True


def _is_typed_dict(hint: object) -> bool:
    return typing.is_typeddict(hint)


def _is_model(hint: object) -> bool:
    return hasattr(hint, "__pydantic_validator__") or dataclasses.is_dataclass(hint) or _is_typed_dict(hint)


def _payload_error(type_name: str, error: ValidationError) -> PayloadError:
    faults = [
        FieldFault(
            pointer="".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in fault["loc"]),
            code=_CODES.get(fault["type"], fault["type"]),
            message=_sentence(fault["type"], fault["msg"]),
        )
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    listed = "; ".join(f"{fault['pointer'] or 'payload'}: {fault['message']}" for fault in faults[:5])
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    return PayloadError(f"the payload does not fit {type_name}: {listed}{more}", faults)


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind == "missing":
        return "this field is required"
    return message
