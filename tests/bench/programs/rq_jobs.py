"""RQ: its function and its producer."""

from __future__ import annotations

import os
from typing import Any

from redis import Redis
from rq import Queue
from tally import ran


def load(number: int, text: str) -> int:
    """Does nothing but note that it ran."""
    ran(number)
    return number


class Producer:
    """A queue, as programs use it."""

    CHUNK = 1_000

    def __init__(self) -> None:
        self._redis = Redis(unix_socket_path=os.environ["BENCH_SOCKET"])
        self._queue = Queue(connection=self._redis)

    def one(self, payload: dict[str, Any]) -> None:
        self._queue.enqueue("rq_jobs.load", kwargs=payload)

    def many(self, payloads: list[dict[str, Any]]) -> None:
        self._queue.enqueue_many([Queue.prepare_data("rq_jobs.load", kwargs=payload) for payload in payloads])

    def close(self) -> None:
        self._redis.close()


if __name__ == "__main__":
    from producer import main

    main(Producer())
