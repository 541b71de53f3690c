"""Job types of every shape, for the tests of payloads."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

import jobd
from jobd.domain.jobtype import JobType
from jobd.errors import PayloadError

T = TypeVar("T")


class Inner(BaseModel):
    model_config = ConfigDict(extra="ignore")

    x: int = 0


class Note(BaseModel):
    model_config = ConfigDict(extra="ignore")

    text: str
    count: int = 1
    inner: Inner = Inner()
    many: list[Inner] = []
    named: dict[str, Inner] = {}
    either: int | Inner = 0


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Place(TypedDict, total=False):
    city: str
    inner: Inner


class Box(BaseModel, Generic[T]):
    content: T


@dataclasses.dataclass
class Pair(Generic[T]):
    one: T
    other: T


@jobd.job("note")
async def note_type(ctx: jobd.Context, note: Note) -> None: ...


@jobd.job("point")
async def point_type(point: Point) -> None: ...


@jobd.job("place")
def place_type(ctx: jobd.SyncContext, place: Place) -> None: ...


@jobd.job("box")
async def box_type(box: Box[int]) -> None: ...


@jobd.job("pair")
async def pair_type(pair: Pair[int]) -> None: ...


@jobd.job("described")
async def described_type(note: Annotated[Note, Field(description="what to write")]) -> None: ...


_FIVE = Inner(x=5)


@jobd.job("plain")
async def plain_type(
    ctx: jobd.Context,
    a: int,
    b: Annotated[int, Field(ge=0, le=9)] = 1,
    *,
    words: list[str] | None = None,
    inner: Inner = _FIVE,
) -> None: ...


@jobd.job("odd-names")
async def odd_names_type(json: int, copy: int, schema: int = 3, self: int = 4, dict: int = 5) -> None: ...


@jobd.job("nothing")
async def nothing_type(ctx: jobd.Context) -> None: ...


def faults(job_type: JobType[Any, Any], payload: object) -> list[tuple[str, str]]:
    with pytest.raises(PayloadError) as caught:
        job_type.encode(payload)
    return [(fault["pointer"], fault["code"]) for fault in caught.value.faults]
