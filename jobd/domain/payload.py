"""How payload and result of a job type are written and read: by pydantic, on the types of its handler's signature.

What is enqueued has been read back once, so that a worker never meets a payload that its producer could have refused.
Unknown fields are refused at every depth, whatever the models say; a field may be given by its alias or by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobd.domain.plain_json import from_json, plain_values, to_json
from jobd.errors import FieldFault, PayloadError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

MOST_FAULTS = 100
"""listed of one payload"""
_CODES = {
    "missing": "missing",
    "missing_argument": "missing",
    "extra_forbidden": "unknown_field",
    "unexpected_keyword_argument": "unknown_field",
    "json_invalid": "not_json",
}
_SENTENCES = {"missing": "this field is required", "unknown_field": "there is no such field"}


class Written(bytes):
    """The JSON of a payload that came as JSON."""


@dataclass(frozen=True)
class PayloadShape:
    """The validators of one job type, compiled once."""

    type_name: str
    context: str | None
    """the parameter that takes the context"""
    plain: bool
    """plain parameters rather than one model"""
    adapter: TypeAdapter[Any]
    model: type | None
    """the class whose instances are written by their own types; None: there is none, payloads are mappings"""
    result: TypeAdapter[Any] | None
    """None: any JSON value"""
    fields: tuple[str, ...] = ()
    """the names of the payload's fields"""
    whole_results: bool = False
    """results are integers, and nothing else"""

    def encode(self, payload: object) -> bytes:
        """The JSON of a payload; None stands for no fields. Raises PayloadError listing each wrong field."""
        if payload is None:
            raw = b"{}"
        else:
            # to ask a model's class about what is no model takes longer than to write that
            plain = type(payload) in _PLAIN
            own = not plain and self.model is not None and isinstance(payload, self.model)
            raw = encode_json(payload, self.type_name, self.adapter if own else None)
        self.decode(raw)
        return raw

    def decode(self, raw: bytes) -> Any:
        """The validated payload. Raises PayloadError listing each wrong field."""
        raw = raw or b"{}"
        try:
            return self.adapter.validator.validate_json(raw, extra="forbid", by_alias=True, by_name=True)
        except Exception as error:  # noqa: BLE001  validators are code of plugins, which may raise anything
            raise _payload_error(self.type_name, error, raw) from None

    def values(self, raw: bytes) -> Mapping[str, Any]:
        """The plain values of a payload by the names of its fields, those included that it leaves to their defaults:
        equal payloads have equal values, in whatever way they are written. Raises PayloadError."""
        values: Mapping[str, Any] = plain_values(self.decode(raw), self.adapter)
        return values

    def bind(self, handler: Callable[..., Any], raw: bytes, context: object) -> Callable[[], Any]:
        """The handler with its arguments. Raises PayloadError."""
        value = self.decode(raw)
        if self.plain:
            arguments = value.__dict__
            if self.context is None:
                return lambda: handler(**arguments)
            return lambda: handler(context, **arguments)
        if self.context is None:
            return lambda: handler(value)
        return lambda: handler(context, value)

    def encode_result(self, result: object) -> bytes:
        """The JSON of a result; empty for None. Secrets in it stay hidden, as results are read by many. What the
        result's type would take in (a tuple for a list, a dict for a model) is taken. Raises ValueError."""
        if result is None:
            return b""
        if self.result is None:
            return to_json(result, reveal=False)
        try:
            if type(result) is int and self.whole_results:
                return b"%d" % result  # pydantic takes a microsecond for it
            return self.result.serializer.to_json(result, by_alias=True, warnings="error")
        except ValueError:
            return self.result.serializer.to_json(self._fitted(result), by_alias=True, warnings="error")

    def _fitted(self, result: object) -> Any:
        from pydantic import ValidationError

        try:
            return None if self.result is None else self.result.validate_python(result)
        except ValidationError as error:
            raise ValueError(_listed(_faults(error, result))) from None

    def decode_result(self, value: Any) -> Any:
        """A result of the handler's type, from the plain JSON values it was kept as. Raises ValueError."""
        from pydantic import ValidationError

        if self.result is None or value is None:
            return value
        raw = to_json(value)
        try:
            return self.result.validate_json(raw, by_alias=True, by_name=True)
        except ValidationError:
            # computed fields are written, and models that forbid extras do not read them
            return self.result.validate_json(raw, by_alias=True, by_name=True, extra="ignore")

    def payload_schema(self) -> dict[str, Any]:
        """The JSON Schema of the payload, closed against unknown fields at every depth."""
        from pydantic.errors import PydanticInvalidForJsonSchema

        try:
            schema = self.adapter.json_schema()
        except PydanticInvalidForJsonSchema:
            # a type that only its own Python code can describe
            return {"type": "object"}
        _close(schema)
        return schema


_PLAIN = (dict, Written)


def encode_json(value: object, what: str, adapter: TypeAdapter[Any] | None = None) -> bytes:
    """The JSON of a payload of `what`, written by `adapter` if there is one. Raises PayloadError if it has none."""
    if type(value) is Written:
        return value
    try:
        return to_json(value, adapter)
    except (ValueError, TypeError) as error:
        fault = FieldFault(pointer="", code="not_json", message=str(error))
        raise PayloadError(f"the payload of {what} is not made of JSON values: {error}", [fault]) from error


def _close(schema: object) -> None:
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema["additionalProperties"] = False
        for part in schema.values():
            _close(part)
    elif isinstance(schema, list):
        for part in schema:
            _close(part)


# --- what is wrong with it ---------------------------------------------------------------------------------------


def _payload_error(type_name: str, error: Exception, raw: bytes) -> PayloadError:
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        faults = _faults(error, from_json(raw))
        return PayloadError(f"the payload does not fit {type_name}: {_listed(faults, error.error_count())}", faults)
    fault = FieldFault(pointer="", code="unchecked", message=f"its check broke: {type(error).__name__}: {error}")
    return PayloadError(f"the payload of {type_name}: {fault['message']}", [fault])


def _faults(error: ValidationError, value: Any) -> list[FieldFault]:
    faults = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False)[:MOST_FAULTS]:
        code = _CODES.get(fault["type"], fault["type"])
        message = _SENTENCES.get(code, fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "))
        faults.append(FieldFault(pointer=_pointer(fault["loc"], value, code), code=code, message=message))
    return faults


def _pointer(location: tuple[int | str, ...], value: Any, code: str) -> str:
    """The JSON pointer (RFC 6901) of a place that pydantic names. Besides keys and indexes it names branches of unions
    and the like; those are nowhere in the payload and fall out."""
    pointer = ""
    for depth, part in enumerate(location, 1):
        if part in (value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()):
            value = value[part]
        elif depth < len(location) or code != "missing":
            continue
        pointer += f"/{str(part).replace('~', '~0').replace('/', '~1')}"
    return pointer


def _listed(faults: list[FieldFault], count: int = 0) -> str:
    listed = "; ".join(f"{fault['pointer'] or 'the whole'}: {fault['message']}" for fault in faults[:5])
    more = max(count, len(faults)) - 5
    return f"{listed}; and {more} more" if more > 0 else listed
