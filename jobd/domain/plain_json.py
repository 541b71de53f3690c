"""JSON of Python values, models and all, with nothing lost on the way: integers of any size and secrets included."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_MASK = b'"**********"'
"""what pydantic writes for a secret"""


def to_json(value: object, adapter: TypeAdapter[Any] | None = None, *, reveal: bool = True) -> bytes:
    """The JSON of a value, by the types of `adapter` if there is one, in a form that the same types read back. Secrets
    are written as what they hide, unless `reveal` is False. NaN and infinities have no JSON and become null. Raises
    ValueError or TypeError if some part has no JSON."""
    if adapter is None:
        try:
            return _plain()(value)  # in a sixth of the time
        except TypeError:
            adapter = _anything()
    raw = adapter.serializer.to_json(value, by_alias=True, round_trip=True, warnings=False)
    if reveal and _MASK in raw:
        plain = adapter.dump_python(value, mode="json", by_alias=True, round_trip=True, warnings=False)
        rich = adapter.dump_python(value, by_alias=True, round_trip=True, warnings=False)
        raw = _anything().dump_json(_revealed(plain, rich))
    return raw


def from_json(raw: bytes) -> Any:
    """The plain values of a JSON text, integers of any size exact; None if it is none."""
    from pydantic_core import from_json as parse

    try:
        return parse(raw)
    except ValueError:
        return None


def sorted_json(value: object) -> bytes:
    """The JSON of plain values, the same for the same values in whatever order the members of objects come."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def plain_values(value: object, adapter: TypeAdapter[Any]) -> Any:
    """The plain values of a validated one, by the names of its fields; sets in one order, secrets as what they hide."""
    rich = adapter.dump_python(value, round_trip=True, warnings=False)
    plain = adapter.dump_python(value, mode="json", round_trip=True, warnings=False)
    return _ordered(_revealed(plain, rich), rich)


def named(value: object) -> str:
    """What a JSON value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def _revealed(plain: Any, rich: Any) -> Any:
    """`plain`, which is `rich` in JSON values, with what the secrets in `rich` hide in the place of their masks."""
    if hasattr(rich, "get_secret_value"):
        return rich.get_secret_value()
    if isinstance(plain, dict) and isinstance(rich, Mapping) and len(plain) == len(rich):
        return {key: _revealed(plain[key], item) for key, item in zip(plain, rich.values(), strict=True)}
    if isinstance(plain, list) and isinstance(rich, list | tuple | set | frozenset) and len(plain) == len(rich):
        return [_revealed(part, item) for part, item in zip(plain, rich, strict=True)]
    return plain


def _ordered(plain: Any, rich: Any) -> Any:
    """`plain`, which is `rich` in JSON values, with what are sets in `rich` in one order."""
    if isinstance(rich, set | frozenset) and isinstance(plain, list):
        return sorted(plain, key=sorted_json)
    if isinstance(plain, dict) and isinstance(rich, Mapping) and len(plain) == len(rich):
        return {key: _ordered(plain[key], item) for key, item in zip(plain, rich.values(), strict=True)}
    if isinstance(plain, list) and isinstance(rich, list | tuple) and len(plain) == len(rich):
        return [_ordered(part, item) for part, item in zip(plain, rich, strict=True)]
    return plain


@cache
def _plain() -> Callable[[object], bytes]:
    """Writes what orjson writes as pydantic does, and raises TypeError for all else."""
    import orjson  # here, as the help of commands needs no JSON

    in_another_way = (
        orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
    )
    return partial(orjson.dumps, option=in_another_way)


@cache
def _anything() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(Any)
