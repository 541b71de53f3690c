"""Over HTTP: what a queue says of its jobs, for all who enqueue."""

from __future__ import annotations

from typing import Any

import pytest

from jobd.client import Client
from jobd.store.store import Store
from tests.http.api import Api
from tests.http.job_types import catalog

PATH = "/api/v1/queues/letters/options"


async def test_what_is_set_holds_for_the_next_job_here_and_elsewhere(api: Api, redis_url: str) -> None:
    before = (await api.post("/api/v1/jobs", {"type": "anything", "queue": "letters"})).body
    assert (before["priority"], before["max_attempts"]) == (5, 4)
    said = (await api.patch(PATH, {"priority": "low", "retries": 1, "timeout_ms": 5_000})).body
    assert said["set"] == ["priority", "max_attempts", "timeout_ms"]
    assert (said["options"]["priority"], said["options"]["max_attempts"]) == (7, 2)
    job = (await api.post("/api/v1/jobs", {"type": "anything", "queue": "letters"})).body
    assert (job["priority"], job["max_attempts"], job["timeout_ms"]) == (7, 2, 5_000)
    async with Client(store=Store.at(redis_url), catalog=catalog()) as other:
        elsewhere = await (await other.enqueue("anything", {}, queue="letters", priority=1)).get()
        assert (elsewhere.priority, elsewhere.max_attempts) == (1, 2)
    assert (await api.patch(PATH, {"priority": None})).body["set"] == ["max_attempts", "timeout_ms"]
    assert (await api.get(PATH)).body["options"]["priority"] == 5
    assert (await api.delete(PATH)).body["set"] == []
    job = (await api.post("/api/v1/jobs", {"type": "anything", "queue": "letters"})).body
    assert (job["priority"], job["max_attempts"]) == (5, 4)


async def test_a_job_that_is_answered_at_once_is_told_as_it_became(api: Api, redis_url: str) -> None:
    await api.post("/api/v1/jobs", {"type": "anything", "queue": "letters"})
    async with Client(store=Store.at(redis_url), catalog=catalog()) as operator:
        await operator.set_queue_options("letters", tags=["ours"], delay="1h")
    told = (await api.post("/api/v1/jobs", {"type": "anything", "queue": "letters"})).body
    assert (told["tags"], told["status"]) == (["ours"], "delayed")
    assert told == (await api.get(f"/api/v1/jobs/{told['id']}")).body


async def test_what_types_tell_of_their_jobs_follows(api: Api, redis_url: str) -> None:
    async with Client(store=Store.at(redis_url), catalog=catalog()) as operator:
        await operator.set_queue_options("default", priority=2)
        assert (await api.get("/api/v1/types/anything")).body["priority"] == 2
        await operator.reset_queue_options("default")
        assert (await api.get("/api/v1/types/anything")).body["priority"] == 5


@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        ({"retries": -1}, "/retries", "-1 is not a whole number from 0 to 999"),
        ({"priority": 0}, "/priority", "0 is not between 1 (most urgent) and 10"),
        ({"timeout": 5}, "/timeout", "there is no such field; did you mean 'timeout_ms'?"),
        ({"group": "a"}, "/group", "this is an option of a job or a job type, not of a queue"),
        ({"retries": 1, "max_attempts": 2}, "/retries", "max_attempts and retries say the same in two ways; give one"),
    ],
)
async def test_what_a_queue_cannot_say_is_refused_by_its_name(
    api: Api, body: dict[str, Any], pointer: str, said: str
) -> None:
    answer = await api.patch(PATH, body)
    assert answer.status == 422
    assert [(fault["pointer"], fault["message"]) for fault in answer.body["errors"]] == [(pointer, said)]
    assert (await api.get(PATH)).body["set"] == []


async def test_the_name_of_no_queue_is_refused(api: Api) -> None:
    assert (await api.patch("/api/v1/queues/No%20Queue/options", {"retries": 1})).status == 422
