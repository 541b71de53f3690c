"""What a handler's signature says: whether it wants its context, and which types payload and result have.

A handler takes its context (optional, and first), then either one model (a pydantic model, a dataclass or a TypedDict)
or plain typed parameters; then the payload is the JSON object of them. A handler of batches takes a list of contexts
(optional, and first) and a list of models, and returns a list of results, or one for all.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
import warnings
from collections.abc import Callable, Mapping
from inspect import Parameter
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Never, NoReturn, Union, cast

from jobd.domain.payload import PayloadShape
from jobd.errors import PluginError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_BATCH_CURE = (
    "a handler of batches takes a list of models, as in items: list[Document], after a list of contexts at most"
)
_ANY_RESULT = (Any, None, type(None), NoReturn, Never)


def read_shape(type_name: str, handler: Callable[..., Any], *, batched: bool = False) -> PayloadShape:
    """The shape that a handler's signature says. Raises PluginError naming the type, the parameter and the cure."""
    where = f"job type {type_name} ({handler.__module__}.{getattr(handler, '__qualname__', handler)})"
    hints, parameters = _signature(where, handler, batched)
    context = _take_context(where, parameters, hints, is_async=inspect.iscoroutinefunction(handler))
    for parameter in parameters:
        _check(where, parameter, hints)
    if batched and (len(parameters) != 1 or not _is_model(_bare(hints[parameters[0].name]))):
        raise PluginError(f"{where}: {_BATCH_CURE}")
    result = hints.get("return", Any)
    result_adapter = None if result in _ANY_RESULT else _adapter(f"{where}: its result", result)
    plain = len(parameters) != 1 or not _is_model(_bare(hints[parameters[0].name]))
    if plain:
        adapter, model = _adapter_of_parameters(where, type_name, parameters, hints), None
    else:
        adapter, model = _adapter_of_model(where, parameters[0], hints[parameters[0].name])
    names = _field_names(parameters, hints)
    return PayloadShape(type_name, context, plain, adapter, model, result_adapter, names, whole_results=result is int)


def read_fields(type_name: str, handler: Callable[..., Any], *, batched: bool = False) -> tuple[str, ...]:
    """The names of the payload's fields, without what else the signature says. Raises PluginError if it cannot be read,
    or not yet."""
    where = f"job type {type_name}"
    hints, parameters = _signature(where, handler, batched)
    _take_context(where, parameters, hints, is_async=inspect.iscoroutinefunction(handler))
    return _field_names(parameters, hints)


def _field_names(parameters: list[Parameter], hints: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(parameter.name for parameter in parameters)
    model = _bare(hints.get(names[0])) if len(names) == 1 else None
    if not _is_model(model):
        return names
    known = getattr(model, "__pydantic_fields__", None) or getattr(model, "__dataclass_fields__", None)
    return tuple(known or typing.get_type_hints(model))


def _signature(where: str, handler: Callable[..., Any], batched: bool) -> tuple[Mapping[str, Any], list[Parameter]]:
    """The types of its parameters and of what it returns, for one job of a batch, and the parameters."""
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise PluginError(f"{where}: a handler returns its result; it cannot be a generator")
    if not inspect.isroutine(handler):
        raise PluginError(f"{where}: {handler!r} is not a function; write one around it")
    try:
        hints = typing.get_type_hints(handler, include_extras=True)
    except NameError as error:
        cure = "import (at run time too) or define the types of its signature at the top of its module"
        raise PluginError(f"{where}: {error}; {cure}") from error
    except (AttributeError, TypeError, SyntaxError) as error:
        raise PluginError(f"{where}: its signature cannot be read: {error}; annotate it with types") from error
    parameters = list(inspect.signature(handler).parameters.values())
    if not batched:
        return hints, parameters
    for parameter in parameters:
        if parameter.name in hints and typing.get_origin(hints[parameter.name]) is not list:
            raise PluginError(f"{where}: parameter {parameter.name!r} is not a list; {_BATCH_CURE}")
    each = {name: typing.get_args(hint)[0] for name, hint in hints.items() if name != "return"}
    return {**each, "return": _result_of_each(hints.get("return", Any))}, parameters


def _result_of_each(hint: Any) -> Any:
    """The type of the result of one job: what a list is of, without the exceptions in it, or what is said for all."""
    if typing.get_origin(hint) is not list:
        return hint
    (each,) = typing.get_args(hint)
    kinds = typing.get_args(each) if typing.get_origin(each) in (Union, UnionType) else (each,)
    results = [kind for kind in kinds if not (inspect.isclass(kind) and issubclass(kind, BaseException))]
    return Union[tuple(results)] if results else None  # noqa: UP007  made of what is only known now


def _take_context(where: str, parameters: list[Parameter], hints: Mapping[str, Any], *, is_async: bool) -> str | None:
    """The name of the parameter that takes the context, which is taken off the list."""
    for place, parameter in enumerate(parameters):
        kind = getattr(hints.get(parameter.name), "__jobd_context__", None)
        if kind is None:
            continue
        fitting = "async" if is_async else "sync"
        if kind != fitting:
            wanted = "jobd.Context" if is_async else "jobd.SyncContext"
            raise PluginError(f"{where}: parameter {parameter.name!r} of {_article(fitting)} handler is a {wanted}")
        if place > 0 or parameter.kind not in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
            raise PluginError(f"{where}: parameter {parameter.name!r}: the context comes first, by position")
        return parameters.pop(0).name
    return None


def _article(word: str) -> str:
    return f"an {word}" if word.startswith("a") else f"a {word}"


def _check(where: str, parameter: Parameter, hints: Mapping[str, Any]) -> None:
    name = parameter.name
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD, Parameter.POSITIONAL_ONLY):
        raise PluginError(f"{where}: parameter {parameter} has no place in a JSON object; use named parameters")
    if name not in hints:
        raise PluginError(f"{where}: parameter {name!r} has no type; annotate it")
    if name.startswith("_"):
        raise PluginError(f"{where}: parameter {name!r} starts with '_'; give it another name")


def _adapter_of_model(where: str, parameter: Parameter, hint: Any) -> tuple[TypeAdapter[Any], type | None]:
    model = _bare(hint)
    if parameter.kind is Parameter.KEYWORD_ONLY:
        raise PluginError(f"{where}: its payload, {parameter.name!r}, is given by position; take the '*' away")
    if getattr(model, "__pydantic_root_model__", False):
        raise PluginError(
            f"{where}: {model.__name__} of parameter {parameter.name!r} is no JSON object; use a model with fields"
        )
    return _adapter(f"{where}: parameter {parameter.name!r}", hint), None if _is_typed_dict(model) else model


def _adapter(where: str, hint: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(hint)
    except PydanticUserError as error:
        # the first line says it; the others are about pydantic's settings
        reason = str(error).partition("\n")[0].partition(" Set `arbitrary_types")[0]
        raise PluginError(f"{where} has a type that JSON cannot be read into: {reason}; use another type") from error


def _adapter_of_parameters(
    where: str, name: str, parameters: list[Parameter], hints: Mapping[str, Any]
) -> TypeAdapter[Any]:
    from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model
    from pydantic.errors import PydanticUserError

    if len(parameters) > 1 and _is_model(_bare(hints[parameters[0].name])) and not _needed(parameters[1:]):
        raise PluginError(
            f"{where}: {parameters[0].name!r} is a model, and nothing else needs a value, so type checkers take it for "
            f"the whole payload; make {parameters[1].name!r} a field of it"
        )
    for parameter in parameters:
        if parameter.name.startswith("model_") and hasattr(BaseModel, parameter.name):
            raise PluginError(f"{where}: parameter {parameter.name!r} is a word of pydantic; give it another name")
    fields = {p.name: (hints[p.name], ... if p.default is p.empty else p.default) for p in parameters}
    config = ConfigDict(extra="forbid", protected_namespaces=())
    try:
        with warnings.catch_warnings():
            # parameters may be called `json` or `copy`: nobody calls these methods of the model
            warnings.filterwarnings("ignore", message=r'Field name ".+" .*shadows an attribute', category=UserWarning)
            return TypeAdapter(create_model(f"{name} payload", __config__=config, **cast("dict[str, Any]", fields)))
    except PydanticUserError:
        for parameter in parameters:
            _adapter(f"{where}: parameter {parameter.name!r}", hints[parameter.name])
        raise


def _needed(parameters: list[Parameter]) -> list[Parameter]:
    return [parameter for parameter in parameters if parameter.default is Parameter.empty]


def _bare(hint: Any) -> Any:
    """The class of a type: what `Annotated` wraps, and without the parameters of a generic dataclass."""
    if typing.get_origin(hint) is Annotated:
        return _bare(hint.__origin__)
    return typing.get_origin(hint) or hint


def _is_model(hint: object) -> bool:
    return hasattr(hint, "__pydantic_validator__") or dataclasses.is_dataclass(hint) or _is_typed_dict(hint)


def _is_typed_dict(hint: object) -> bool:
    # typing.is_typeddict does not know those of typing_extensions, which pydantic wants before Python 3.12
    return hasattr(hint, "__required_keys__")
