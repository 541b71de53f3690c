"""The server: takes connections, and can stop taking them while the requests that run come to their end."""

from __future__ import annotations

import asyncio
import os
from importlib.metadata import version
from typing import Final, cast

import orjson
from aiohttp import web

from jobd.client import Client
from jobd.errors import RoleError
from jobd.http.aliases import ALIASES, CANONICAL
from jobd.http.auth import Guard
from jobd.http.connection import Connection
from jobd.http.fixed_paths import FixedPaths
from jobd.http.openapi import describe
from jobd.http.problems import answering
from jobd.http.routes import ROUTES, Permission, add_routes
from jobd.http.service import Service
from jobd.settings import Settings

IDLE_S: Final = 75.0
"""how long a connection may be silent between requests, and before the first one is whole"""
GRACE_S: Final = 5.0
"""how long running requests may take to end at the stop"""


class HttpServer:
    """The HTTP API on one address."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Raises SettingsError if the address may not be served without a token."""
        token = settings.http.token
        self._guard = Guard(settings.host, token.get_secret_value() if token is not None else None)
        self._client = client
        self._settings = settings
        self._leaving = asyncio.Event()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self.port = settings.port
        """valid after `start`: the one that was bound"""

    @property
    def host(self) -> str:
        """The address that it listens on, as it was given."""
        return self._settings.host

    async def start(self) -> None:
        """Returns when connections are taken. Twice is harmless. Raises RoleError if the address cannot be had."""
        if self._runner is not None:
            return
        self._leaving.clear()
        self._closing.clear()
        runner = self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=GRACE_S)
        await runner.setup()
        try:
            self._listener = await self._listen(runner)
        except BaseException:
            await self.stop()
            raise
        self.port = self._listener.sockets[0].getsockname()[1]

    async def quiet(self) -> None:
        """Says that it is not ready, and ends each connection with its next answer. Jobs are still taken, and
        questions answered, on new connections too: running jobs may need a while to end."""
        self._leaving.set()

    async def stop(self) -> None:
        """Takes no new connections, answers whoever waits for a job, gives running requests 5 seconds to end, and
        closes all connections. Twice is harmless."""
        self._leaving.set()
        self._closing.set()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def _app(self) -> web.Application:
        routes = ROUTES + ALIASES
        open_handlers = frozenset(route.handler for route in routes if route.needs is Permission.NONE)
        most_bytes = self._settings.http.max_body
        middleware = answering(self._guard, open_handlers, self._leaving)
        app = web.Application(
            middlewares=[middleware],
            client_max_size=most_bytes + 1,  # aiohttp refuses a body of exactly this size
        )
        add_routes(app, routes)
        description = orjson.dumps(describe(ROUTES, ALIASES, CANONICAL, version=version("jobd")))
        service = Service(self._client, most_bytes, self._leaving, self._closing, description)
        self._fixed_paths = FixedPaths(app, middleware, service)
        return app

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        server = cast("web.Server", runner.server)  # there is one after the setup
        server.request_handler = self._fixed_paths.before(server.request_handler)

        def connection() -> Connection:
            return Connection(
                server,
                loop=loop,
                access_log=None,  # type: ignore[arg-type]  # None turns it off, as in AppRunner
                keepalive_timeout=IDLE_S,
                auto_decompress=False,
            )

        host, port = self._settings.host, self._settings.port
        try:
            return await loop.create_server(connection, host, port, backlog=1_024)
        except OSError as error:
            # what asyncio says of it repeats the address
            why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else error.strerror or error
            raise RoleError(
                f"api: cannot listen on {host}:{port}: {why}; choose another with --port or JOBD_PORT, or end "
                "the program that has it"
            ) from error
