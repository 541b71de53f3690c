"""The admin API of queues under the paths that another system has (requirements 4.5)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from jobd.domain.names import same_name
from jobd.domain.queue import Queue
from jobd.domain.rendering import page_to_json, pause_to_json
from jobd.domain.state import State
from jobd.errors import JobNotFound
from jobd.http.answer import answer, listed
from jobd.http.job_edits import remove as remove_job
from jobd.http.job_path import id_of
from jobd.http.jobs import retry as retry_job
from jobd.http.queues import known_queue
from jobd.http.service import client_of

LISTED = (State.FAILED, State.COMPLETED, State.ACTIVE, State.WAITING, State.DELAYED)
_MOST = 100


async def all_stats(request: web.Request) -> web.Response:
    """How many jobs each queue has in each state."""
    return answer(listed([_stats(queue) for queue in (await client_of(request).queues()).values()]))


async def stats(request: web.Request) -> web.Response:
    """How many jobs a queue has in each state."""
    return answer(_stats(await known_queue(request)))


async def all_health(request: web.Request) -> web.Response:
    """How each queue is: 503 if any is unhealthy."""
    client = client_of(request)
    queues = (await client.queues()).values()
    hints = await client.queue_hints(queues)
    rows = [_health(queue, hints.get(queue.name)) for queue in queues]
    return answer(listed(rows), 503 if any(row["status"] == "unhealthy" for row in rows) else 200)


async def health(request: web.Request) -> web.Response:
    """How a queue is: unhealthy (503) if jobs wait and no living worker takes them, degraded while it is paused."""
    queue = await known_queue(request)
    row = _health(queue, (await client_of(request).queue_hints([queue])).get(queue.name))
    return answer(row, 503 if row["status"] == "unhealthy" else 200)


def listing_of(state: State) -> Any:
    """The handler that lists the jobs of a queue in this state."""

    async def list_some(request: web.Request) -> web.Response:
        queue = await known_queue(request)
        page = await client_of(request).list(queue=queue.name, status=state.value, limit=_MOST)
        return answer(page_to_json(page.jobs, limit=_MOST, cursor=None, scanned=page.scanned, complete=page.complete))

    list_some.__doc__ = f"The first {_MOST} {state} jobs of a queue."
    return list_some


async def retry(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Runs an ended job of a queue again."""
    await _check_queue(request)
    return await retry_job(request, body)


async def remove(request: web.Request) -> web.Response:
    """Removes a job of a queue."""
    await _check_queue(request)
    return await remove_job(request)


async def _check_queue(request: web.Request) -> None:
    """Raises JobNotFound if the job is in another queue than the path names."""
    job = await client_of(request).get(id_of(request))
    if same_name(job.queue) != same_name(request.match_info["queue"]):
        raise JobNotFound(f"there is no job {job.id} in queue {request.match_info['queue']}; it is in {job.queue}")


def _stats(queue: Queue) -> dict[str, Any]:
    counts = {state.value: queue[state] for state in State}
    return {"queue": queue.name, **counts, "paused": queue.paused is not None}


def _health(queue: Queue, hint: str | None) -> dict[str, Any]:
    if queue.paused:
        status, reason = "degraded", "it is paused"
    elif hint:
        status, reason = "unhealthy", hint
    else:
        status, reason = "healthy", None
    paused = pause_to_json(queue.paused) if queue.paused else None
    return {"queue": queue.name, "status": status, "reason": reason, "paused": paused}
