"""What is said about a payload that does not fit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, SecretStr, field_validator

import jobd
from jobd.domain.jobtype import JobType
from jobd.domain.payload import MOST_FAULTS
from jobd.errors import PayloadError
from tests.domain.shapes import Note, faults, note_type, nothing_type, place_type, plain_type, point_type


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ({"text": "a", "z": 1}, "/z"),
        ({"text": "a", "inner": {"z": 1}}, "/inner/z"),
        ({"text": "a", "many": [{}, {"z": 1}]}, "/many/1/z"),
        ({"text": "a", "named": {"a/b~c": {"z": 1}}}, "/named/a~1b~0c/z"),
    ],
)
def test_unknown_fields_are_refused_at_every_depth_whatever_the_model_says(payload: object, pointer: str) -> None:
    assert faults(note_type, payload) == [(pointer, "unknown_field")]


@pytest.mark.parametrize(
    ("job_type", "payload", "pointer"),
    [
        (point_type, {"x": 1, "z": 1}, "/z"),
        (place_type, {"z": 1}, "/z"),
        (place_type, {"inner": {"z": 1}}, "/inner/z"),
        (plain_type, {"a": 1, "z": 1}, "/z"),
        (plain_type, {"a": 1, "inner": {"z": 1}}, "/inner/z"),
        (plain_type, {"a": 1, "ctx": 1}, "/ctx"),
        (nothing_type, {"z": 1}, "/z"),
    ],
)
def test_unknown_fields_are_refused_in_every_shape(job_type: JobType[Any, Any], payload: object, pointer: str) -> None:
    assert faults(job_type, payload) == [(pointer, "unknown_field")]


def test_each_wrong_field_is_listed_with_its_place() -> None:
    payload = {"count": "many", "inner": {"x": []}, "many": [{"x": 1}, {"x": "y"}], "either": {"x": "y"}, "z": 1}
    assert faults(note_type, payload) == [
        ("/text", "missing"),
        ("/count", "int_parsing"),
        ("/inner/x", "int_type"),
        ("/many/1/x", "int_parsing"),
        # the branches of a union have no place of their own
        ("/either", "int_type"),
        ("/either/x", "int_parsing"),
        ("/z", "unknown_field"),
    ]
    with pytest.raises(PayloadError) as caught:
        note_type.encode(payload)
    assert str(caught.value).startswith(
        "the payload does not fit note: /text: this field is required; /count: Input should be a valid integer"
    )
    assert str(caught.value).endswith("; and 2 more")


@pytest.mark.parametrize("payload", ["text", 5, [1], True, b"{}"])
def test_what_is_no_object_is_refused_as_a_whole(payload: object) -> None:
    for job_type in (note_type, plain_type, point_type, place_type):
        (fault,) = faults(job_type, payload)
        assert fault[0] == ""


@pytest.mark.parametrize("payload", [{"text": object()}, {"text": "\ud800"}, {"text": b"\xff"}, object()])
def test_what_has_no_json_is_refused(payload: object) -> None:
    assert faults(note_type, payload) == [("", "not_json")]


def test_what_refers_to_itself_is_refused() -> None:
    payload: dict[str, Any] = {}
    payload["text"] = payload
    assert faults(note_type, payload) == [("", "not_json")]


@pytest.mark.parametrize("raw", [b"{", b"nul", b'{"text":"a"}\0', b"[" * 10_000, b'{"text":' + b"[" * 10_000, b"\xff"])
def test_a_stored_payload_that_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(PayloadError) as caught:
        note_type.check_json(raw)
    assert [fault["code"] for fault in caught.value.faults] == ["not_json"]


def test_a_model_that_was_changed_into_something_wrong_is_refused() -> None:
    note = Note(text="a")
    note.count = "many"  # type: ignore[assignment]  # that is the point
    assert faults(note_type, note) == [("/count", "int_parsing")]
    hollow = Note.model_construct()  # type: ignore[call-arg]  # and so is that
    assert faults(note_type, hollow) == [("/text", "missing")]


def test_a_flood_of_faults_is_cut_short() -> None:
    payload = {"text": "a", "many": [1] * 1_000}
    assert len(faults(note_type, payload)) == MOST_FAULTS
    with pytest.raises(PayloadError, match=r"; and 995 more$"):
        note_type.encode(payload)


def test_constraints_hold_for_parameters() -> None:
    assert faults(plain_type, {"a": 1, "b": 10}) == [("/b", "less_than_equal")]


def even(value: int) -> int:
    if value % 2:
        raise ValueError("this is odd")
    return value


@jobd.job("even")
async def even_type(number: Annotated[int, AfterValidator(even)]) -> None: ...


def test_a_model_says_why_it_refuses() -> None:
    with pytest.raises(PayloadError, match=r"^the payload does not fit even: /number: this is odd$"):
        even_type.encode({"number": 3})


def broken(value: int) -> int:
    raise KeyError(value)


@jobd.job("broken")
async def broken_type(number: Annotated[int, AfterValidator(broken)]) -> None: ...


def test_a_check_that_breaks_is_a_refusal_too() -> None:
    with pytest.raises(PayloadError, match="the payload of broken: its check broke: KeyError: 3"):
        broken_type.encode({"number": 3})


class Careful(BaseModel):
    word: Literal["a"] = "a"
    number: int = 0
    secret: SecretStr = SecretStr("")

    @field_validator("secret")
    @classmethod
    def _long(cls, value: SecretStr) -> SecretStr:
        raise ValueError("this is too short")


@jobd.job("careful")
async def careful_type(careful: Careful) -> None: ...


def test_no_refusal_repeats_what_was_given() -> None:
    canary = "canary-in-the-payload"
    with pytest.raises(PayloadError) as caught:
        careful_type.encode({"word": canary, "number": canary, "secret": canary})
    assert len(caught.value.faults) == 3
    assert canary not in str(caught.value)
    assert canary not in repr(caught.value.faults)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
