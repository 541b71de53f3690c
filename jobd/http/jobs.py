"""Jobs: enqueue them, look at them, cancel them, run them again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from jobd.client import Client
from jobd.domain.job import Job
from jobd.domain.rendering import attempt_to_json, job_to_json, log_line_to_json, progress_to_json, reason_to_json
from jobd.domain.state import ENDED
from jobd.errors import JobNotFound, ResultTimeout, StoreError
from jobd.handle import JobHandle
from jobd.http.answer import answer, listed, nothing
from jobd.http.enqueue_body import plan_job, plan_jobs
from jobd.http.fields import Fields
from jobd.http.idempotency import once_of
from jobd.http.job_path import id_of
from jobd.http.refusals import NotFinished
from jobd.http.service import SERVICE, client_of
from jobd.http.wire import handle_body, new_job_body, outcome_body, status_body
from jobd.intake import Planned
from jobd.store.once import Once

LONGEST_WAIT_S: Final = 60
_WAIT = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])', re.ASCII | re.IGNORECASE)


async def create(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Enqueues a job: 201 with the job, 200 with the one that has its id or its unique key already, or 204 if that is
    to be ignored."""
    client, once = client_of(request), once_of(request, body)
    planned = await plan_job(client, body, once.name if once else "")
    headers: dict[str, str] = {}
    created_ms = None
    if once is None:
        handle, created_ms = await client.enqueue_dated(planned)
    else:
        (handle,), headers = await _enqueued_once(client, [planned], once)
    if handle.outcome == "ignored":
        return nothing()
    headers |= {"Location": f"/api/v1/jobs/{handle.id}", "Jobd-Outcome": handle.outcome}
    headers["Jobd-Durability"] = handle.durability
    try:
        at_once = handle.created and not (planned.new_job.due or planned.unique)
        if created_ms and at_once and "Prefer" not in request.headers:
            said = new_job_body(planned, created_ms)
            said["hint"] = await client.hint_for(handle.queue, handle.type)
        else:
            said = await _with_hint(request, await _after_wish(request, handle.id, headers))
    except (JobNotFound, StoreError):
        # it was taken in, and whoever hears an error would send it again
        said = handle_body(handle)
    return answer(said, 201 if handle.created else 200, headers)


async def create_many(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Enqueues up to 1 000 jobs, all or none."""
    client, once = client_of(request), once_of(request, body)
    planned = await plan_jobs(client, body, once.name if once else "")
    headers: dict[str, str] = {}
    if once is None:
        handles = await client.enqueue_planned(planned)
    else:
        handles, headers = await _enqueued_once(client, planned, once)
    status = 201 if any(handle.created for handle in handles) else 200
    return answer(listed([handle_body(handle) for handle in handles]), status, headers)


async def _enqueued_once(
    client: Client, planned: Sequence[Planned], once: Once
) -> tuple[list[JobHandle[Any]], dict[str, str]]:
    """The handles of these jobs, and headers; to a request that comes again the answer is that of before."""
    handles, before = await client.enqueue_once(planned, once)
    return handles, {"Idempotency-Replayed": "true"} if before else {}


async def show(request: web.Request) -> web.Response:
    """A job, whole."""
    headers: dict[str, str] = {}
    job = await _after_wish(request, id_of(request), headers)
    return answer(await _with_hint(request, job), headers=headers)


async def show_status(request: web.Request) -> web.Response:
    """The little that somebody who polls wants to know."""
    return answer(status_body(await _job(request)))


async def show_progress(request: web.Request) -> web.Response:
    """How far a job says it is."""
    job = await _job(request)
    return answer({"id": job.id, "status": job.status, "progress": progress_to_json(job.progress)})


async def show_result(request: web.Request) -> web.Response:
    """How a job ended; 409 before that."""
    headers: dict[str, str] = {}
    job = await _after_wish(request, id_of(request), headers)
    if job.status not in ENDED:
        raise NotFinished(
            f"job {job.id} is {job.status}; it has no result yet. To wait for it, send the header Prefer: wait=30",
            headers={**headers, "Retry-After": "1"},
        )
    return answer(outcome_body(job), headers=headers)


async def show_attempts(request: web.Request) -> web.Response:
    """The attempts of a job, the oldest first."""
    job = await _job(request)
    return answer(listed([attempt_to_json(attempt) for attempt in job.attempts]))


async def show_logs(request: web.Request) -> web.Response:
    """What a job's handler logged, the oldest first."""
    lines = await client_of(request).logs(id_of(request))
    return answer(listed([log_line_to_json(line) for line in lines]))


async def show_why(request: web.Request) -> web.Response:
    """Why a job does not run now: the reasons, those that weigh most first."""
    reasons = await client_of(request).why(id_of(request))
    return answer({"id": id_of(request), "reasons": [reason_to_json(reason) for reason in reasons]})


async def cancel(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Cancels a job: 200, or 202 while its worker stops it."""
    fields = Fields(body)
    reason = fields.text("reason")
    fields.check()
    job = await client_of(request).cancel(id_of(request), reason=reason)
    return answer(job_to_json(job), 200 if job.status in ENDED else 202)


async def retry(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Runs an ended job again."""
    Fields(body).check()
    return answer(await _with_hint(request, await client_of(request).retry(id_of(request))))


async def _job(request: web.Request) -> Job:
    return await client_of(request).get(id_of(request))


async def _with_hint(request: web.Request, job: Job) -> dict[str, Any]:
    """The job, and why nobody takes it if it waits in vain."""
    body = job_to_json(job)
    body["hint"] = await client_of(request).hint(job)
    return body


async def _after_wish(request: web.Request, job_id: str, headers: dict[str, str]) -> Job:
    """The job as it is, or, if the request prefers to wait, once it has ended or when the wait is over."""
    service = request[SERVICE]
    wish = _WAIT.search(",".join(request.headers.getall("Prefer", ())))
    if wish is None:
        return await service.client.get(job_id)
    seconds = min(int(wish[1]), LONGEST_WAIT_S)
    headers["Preference-Applied"] = f"wait={seconds}"
    if seconds == 0:
        return await service.client.get(job_id)
    return await _ended(service.client, service.closing, job_id, seconds)


async def _ended(client: Client, closing: asyncio.Event, job_id: str, seconds: int) -> Job:
    ended = asyncio.ensure_future(client.wait(job_id, seconds))
    closed = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait((ended, closed), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return ended.result()
    except ResultTimeout:
        pass
    finally:
        for waiting in (ended, closed):
            waiting.cancel()
        await asyncio.wait((ended, closed))
    return await client.get(job_id)
