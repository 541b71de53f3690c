"""Paths without variables: their handlers are found by one look. aiohttp's way from a request to its handler takes as
much as all checks of a job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from jobd.http.service import SERVICE, Service

Answers = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class FixedPaths:
    """Stands before an application that has one middleware, gives each request what its handler works with, and hands
    on those whose paths it does not know."""

    def __init__(self, app: web.Application, middleware: Middleware, service: Service) -> None:
        """The routes of the application are all there. Handlers of fixed paths see a request that has not passed
        through it: there is neither `app` nor `match_info`."""
        self._middleware = middleware
        self._service = service
        self._known = {
            (route.method, route.resource.canonical): route.handler
            for route in app.router.routes()
            if isinstance(route.resource, web.PlainResource)
        }

    def before(self, others: Answers) -> Answers:
        """Answers each request, with the help of what answers all `others`."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            request[SERVICE] = self._service
            handler = self._known.get((request.method, request.raw_path))
            if handler is None or "Expect" in request.headers or not isinstance(request, web.Request):
                return await others(request)
            return await self._middleware(request, handler)

        return answer
