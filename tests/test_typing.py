"""What the type checker knows: a wrong payload is an error where it is enqueued, a right one is not.

One run of mypy checks the program below. A line that ends in `# refused` must be an error; one that ends in `# is …`
reveals that type; every other line must be clean.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROGRAM = """\
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from typing_extensions import TypedDict

import jobd


class Mail(BaseModel):
    to: str


class Urgent(Mail):
    pager: str = ""


class Receipt(BaseModel):
    number: int


@dataclass
class Point:
    x: int


class Place(TypedDict):
    city: str


@jobd.job("send-mail", queue="mail", max_attempts=5, backoff=jobd.Backoff.exponential("2s"), timeout="60s")
async def send_mail(ctx: jobd.Context, mail: Mail) -> Receipt:
    reveal_type(ctx.attempt)  # is int
    return Receipt(number=1)


@jobd.job("send-mail-sync")
def send_mail_sync(ctx: jobd.SyncContext, mail: Mail) -> Receipt:
    return Receipt(number=1)


@jobd.job("alone")
async def alone(mail: Mail) -> str:
    return ""


@jobd.job("draw")
def draw(point: Point) -> None: ...


@jobd.job("add")
async def add(a: int, b: int = 1) -> int:
    return a + b


@jobd.job("add-sync")
def add_sync(ctx: jobd.SyncContext, a: int, *, b: int = 1) -> int:
    return a + b


@jobd.job("tick")
async def tick(ctx: jobd.Context) -> None: ...


@jobd.job("go")
async def go(ctx: jobd.Context, place: Place) -> float:
    return 0.0


@jobd.job("index", batch=100, batch_wait="200ms", queue="mail")
async def index(contexts: list[jobd.Context], items: list[Mail]) -> list[int | Exception]:
    reveal_type(contexts[0].attempt)  # is int
    return [1 for _ in items]


@jobd.job("index-alone", batch=100)
async def index_alone(items: list[Urgent]) -> list[Receipt]:
    return []


@jobd.job("index-sync", batch=100, batch_mixed=True)
def index_sync(contexts: list[jobd.SyncContext], items: list[Point]) -> None: ...


@jobd.job("index-failing", batch=100)
def index_failing(items: list[Mail]) -> list[str | Exception]:
    return [ValueError("no"), "yes"]


@jobd.job("count", batch=100)
async def count(items: list[Mail]) -> int:
    return len(items)


def take_one(mail: Mail) -> None: ...


reveal_type(index)  # is JobType[Mail, int]
reveal_type(index_alone)  # is JobType[Urgent, Receipt]
reveal_type(index_sync)  # is JobType[Point, None]
reveal_type(index_failing)  # is JobType[Mail, str]
reveal_type(count)  # is JobType[Mail, int]
jobd.job("index", batch="many")  # refused
jobd.job("index", batch=10, batch_wait=[])  # refused
jobd.job("index", batch_wait="1s")  # refused
jobd.job("index", batch=10)(take_one)  # refused
reveal_type(send_mail)  # is JobType[Mail, Receipt]
reveal_type(send_mail_sync)  # is JobType[Mail, Receipt]
reveal_type(alone)  # is JobType[Mail, str]
reveal_type(draw)  # is JobType[Point, None]
reveal_type(add)  # is PlainJobType[[a: int, b: int =], int]
reveal_type(add_sync)  # is PlainJobType[[a: int, *, b: int =], int]
reveal_type(tick)  # is PlainJobType[[], None]
jobd.job("send-mail", priority=[])  # refused
jobd.job("send-mail", no_such=1)  # refused
jobd.job("send-mail", backoff=lambda failure: 2 * failure.attempt, on_error={ValueError: jobd.Fail, OSError: "5s"})
jobd.job("send-mail", on_error={(KeyError, OSError): lambda failure: jobd.RateLimited(failure.attempt)})
jobd.job("send-mail", backoff=["1s", 10])
jobd.job("send-mail", on_error={"ValueError": jobd.Fail})  # refused
jobd.job("send-mail", on_error={ValueError: KeyError})  # refused
jobd.job("send-mail", backoff=lambda failure: failure)  # refused


async def asynchronous(client: jobd.Client, ctx: jobd.Context) -> None:
    handle = await client.enqueue(send_mail, Mail(to="a"), delay="5s", priority="high")
    reveal_type(handle)  # is JobHandle[Receipt]
    reveal_type(await handle.result(timeout=30))  # is Receipt
    await client.enqueue(send_mail, Urgent(to="a"))
    reveal_type(await (await client.enqueue(index, Mail(to="a"))).result())  # is int
    await client.enqueue(index, [Mail(to="a")])  # refused
    await client.enqueue_many(index, [Mail(to="a"), Urgent(to="b")])
    await client.enqueue(send_mail, Receipt(number=1))  # refused
    await client.enqueue(send_mail, {"to": "a"})  # refused
    await client.enqueue(send_mail, "a")  # refused
    await client.enqueue(send_mail, Mail(to="a"), no_such=1)  # refused
    await client.enqueue(send_mail, Mail(to="a"), timeout=[])  # refused
    await client.enqueue(send_mail, Mail(to="a"), on_error={})  # refused
    await client.enqueue(send_mail, Mail(to="a"), backoff=lambda failure: 1)  # refused
    await client.enqueue_many(send_mail, [Mail(to="a")], priority=[])  # refused
    await client.enqueue_many(send_mail, [Mail(to="a")], priority="high", tags=["a"])
    await ctx.enqueue(send_mail, Mail(to="a"), id="one", delay="5s")
    await ctx.enqueue(send_mail, Mail(to="a"), no_such=1)  # refused
    await client.enqueue(draw, Point(1))
    await client.enqueue(draw, Place(city="Ulm"))  # refused
    reveal_type(await (await client.enqueue(add, add.payload(1, b=2))).result())  # is int
    add.payload("1")  # refused
    add.payload(1, c=2)  # refused
    add_sync.payload(1, 2)  # refused
    add_sync.payload(1, b=2)
    tick.payload(1)  # refused
    await client.enqueue(tick)
    await client.enqueue(go, go.payload({"city": "Ulm"}))
    go.payload({"town": "Ulm"})  # refused
    await client.enqueue(add, 5)  # refused
    reveal_type(await client.enqueue("send-mail", {"to": "a"}))  # is JobHandle[Any]
    await client.enqueue("send-mail", Mail(to="a"))
    await client.enqueue(5)  # refused
    reveal_type(await client.enqueue_many(send_mail, [Mail(to="a")]))  # is list[JobHandle[Receipt]]
    await client.enqueue_many(send_mail, [Receipt(number=1)])  # refused
    await client.enqueue_many([(send_mail, Mail(to="a")), ("other", {})])
    reveal_type(await ctx.enqueue(send_mail, Mail(to="a")))  # is JobHandle[Receipt]
    await ctx.enqueue(send_mail, Receipt(number=1))  # refused
    reveal_type(ctx.service(Receipt))  # is Receipt
    reveal_type(ctx.service("name"))  # is Any


def synchronous(client: jobd.SyncClient, ctx: jobd.SyncContext) -> None:
    handle = client.enqueue(send_mail, Mail(to="a"), delay="5s")
    reveal_type(handle.result(timeout=30))  # is Receipt
    client.enqueue(send_mail, Receipt(number=1))  # refused
    client.enqueue_many(send_mail, [Receipt(number=1)])  # refused
    reveal_type(client.enqueue(add, add.payload(1)).result())  # is int
    reveal_type(ctx.enqueue(add_sync, add_sync.payload(1)))  # is JobHandle[int]
    ctx.enqueue(send_mail, Receipt(number=1))  # refused
    ctx.enqueue(send_mail, Mail(to="a"), retries="3")  # refused
    client.enqueue(send_mail, Mail(to="a"), no_such=1)  # refused


@jobd.hookimpl
def jobd_job_types() -> list[jobd.JobType[Any, Any]]:
    return [send_mail, send_mail_sync, alone, draw, add, add_sync, tick, go]
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[str]]:
    """What mypy says of each line."""
    program = tmp_path_factory.mktemp("typing") / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--no-pretty", str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines: dict[int, list[str]] = {}
    for number, kind, text in re.findall(r"program\.py:(\d+): (error|note): (.*)", done.stdout):
        if kind == "error" or text.startswith("Revealed type"):
            lines.setdefault(int(number), []).append(text)
    assert lines, done.stdout + done.stderr
    return lines


def expectations(word: str) -> list[tuple[int, str, str]]:
    found = ((number, line.rpartition(f"  # {word}")) for number, line in enumerate(PROGRAM.splitlines(), 1))
    return [(number, code.strip(), expected.strip()) for number, (code, mark, expected) in found if mark]


@pytest.mark.requirement("1.1")
@pytest.mark.parametrize(("number", "code"), [expectation[:2] for expectation in expectations("refused")])
def test_what_is_wrong_is_refused(said: dict[int, list[str]], number: int, code: str) -> None:
    kinds = {text.rpartition("  ")[2] for text in said.get(number, [])}
    assert kinds, code
    # the fault is in the types, not in the program
    assert not kinds & {"[name-defined]", "[attr-defined]", "[syntax]"}, code


@pytest.mark.requirement("1.1")
@pytest.mark.parametrize(("number", "code", "name"), expectations("is"))
def test_types_are_known_without_being_said(said: dict[int, list[str]], number: int, code: str, name: str) -> None:
    (text,) = said[number]
    revealed = text.removeprefix('Revealed type is "').removesuffix('"')
    assert re.sub(r"\b(?:\w+\.)+(?=\w)", "", revealed) == name, code


@pytest.mark.requirement("1.1")
def test_all_the_rest_is_clean(said: dict[int, list[str]]) -> None:
    marked = {number for word in ("refused", "is") for number, _, _ in expectations(word)}
    assert {number: texts for number, texts in said.items() if number not in marked} == {}
