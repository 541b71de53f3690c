"""What a handler returns, kept and read back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, SecretStr, computed_field

from jobd.domain.jobtype import JobType
from tests.domain.shapes import Note, Point, note_type


class Login(BaseModel):
    password: SecretStr


def result_type(hint: Any) -> JobType[Any, Any]:
    async def handler() -> None: ...

    handler.__annotations__["return"] = hint
    return JobType("result", handler, note_type.options)


@pytest.mark.parametrize(
    ("hint", "result", "kept"),
    [
        (Note, Note(text="a"), Note(text="a")),
        (Note, {"text": "a"}, Note(text="a")),
        (Point, Point(1), Point(1)),
        (int, 10**30, 10**30),
        (int, -7, -7),
        (float, 3, 3.0),
        (list[int], (1, 2), [1, 2]),
        (tuple[int, str], (1, "a"), (1, "a")),
        (set[int], {1, 2}, {1, 2}),
        (datetime, datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)),
        (bytes, b"abc", b"abc"),
        (Note | None, None, None),
        (None, None, None),
        (None, {"a": 1}, {"a": 1}),
        (Any, [1, {"a": None}], [1, {"a": None}]),
        (Any, Note(text="a"), Note(text="a").model_dump()),
        (Any, {"at": date(2030, 1, 1)}, {"at": "2030-01-01"}),
    ],
)
def test_a_result_reads_back_as_what_it_was(hint: Any, result: object, kept: object) -> None:
    job_type = result_type(hint)
    raw = job_type.encode_result(result)
    plain = None if raw == b"" else orjson.loads(raw) if b"0" * 20 not in raw else int(raw)
    assert job_type.decode_result(plain) == kept


def test_no_result_takes_no_space() -> None:
    assert result_type(int).encode_result(None) == b""


@pytest.mark.parametrize(
    ("hint", "result"),
    [(int, "x"), (int, object()), (Note, {"x": 1}), (Any, object()), (Any, {"a": {1, object()}}), (str, "\ud800")],
)
def test_a_result_that_is_not_of_its_type_is_a_value_error(hint: Any, result: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        result_type(hint).encode_result(result)


def test_secrets_in_results_stay_hidden() -> None:
    assert b"canary" not in result_type(Login).encode_result(Login(password=SecretStr("canary")))
    assert b"canary" not in result_type(Any).encode_result({"login": Login(password=SecretStr("canary"))})


def test_a_computed_field_of_a_result_is_shown_and_does_not_hinder() -> None:
    class Sum(BaseModel):
        model_config = ConfigDict(extra="forbid")

        parts: list[int]

        @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated properties
        @property
        def total(self) -> int:
            return sum(self.parts)

    job_type = result_type(Sum)
    plain = orjson.loads(job_type.encode_result(Sum(parts=[1, 2])))
    assert plain == {"parts": [1, 2], "total": 3}
    assert job_type.decode_result(plain) == Sum(parts=[1, 2])
