"""Nothing is lost between a producer and a handler."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, Json, Secret, SecretBytes, SecretStr, TypeAdapter, computed_field

import jobd
from jobd.domain.plain_json import to_json
from jobd.errors import PayloadError
from tests.domain.shapes import Note, faults, note_type, plain_type


@given(st.integers())
def test_integers_of_any_size_are_exact(number: int) -> None:
    for payload in ({"text": "a", "count": number}, Note(text="a", count=number)):
        assert note_type.shape.decode(note_type.encode(payload)).count == number
    assert plain_type.shape.decode(plain_type.encode({"a": number})).a == number


class Everything(BaseModel):
    text: str = ""
    number: float = 0
    exact: Decimal = Decimal(0)
    at: datetime | None = None
    day: date | None = None
    id: UUID | None = None
    data: bytes = b""
    parts: tuple[int, str] = (1, "")
    words: frozenset[str] = frozenset()
    by_number: dict[int, str] = {}


@jobd.job("everything")
async def everything_type(everything: Everything) -> None: ...


@given(st.builds(Everything, exact=st.decimals(allow_nan=False, allow_infinity=False)))
def test_whatever_a_model_holds_reaches_the_handler(everything: Everything) -> None:
    try:
        raw = everything_type.encode(everything)
    except PayloadError:
        return  # NaN, bytes that are no UTF-8 and the like: refused, not changed
    assert everything_type.shape.decode(raw) == everything


class Login(BaseModel):
    user: str = "somebody"
    password: SecretStr
    key: SecretBytes = SecretBytes(b"")
    pin: Secret[int] | None = None
    old: list[SecretStr] = []
    by_name: dict[str, SecretStr] = {}
    pairs: dict[str, tuple[SecretStr, int]] = {}
    number: int = 10**30


@jobd.job("log-in")
async def log_in_type(login: Login) -> None: ...


@jobd.job("log-in-plain")
async def log_in_plain_type(login: Login, token: SecretStr) -> None: ...


def test_secrets_reach_the_handler() -> None:
    login = Login(
        password=SecretStr("one"),
        key=SecretBytes(b"two"),
        pin=Secret(3),
        old=[SecretStr("four"), SecretStr("**********")],
        by_name={"a": SecretStr("five")},
        pairs={"b": (SecretStr("six"), 6)},
    )
    assert log_in_type.shape.decode(log_in_type.encode(login)) == login
    payload = log_in_plain_type.payload(login, token=SecretStr("seven"))
    decoded = log_in_plain_type.shape.decode(log_in_plain_type.encode(payload))
    assert (decoded.login, decoded.token) == (login, SecretStr("seven"))


class Spelled(BaseModel):
    sender: str = Field(alias="from")
    user_id: int = Field(default=0, validation_alias="userId")
    options: Json[list[int]] = []

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated properties
    @property
    def shout(self) -> str:
        return self.sender.upper()


@jobd.job("spelled")
async def spelled_type(spelled: Spelled) -> None: ...


@pytest.mark.parametrize(
    "payload",
    [
        {"from": "a", "userId": 5, "options": "[1]"},
        {"sender": "a", "user_id": 5, "options": "[1]"},
        Spelled(**{"from": "a", "userId": 5, "options": "[1]"}),
    ],
)
def test_fields_may_be_given_by_alias_or_by_name(payload: object) -> None:
    decoded = spelled_type.shape.decode(spelled_type.encode(payload))
    assert (decoded.sender, decoded.user_id, decoded.options) == ("a", 5, [1])


def test_a_field_given_by_both_is_refused() -> None:
    assert faults(spelled_type, {"from": "a", "sender": "a"}) == [("/sender", "unknown_field")]


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [
        *(
            1.5,
            1e16,
            -0.0,
            float("nan"),
            2**64,
            -(2**70),
            "é\u2028\x00\x7f",
            "**********",
            None,
            True,
            (1, "a"),
            {},
            [],
        ),
        *(
            {1: "a"},
            {None: 1},
            {Colour.RED: 1},
            Colour.RED,
            {"b"},
            b"a",
            Decimal("1.10"),
            UUID(int=5),
            date(2026, 1, 2),
        ),
        *(datetime(2026, 1, 2, tzinfo=UTC), timedelta(seconds=90), Everything(), [[[Everything()]]]),
    ],
)
def test_the_quick_way_to_write_values_writes_what_the_other_does(value: object) -> None:
    assert to_json({"value": value}) == TypeAdapter(Any).dump_json({"value": value}, round_trip=True)
