"""dramatiq: its actor and its producer."""

from __future__ import annotations

import os
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis import Redis
from tally import ran

broker = RedisBroker(client=Redis(unix_socket_path=os.environ["BENCH_SOCKET"]))
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="load")
def load(number: int, text: str) -> None:
    """Does nothing but note that it ran."""
    ran(number)


class Producer:
    """An actor, as programs use it."""

    def one(self, payload: dict[str, Any]) -> None:
        load.send(**payload)

    def close(self) -> None:
        broker.close()


if __name__ == "__main__":
    from producer import main

    main(Producer())
