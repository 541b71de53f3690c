"""Job types whose handlers take batches: what they may say, and what their signatures mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

import jobd
from jobd.domain.batch import Batch, read_batch
from jobd.domain.jobtype import JobType
from jobd.errors import OptionError, PayloadError, PluginError


class Doc(BaseModel):
    text: str


class Indexed(BaseModel):
    at: int


async def with_contexts(contexts: list[jobd.Context], items: list[Doc]) -> list[Indexed | ValueError]:
    return []


async def alone(items: list[Doc]) -> list[Indexed]:
    return []


async def one_for_all(items: list[Doc]) -> Indexed:
    return Indexed(at=1)


async def nothing_but_errors(items: list[Doc]) -> list[Exception]:
    return []


async def one_by_one(doc: Doc) -> None: ...


async def plain(numbers: list[int]) -> None: ...


async def two(items: list[Doc], others: list[Doc]) -> None: ...


async def one_context(ctx: jobd.Context, items: list[Doc]) -> None: ...


async def wrong_contexts(contexts: list[jobd.SyncContext], items: list[Doc]) -> None: ...


def batched(handler: Callable[..., Any], **options: Any) -> JobType[Any, Any]:
    made: JobType[Any, Any] = jobd.job("index", batch=10, **options)(handler)
    return made


def test_a_batch_has_a_size_a_wait_and_keeps_groups_apart_unless_told() -> None:
    assert batched(alone).batch == Batch(10, 100, mixed=False)
    assert batched(alone, batch_wait="2s", batch_mixed=True).batch == Batch(10, 2_000, mixed=True)
    assert batched(alone, batch_wait="1h").batch == Batch(10, 3_600_000, mixed=False)
    assert jobd.job("plain")(one_by_one).batch is None


@pytest.mark.parametrize(
    ("size", "wait", "mixed", "said"),
    [
        (0, None, False, "batch: 0 is not a whole number from 1 to 1,000"),
        (1_001, None, False, "batch: 1001 is not a whole number from 1 to 1,000"),
        (1.5, None, False, "batch: 1.5 is not a whole number from 1 to 1,000"),
        (True, None, False, "batch: True is not a whole number from 1 to 1,000"),
        (10, "soon", False, "batch_wait: 'soon' is not a duration"),
        (10, "61m", False, "batch_wait: '61m' is too long; it may be up to 1h"),
        (None, "1s", False, "batch_wait: say how many jobs are one batch, as batch=100"),
        (None, None, True, "batch_mixed: say how many jobs are one batch, as batch=100"),
    ],
)
def test_what_is_no_batch_is_refused_by_name(size: Any, wait: Any, mixed: bool, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_batch(size, wait, mixed)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("handler", [with_contexts, alone, one_for_all])
def test_payload_and_result_are_those_of_one_job(handler: Callable[..., Any]) -> None:
    job_type = batched(handler)
    assert job_type.encode(Doc(text="a")) == b'{"text":"a"}'
    assert job_type.payload_schema["properties"].keys() == {"text"}
    assert job_type.encode_result(Indexed(at=3)) == b'{"at":3}'
    assert job_type.decode_result({"at": 3}) == Indexed(at=3)
    with pytest.raises(PayloadError):
        job_type.encode({"items": []})


def test_what_returns_nothing_but_errors_has_no_result() -> None:
    assert batched(nothing_but_errors).shape.result is None


def test_the_fields_that_options_name_are_those_of_one_job() -> None:
    assert batched(alone, unique=["text"], group="{text}").shape.fields == ("text",)
    with pytest.raises(OptionError, match="no_such"):
        batched(alone, unique=["no_such"])


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (one_by_one, "parameter 'doc' is not a list; a handler of batches takes a list of models"),
        (plain, "a handler of batches takes a list of models"),
        (two, "a handler of batches takes a list of models"),
        (one_context, "parameter 'ctx' is not a list; a handler of batches takes a list of models"),
        (wrong_contexts, "parameter 'contexts' of an async handler is a jobd.Context"),
    ],
)
def test_a_signature_that_cannot_take_a_batch_is_refused_with_the_cure(handler: Callable[..., Any], said: str) -> None:
    with pytest.raises(PluginError) as caught:
        _ = batched(handler).shape
    assert said in str(caught.value)


async def test_a_test_calls_the_handler_with_lists() -> None:
    assert await batched(with_contexts)([], []) == []
