"""The API as a client sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import ClientSession
from multidict import CIMultiDictProxy

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: CIMultiDictProxy[str]
    text: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.text)

    @property
    def pointers(self) -> list[str]:
        """Where the faults are that a problem lists."""
        return [fault["pointer"] for fault in self.body["errors"]]


class Api:
    """Talks to a server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = ClientSession(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(
        self, method: str, path: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        body = None if data is None else BytesIO(data)
        async with self._session.request(method, path, data=body, headers=headers, allow_redirects=False) as response:
            return Reply(response.status, response.headers, await response.read())

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.ask("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})

    async def post(self, path: str, value: Any = None, **headers: str) -> Reply:
        """Posts a JSON value; bytes go as they are, None as no body."""
        data = value if isinstance(value, bytes) or value is None else orjson.dumps(value)
        said = {name.replace("_", "-"): text for name, text in headers.items()}
        return await self.ask("POST", path, data, {**(JSON if data is not None else {}), **said})

    async def patch(self, path: str, value: Any) -> Reply:
        """Sends a JSON value that changes something."""
        return await self.ask("PATCH", path, orjson.dumps(value), JSON)

    async def delete(self, path: str) -> Reply:
        """Removes what the path names."""
        return await self.ask("DELETE", path)

    async def stream(self, path: str, chunks: Iterable[bytes]) -> Reply:
        """Posts a body whose length is not told beforehand."""

        async def pieces() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        async with self._session.post(path, data=pieces(), headers=JSON) as response:
            return Reply(response.status, response.headers, await response.read())

    async def enqueue(self, **fields: Any) -> Any:
        """The job that was made."""
        reply = await self.post("/api/v1/jobs", {"type": "anything", **fields})
        assert reply.status == 201, reply.text
        return reply.body
