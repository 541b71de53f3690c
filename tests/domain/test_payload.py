"""What a handler is called with, for payloads of every shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import orjson
import pytest
from pydantic import BaseModel, PlainSerializer, PlainValidator

import jobd
from jobd.domain.jobtype import JobType
from tests.domain.shapes import (
    Box,
    Inner,
    Note,
    Pair,
    Place,
    Point,
    box_type,
    described_type,
    note_type,
    nothing_type,
    odd_names_type,
    pair_type,
    place_type,
    plain_type,
    point_type,
)


def arguments(job_type: JobType[Any, Any], payload: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the handler would be called with."""
    seen = []

    def handler(*positional: Any, **named: Any) -> None:
        seen.append((positional, named))

    job_type.shape.bind(handler, job_type.encode(payload), "the context")()
    return seen[0]


@pytest.mark.parametrize(
    ("job_type", "payload", "called_with"),
    [
        (note_type, Note(text="a"), (("the context", Note(text="a")), {})),
        (note_type, {"text": "a", "inner": {"x": 2}}, (("the context", Note(text="a", inner=Inner(x=2))), {})),
        (point_type, Point(1), ((Point(1, 0),), {})),
        (point_type, {"x": 1, "y": 2}, ((Point(1, 2),), {})),
        (place_type, {"city": "Ulm"}, (("the context", {"city": "Ulm"}), {})),
        (place_type, Place(inner=Inner(x=1)), (("the context", {"inner": Inner(x=1)}), {})),
        (place_type, None, (("the context", {}), {})),
        (box_type, Box[int](content=1), ((Box[int](content=1),), {})),
        (pair_type, Pair(1, 2), ((Pair(1, 2),), {})),
        (described_type, Note(text="a"), ((Note(text="a"),), {})),
        (plain_type, {"a": 1}, (("the context",), {"a": 1, "b": 1, "words": None, "inner": Inner(x=5)})),
        (
            plain_type,
            {"a": 1, "b": 2, "words": ["w"], "inner": Inner(x=1)},
            (("the context",), {"a": 1, "b": 2, "words": ["w"], "inner": Inner(x=1)}),
        ),
        (odd_names_type, {"json": 1, "copy": 2}, ((), {"json": 1, "copy": 2, "schema": 3, "self": 4, "dict": 5})),
        (nothing_type, None, (("the context",), {})),
        (nothing_type, {}, (("the context",), {})),
    ],
)
def test_a_handler_is_called_with_what_was_enqueued(
    job_type: JobType[Any, Any], payload: object, called_with: tuple[Any, Any]
) -> None:
    assert arguments(job_type, payload) == called_with


def test_a_model_of_another_program_fits_by_its_fields() -> None:
    class Letter(BaseModel):
        text: str
        count: int

    assert arguments(note_type, Letter(text="a", count=3)) == (("the context", Note(text="a", count=3)), {})


def test_an_empty_stored_payload_is_no_fields() -> None:
    assert nothing_type.shape.decode(b"").__dict__ == {}


def test_the_payload_of_a_call_is_the_object_of_its_arguments() -> None:
    assert plain_type.payload(1) == {"a": 1}
    assert plain_type.payload(1, 2, words=["w"]) == {"a": 1, "b": 2, "words": ["w"]}
    assert odd_names_type.payload(1, copy=2) == {"json": 1, "copy": 2}
    assert nothing_type.payload() == {}
    assert place_type.payload({"city": "Ulm"}) == {"city": "Ulm"}
    assert orjson.loads(plain_type.encode(plain_type.payload(1, inner=Inner(x=7)))) == {"a": 1, "inner": {"x": 7}}


def test_the_payload_of_a_call_that_does_not_fit_is_a_type_error() -> None:
    payload: Callable[..., object] = plain_type.payload
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        payload()
    with pytest.raises(TypeError, match="unexpected keyword argument 'nope'"):
        payload(1, nope=1)


def test_the_schema_is_closed_at_every_depth() -> None:
    schema = note_type.payload_schema
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Inner"]["additionalProperties"] is False
    assert schema["properties"]["named"]["additionalProperties"] == {"$ref": "#/$defs/Inner"}
    assert schema["required"] == ["text"]


def test_the_schema_of_parameters_knows_their_defaults_and_limits() -> None:
    schema = plain_type.payload_schema
    assert schema["required"] == ["a"]
    assert set(schema["properties"]) == {"a", "b", "words", "inner"}
    assert schema["properties"]["b"] | {"title": ""} == {
        "default": 1,
        "maximum": 9,
        "minimum": 0,
        "title": "",
        "type": "integer",
    }


def anything(value: Any) -> Any:
    return value


class Strange(BaseModel):
    value: Annotated[Point, PlainSerializer(anything), PlainValidator(anything, json_schema_input_type=Callable)]


@jobd.job("strange")
async def strange_type(strange: Strange) -> None: ...


def test_a_type_that_only_python_can_describe_has_a_schema_all_the_same() -> None:
    assert strange_type.payload_schema == {"type": "object"}
