"""A connection: what comes in on it and is not HTTP is answered with a problem too."""

from __future__ import annotations

from aiohttp import web

from jobd import log
from jobd.http.problems import next_request_id, problem

_log = log.get("http")


class Connection(web.RequestHandler):
    """As aiohttp has it, except for what it says when it cannot go on."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what could not be read as a request, or failed outside of all handlers."""
        request_id = next_request_id()
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already; it cannot become another one")
        if status >= 500:
            _log.error("a request failed", request_id=request_id, exc_info=exc)
            code, detail = "internal", "this is a fault of the server; its log says more under this request id"
        else:
            code, detail = "bad_request", "this cannot be read as an HTTP request"
        response = problem(status=status, code=code, detail=detail, instance="", request_id=request_id)
        response.headers["X-Request-Id"] = request_id
        response.force_close()
        return response
