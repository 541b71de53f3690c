"""The floor of an API: a bare aiohttp handler that parses and validates the body that enqueues a job, and answers.

It does what one would write by hand with the same model of the payload: the body may have the fields that jobd takes,
each of its type and in its range, and no others; the type is looked up, and the payload must fit its model, with no
other fields either. What it leaves out, and jobd does: JSON that parsers disagree about (a key given twice, numbers
that lose digits, too much depth) is not refused, nobody is kept out, faults are not explained, and nothing is stored.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import orjson
import uvloop
from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,127}$")]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$")]
Key = Annotated[str, Field(min_length=1, max_length=128)]
Length = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Load(BaseModel):
    """The payload."""

    model_config = ConfigDict(extra="forbid")
    number: int
    text: str


class Job(BaseModel):
    """The body of one."""

    model_config = ConfigDict(extra="forbid")
    type: Name
    data: dict[str, Any] = {}
    id: Id | None = None
    queue: Name | None = None
    priority: Annotated[int, Field(ge=1, le=10)] | Literal["critical", "high", "normal", "low"] | None = None
    delay_ms: Length | None = None
    run_at: AwareDatetime | None = None
    max_attempts: Annotated[int, Field(ge=1, le=1_000)] | None = None
    backoff: str | list[Length] | dict[str, Any] | None = None
    timeout_ms: Count | None = None
    expires: str | None = None
    deadline: str | None = None
    unique: bool | str | list[str] | dict[str, Any] | None = None
    tags: list[Key] | None = None
    metadata: dict[str, Any] | None = None
    group: Key | None = None
    ordering_key: Key | None = None
    concurrency_key: Key | None = None
    concurrency: Count | None = None
    rate: str | None = None


class Jobs(BaseModel):
    """The body of many."""

    model_config = ConfigDict(extra="forbid")
    jobs: Annotated[list[Job], Field(min_length=1, max_length=1_000)]


_job, _jobs = TypeAdapter(Job), TypeAdapter(Jobs)
TYPES = {"bench-load": TypeAdapter(Load)}


def taken(job: Job) -> dict[str, str]:
    """What is said of a job whose payload fits its type. Raises ValidationError, KeyError."""
    load = TYPES[job.type].validate_python(job.data)
    return {"id": f"{load.number:026}", "type": job.type}


async def create(request: web.Request) -> web.Response:
    try:
        said = taken(_job.validate_python(orjson.loads(await request.read())))
    except (orjson.JSONDecodeError, ValidationError, KeyError):
        return web.Response(status=422)
    return web.Response(body=orjson.dumps(said), status=201, content_type="application/json")


async def create_many(request: web.Request) -> web.Response:
    try:
        said = [taken(job) for job in _jobs.validate_python(orjson.loads(await request.read())).jobs]
    except (orjson.JSONDecodeError, ValidationError, KeyError):
        return web.Response(status=422)
    return web.Response(body=orjson.dumps({"data": said}), status=201, content_type="application/json")


async def serve() -> None:
    app = web.Application()
    app.router.add_post("/api/v1/jobs", create)
    app.router.add_post("/api/v1/jobs/batch", create_many)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (address,) = runner.addresses
    print(f"  API        http://127.0.0.1:{address[1]}/api/v1/jobs", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(serve())
