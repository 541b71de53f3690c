"""A client of the API that takes little CPU of its own: prepared requests, on connections that are kept open.

    python http_client.py PORT --connections N --requests N [--batch N]

Each connection has one request under way. Prints how many were sent and how long that took; any answer but 201 ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Iterator

import uvloop
from producer import load

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)


def requests(count: int, batch: int) -> list[bytes]:
    """`count` requests for one job each, or for `batch` of them."""
    made = []
    for number in range(count):
        jobs = [{"type": "bench-load", "data": load(batch * number + at)} for at in range(batch)]
        path, body = ("/batch", {"jobs": jobs}) if batch > 1 else ("", jobs[0])
        text = json.dumps(body).encode()
        head = f"POST /api/v1/jobs{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        made.append(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
    return made


class Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered."""

    def __init__(self, left: Iterator[bytes]) -> None:
        self._left = left
        self._answer = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self) -> None:
        request = next(self._left, None)
        if request is None:
            self.ended.set_result(None)
            self._transport.close()
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, mark, body = self._answer.partition(b"\r\n\r\n")
        if not mark:
            return
        length = _LENGTH.search(head + b"\r\n")
        if length is None or not head.startswith(b"HTTP/1.1 201"):
            self.ended.set_exception(RuntimeError(f"this answer was not expected: {self._answer!r}"))
        elif len(body) >= int(length[1]):
            self._answer = b""
            self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or RuntimeError("the server closed the connection"))


async def run(port: int, connections: int, count: int, batch: int) -> None:
    made = requests(count, batch)
    left = iter(made)
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: Connection(left), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    started = time.perf_counter()
    for connection in opened:
        connection.send()
    await asyncio.gather(*(connection.ended for connection in opened))
    print(json.dumps({"count": count * batch, "seconds": time.perf_counter() - started}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--batch", type=int, default=1)
    given = parser.parse_args()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(run(given.port, given.connections, given.requests, given.batch))
