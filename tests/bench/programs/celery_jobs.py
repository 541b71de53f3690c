"""Celery: its app and its producer."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from tally import ran

app = Celery(broker=f"redis+socket://{os.environ['BENCH_SOCKET']}")
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=100)


@app.task(name="load")
def load(number: int, text: str) -> None:
    """Does nothing but note that it ran."""
    ran(number)


class Producer:
    """A task, as programs use it."""

    def one(self, payload: dict[str, Any]) -> None:
        load.apply_async(kwargs=payload)

    def close(self) -> None:
        app.close()


if __name__ == "__main__":
    from producer import main

    main(Producer())
