"""huey: its queue and its producer."""

from __future__ import annotations

import os
from typing import Any

from huey import RedisHuey
from redis import ConnectionPool, UnixDomainSocketConnection
from tally import ran

huey = RedisHuey(
    "bench",
    results=False,
    connection_pool=ConnectionPool(connection_class=UnixDomainSocketConnection, path=os.environ["BENCH_SOCKET"]),
)


@huey.task()
def load(number: int, text: str) -> None:
    """Does nothing but note that it ran."""
    ran(number)


class Producer:
    """A task, as programs use it."""

    def one(self, payload: dict[str, Any]) -> None:
        load(**payload)

    def close(self) -> None:
        huey.storage.pool.disconnect()


if __name__ == "__main__":
    # tasks are named after the module that declares them, and the worker imports it
    import huey_jobs
    from producer import main

    main(huey_jobs.Producer())
