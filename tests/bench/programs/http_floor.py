"""The floor of an API: a bare aiohttp handler that parses and validates the body that enqueues a job, and answers."""

from __future__ import annotations

import asyncio
from typing import Annotated

import orjson
import uvloop
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Load(BaseModel):
    """The payload."""

    model_config = ConfigDict(extra="forbid")
    number: int
    text: str


class Job(BaseModel):
    """The body of one."""

    model_config = ConfigDict(extra="forbid")
    type: str
    data: Load


class Jobs(BaseModel):
    """The body of many."""

    model_config = ConfigDict(extra="forbid")
    jobs: Annotated[list[Job], Field(min_length=1, max_length=1_000)]


_job, _jobs = TypeAdapter(Job), TypeAdapter(Jobs)


async def create(request: web.Request) -> web.Response:
    job = _job.validate_python(orjson.loads(await request.read()))
    body = orjson.dumps({"id": f"{job.data.number:026}", "type": job.type})
    return web.Response(body=body, status=201, content_type="application/json")


async def create_many(request: web.Request) -> web.Response:
    jobs = _jobs.validate_python(orjson.loads(await request.read())).jobs
    body = orjson.dumps({"data": [{"id": f"{job.data.number:026}", "type": job.type} for job in jobs]})
    return web.Response(body=body, status=201, content_type="application/json")


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
