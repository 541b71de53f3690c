"""What is said about handlers that cannot be used: the type, the parameter, the cure."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from pydantic import BaseModel, RootModel
from typing_extensions import TypedDict

import jobd
from jobd.domain.signature import read_shape
from jobd.errors import PluginError

if TYPE_CHECKING:
    from decimal import Decimal


class Note(BaseModel):
    text: str


class Ids(RootModel[list[int]]):
    pass


class Odd:
    """Nothing that JSON could be read into."""


class Place(TypedDict):
    odd: Odd


def refusal(handler: Callable[..., Any]) -> str:
    with pytest.raises(PluginError) as caught:
        read_shape("my-type", handler)
    return str(caught.value)


async def untyped(ctx, note: Note) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001


async def untyped_field(ctx: jobd.Context, note) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001


async def many(ctx: jobd.Context, *notes: Note) -> None: ...


async def anything(ctx: jobd.Context, **notes: Note) -> None: ...


async def positional(note: str, /) -> None: ...


async def private(ctx: jobd.Context, _note: str) -> None: ...


async def words_of_pydantic(ctx: jobd.Context, model_config: str) -> None: ...


async def context_last(note: Note, ctx: jobd.Context) -> None: ...


async def context_by_name(*, ctx: jobd.Context) -> None: ...


async def model_by_name(ctx: jobd.Context, *, note: Note) -> None: ...


async def context_of_a_thread(ctx: jobd.SyncContext) -> None: ...


def context_of_a_loop(ctx: jobd.Context) -> None: ...


async def list_model(ids: Ids) -> None: ...


async def model_and_more(ctx: jobd.Context, note: Note, loud: bool = False) -> None: ...


async def odd_parameter(a: int, odd: Odd) -> None: ...


async def odd_model(place: Place) -> None: ...


async def odd_result(a: int) -> Odd:
    return Odd()


async def unseen(amount: Decimal) -> None: ...


async def misspelled(note: Note.Txt) -> None: ...  # type: ignore[name-defined]  # that is the point


def generator(a: int) -> Iterator[int]:
    yield a


async def async_generator(a: int) -> AsyncIterator[int]:
    yield a


class Printer:
    def __call__(self, a: int) -> None: ...


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (untyped, "parameter 'ctx' has no type; annotate it"),
        (untyped_field, "parameter 'note' has no type; annotate it"),
        (many, "parameter *notes: 'Note' has no place in a JSON object; use named parameters"),
        (anything, "parameter **notes: 'Note' has no place in a JSON object; use named parameters"),
        (positional, "parameter note: 'str' has no place in a JSON object; use named parameters"),
        (private, "parameter '_note' starts with '_'; give it another name"),
        (words_of_pydantic, "parameter 'model_config' is a word of pydantic; give it another name"),
        (context_last, "parameter 'ctx': the context comes first, by position"),
        (context_by_name, "parameter 'ctx': the context comes first, by position"),
        (model_by_name, "its payload, 'note', is given by position; take the '*' away"),
        (context_of_a_thread, "parameter 'ctx' of an async handler is a jobd.Context"),
        (context_of_a_loop, "parameter 'ctx' of a sync handler is a jobd.SyncContext"),
        (list_model, "Ids of parameter 'ids' is no JSON object; use a model with fields"),
        (model_and_more, "'note' is a model, and nothing else needs a value, so type checkers take it for the whole"),
        (odd_parameter, "parameter 'odd' has a type that JSON cannot be read into: "),
        (odd_model, "parameter 'place' has a type that JSON cannot be read into: "),
        (odd_result, "its result has a type that JSON cannot be read into: "),
        (unseen, "name 'Decimal' is not defined; import (at run time too) or define the types"),
        (misspelled, "its signature cannot be read: "),
        (generator, "a handler returns its result; it cannot be a generator"),
        (async_generator, "a handler returns its result; it cannot be a generator"),
    ],
)
def test_a_handler_that_cannot_be_used_is_refused_with_the_parameter_and_the_cure(
    handler: Callable[..., Any], said: str
) -> None:
    assert refusal(handler).startswith(f"job type my-type ({__name__}.{handler.__qualname__}): {said}")


@pytest.mark.parametrize("handler", [functools.partial(print, 1), Printer()])
def test_what_is_no_function_is_refused(handler: Callable[..., Any]) -> None:
    assert refusal(handler).endswith("is not a function; write one around it")


def test_a_type_that_cannot_be_read_is_refused_in_one_line() -> None:
    assert "\n" not in refusal(odd_parameter)
    assert "arbitrary_types_allowed" not in refusal(odd_parameter)
    assert refusal(odd_parameter).endswith("; use another type")


class Sender:
    async def send(self, ctx: jobd.Context, note: Note) -> None: ...


def wrapped(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(function)
    async def wrapper(*arguments: Any, **named: Any) -> None:
        await function(*arguments, **named)

    return wrapper


@wrapped
async def decorated(ctx: jobd.Context, note: Note) -> None: ...


async def never(ctx: jobd.Context, note: Note) -> NoReturn:
    raise AssertionError


@pytest.mark.parametrize("handler", [Sender().send, decorated, never])
def test_methods_and_decorated_functions_are_handlers_too(handler: Callable[..., Any]) -> None:
    shape = read_shape("my-type", handler)
    assert (shape.context, shape.plain, shape.model, shape.result) == ("ctx", False, Note, None)
