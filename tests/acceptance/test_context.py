"""What a handler may say and ask while it runs, in each shape."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from jobd_testbed import spawn, talk, talk_sync

import jobd
from jobd.domain.state import State
from tests.acceptance.program import PATIENCE_S


@pytest.mark.requirement("2.5")
@pytest.mark.requirement("2.6")
async def test_progress_and_log_lines_are_kept_with_the_job(client: jobd.Client) -> None:
    handle = await client.enqueue(talk, {"lines": 20})
    assert await handle.result(PATIENCE_S) == [handle.id, "False"]
    job = await handle.get()
    assert job.progress is not None
    assert (job.progress.done, job.progress.total, job.progress.message) == (20, 20, "line 20")
    lines = await client.logs(handle.id)
    assert [(line.level, line.text, line.fields["number"], line.attempt) for line in lines] == [
        ("info", "working", number, 1) for number in range(20)
    ]


@pytest.mark.requirement("1.3")
async def test_a_sync_handler_has_the_same_words(client: jobd.Client) -> None:
    handle = await client.enqueue(talk_sync, {"lines": 5})
    assert await handle.result(PATIENCE_S) >= 0  # how often others were greeted before
    job = await handle.get()
    assert job.progress is not None
    assert job.progress.done == 5
    assert len(await client.logs(handle.id)) == 5
    assert await client.result(f"child-of-{handle.id}", PATIENCE_S) == {"text": "from a thread", "count": 1}


@pytest.mark.requirement("2.10")
async def test_what_a_handler_enqueues_becomes_real_with_its_completion(client: jobd.Client) -> None:
    handle = await client.enqueue(spawn, {"children": 30})
    children = await handle.result(PATIENCE_S)
    assert len(set(children)) == 30
    for number, child in enumerate(children):
        assert await client.result(child, PATIENCE_S) == {"text": f"child {number}", "count": 1}


async def test_an_attempt_that_fails_leaves_no_children(client: jobd.Client) -> None:
    began = datetime.now(UTC)
    handle = await client.enqueue(spawn, {"children": 5, "fail_first": True})
    children = await handle.result(PATIENCE_S)
    for child in children:
        await client.result(child, PATIENCE_S)
    # those of the first attempt never were
    made = await client.list(type="echo", created_after=began)
    assert {job.id for job in made.jobs} == set(children)
    assert (await handle.get()).attempt == 2


async def test_a_job_that_is_to_have_too_many_children_is_told_so(client: jobd.Client) -> None:
    handle = await client.enqueue(spawn, {"children": 501}, max_attempts=1)
    job = await client.wait(handle.id, PATIENCE_S)
    assert job.status == State.FAILED
    assert "up to 500 jobs" in (job.error or {})["message"]
