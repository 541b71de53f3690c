"""Every error of the API has one form: application/problem+json (RFC 9457)."""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from jobd import log
from jobd.errors import JobdError, QueueFull, StoreError, StoreUnavailable, UniqueConflict
from jobd.http.answer import answer
from jobd.http.auth import SAFE_METHODS, Guard
from jobd.http.body import too_large
from jobd.http.refusals import BadRequest, NotAllowed, NotFound
from jobd.http.service import SERVICE

_TITLES: Final = {
    "bad_request": "The request cannot be understood",
    "unauthenticated": "A token is needed",
    "forbidden": "This is not allowed",
    "not_found": "There is no such thing",
    "method_not_allowed": "This path does not offer the method",
    "request_timeout": "The request did not arrive in time",
    "conflict": "The state of the job does not allow this",
    "not_finished": "The job has not ended",
    "unique_conflict": "Another job has the unique key",
    "idempotency_mismatch": "The idempotency key came with another request",
    "payload_too_large": "The body is too large",
    "unsupported_media_type": "The body must be JSON",
    "validation_failed": "The request is not valid",
    "unknown_type": "There is no such job type",
    "operation_not_found": "There is no such operation",
    "worker_not_found": "There is no such worker",
    "queue_full": "The queue takes no more jobs now",
    "internal": "Something went wrong here",
}
_TROUBLE: Final = {
    "redis_unavailable": "the store did not answer in time",
    "store_full": "the store has no memory for new jobs; nothing was stored",
    "enqueue_expired": "the store took too long to be reached; nothing was stored by this request",
}
"""what may be told of trouble behind the API; the log has the rest"""
_DOUBT: Final = "; it is unknown whether this took effect. With an id of your own choice it is safe to send it again"
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
_LONGEST_DETAIL, _LONGEST_MESSAGE = 2_000, 500
_RETRY_AFTER_S = "2"

_start = secrets.token_hex(4)
_numbers = itertools.count(1)
_log = log.get("http")


def answering(guard: Guard, open_handlers: Collection[object], leaving: asyncio.Event) -> Middleware:
    """The middleware through which all requests pass: lets in, answers, and turns each error into a problem. Handlers
    in `open_handlers` answer everybody. When it is `leaving`, each connection ends with its next answer."""

    @web.middleware
    async def answer_always(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = _request_id(request)
        try:
            if handler not in open_handlers:
                guard.check(request)
            response = await handler(request)
        except JobdError as error:
            response = _of_error(request, error, request_id)
        except web.HTTPException as error:
            response = _of_aiohttp(request, error, request_id)
        except (ConnectionError, web.RequestPayloadError):
            response = _of_error(request, BadRequest("the body broke off, or its encoding is broken"), request_id)
        except Exception as error:  # noqa: BLE001  # the last boundary: it is logged, and the client is told
            response = _of_error(request, error, request_id)
        response.headers["X-Request-Id"] = request_id
        if leaving.is_set():
            response.force_close()
        return response

    return answer_always


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    instance: str,
    request_id: str,
    retryable: bool = False,
    faults: Sequence[Mapping[str, object]] = (),
    headers: Mapping[str, str] | None = None,
    job_id: str | None = None,
) -> web.Response:
    """The response that tells an error; `job_id` is of the job that stands in the way."""
    body: dict[str, Any] = {
        "type": f"/problems/{code.replace('_', '-')}",
        "title": _TITLES.get(code) or ("The store has trouble" if status == 503 else HTTPStatus(status).phrase),
        "status": status,
        "detail": _told(detail, _LONGEST_DETAIL),
        "instance": instance,
        "code": code,
        "request_id": request_id,
        "retryable": retryable,
    }
    if job_id is not None:
        body["job_id"] = job_id
    if faults:
        body["errors"] = [
            {name: _told(str(text), _LONGEST_MESSAGE) for name, text in fault.items()} for fault in faults
        ]
    return answer(body, status, {**(headers or {}), "Content-Type": "application/problem+json"})


def _of_error(request: web.Request, raised: Exception, request_id: str) -> web.Response:
    error = raised if isinstance(raised, JobdError) else JobdError()
    detail, headers = str(error), getattr(error, "headers", None)
    if isinstance(error, StoreError):
        _log.warning("the store has trouble", request_id=request_id, code=error.code, error=detail)
        detail = _TROUBLE.get(error.code, "the store cannot be worked with at the moment")
        if isinstance(error, StoreUnavailable) and request.method not in SAFE_METHODS:
            detail += _DOUBT
        headers = {"Retry-After": _RETRY_AFTER_S} if error.retryable else None
    elif isinstance(error, QueueFull):
        headers = {"Retry-After": _RETRY_AFTER_S}
    elif error.status >= 500:
        _log.error("a request failed", request_id=request_id, method=request.method, path=request.path, exc_info=raised)
        detail = "this is a fault of the server; its log says more under this request id"
    return problem(
        status=error.status,
        code=error.code,
        detail=detail,
        instance=request.rel_url.raw_path,
        request_id=request_id,
        retryable=error.retryable,
        faults=getattr(error, "faults", ()),
        headers=headers,
        job_id=error.job_id if isinstance(error, UniqueConflict) else None,
    )


def _of_aiohttp(request: web.Request, error: web.HTTPException, request_id: str) -> web.Response:
    match error:
        case web.HTTPNotFound():
            refusal: JobdError = NotFound(f"there is nothing at {request.path}; GET / tells what there is")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            refusal = NotAllowed(f"{request.path} offers {allowed}, not {request.method}", headers={"Allow": allowed})
        case web.HTTPRequestEntityTooLarge():
            refusal = too_large(request[SERVICE].most_bytes)
        case _:
            return problem(
                status=error.status,
                code=HTTPStatus(error.status).phrase.lower().replace(" ", "_"),
                detail=error.reason,
                instance=request.rel_url.raw_path,
                request_id=request_id,
            )
    return _of_error(request, refusal, request_id)


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-Id")
    return given if given and _SANE_ID.fullmatch(given) else next_request_id()


def next_request_id() -> str:
    """An id for a request that brings none, unique among all starts of all servers."""
    return f"req_{_start}{next(_numbers):06x}"


def _told(text: str, longest: int) -> str:
    """Text that any JSON parser takes, and no longer than anybody reads."""
    shown = text if len(text) <= longest else f"{text[:longest]}…"
    return shown.encode("utf-8", "replace").decode()
