"""Paths without variables: their handlers are found by one look. aiohttp's way from a request to its handler takes as
much as all checks of a job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

Answers = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class FixedPaths:
    """Stands before an application that has one middleware, and hands on what it does not know."""

    def __init__(self, app: web.Application, middleware: Middleware) -> None:
        """The routes of the application are all there."""
        self._middleware = middleware
        self._known = {
            (route.method, route.resource.canonical): (_match(app, route), route.handler)
            for route in app.router.routes()
            if isinstance(route.resource, web.PlainResource)
        }

    def before(self, others: Answers) -> Answers:
        """Answers each request, with the help of what answers all `others`."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            known = self._known.get((request.method, request.raw_path))
            if known is None or "Expect" in request.headers or not isinstance(request, web.Request):
                return await others(request)
            request._match_info, handler = known  # there is no public way to say it
            return await self._middleware(request, handler)

        return answer


def _match(app: web.Application, route: web.AbstractRoute) -> web.UrlMappingMatchInfo:
    """What a request is told of the route that it has taken; the same for all, as there are no variables."""
    match = web.UrlMappingMatchInfo({}, route)
    match.add_app(app)
    match.current_app = app
    match.freeze()
    return match
