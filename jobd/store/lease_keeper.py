"""Renews the leases of a process and its children, from a thread of its own.

A thread, because no handler that blocks the event loop may cost its neighbours their lease; and one that renews only
for those who show that they live, so that what hangs for good is taken over in the end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from jobd import log
from jobd.store.keys import Keys
from jobd.store.scripts import load

Lives = Callable[[], bool]
Lost = Callable[[], None]


class LeaseKeeper:
    """Renews every third of a lease. Its callbacks run in its thread and must return at once."""

    def __init__(self, url: str, prefix: str, shards: int, lease_ms: int, *, on_suspects: Lost | None = None) -> None:
        self._lease_ms = lease_ms
        self._interval_s = lease_ms / 3_000
        self._keys = [Keys(prefix, number) for number in range(shards)]
        self._on_suspects = on_suspects
        self._members: dict[tuple[int, str], tuple[Lives, Lost]] = {}
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        # a call that hangs must leave time for another before the lease ends
        self._redis = Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_timeout=self._interval_s, socket_connect_timeout=self._interval_s
        )
        self._thread: threading.Thread | None = None
        self._log = log.get("leases")

    def start(self) -> None:
        """Begins to renew."""
        self._ended.clear()
        self._thread = threading.Thread(target=self._keep, name="jobd leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends; twice is harmless."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._redis.close()

    def add(self, shard: int, member: str, lives: Lives, lost: Lost) -> None:
        """Renews for `member` while `lives()`; calls `lost()` once if its lease has run out all the same."""
        with self._mutex:
            self._members[shard, member] = (lives, lost)

    def remove(self, shard: int, member: str) -> None:
        """Renews for `member` no more."""
        with self._mutex:
            self._members.pop((shard, member), None)

    def _keep(self) -> None:
        pause = self._interval_s
        while not self._ended.wait(pause):
            try:
                for shard in range(len(self._keys)):
                    self._renew(shard)
                pause = self._interval_s
            except Exception as error:  # noqa: BLE001  all leases hang on this thread: it must not end by anything
                if not isinstance(error, (RedisError, OSError)):
                    self._log.error("leases could not be renewed", error=repr(error))
                # weather, most likely: the lease has two more thirds; ask again soon
                pause = min(1.0, self._interval_s / 4)

    def _renew(self, shard: int) -> None:
        with self._mutex:
            living = {member: lost for (at, member), (lives, lost) in self._members.items() if at == shard and lives()}
        if not living:
            return
        script, keys = load("renew"), self._keys[shard]
        words = [script.sha, len(script.keys), *keys.all_fixed(script.keys), "", keys.base, self._lease_ms, *living]
        try:
            reply = self._redis.execute_command("EVALSHA", *words)
        except NoScriptError:
            reply = self._redis.execute_command("EVAL", script.source, *words[1:])
        for lost, goes_on in zip(living.values(), reply[1:], strict=True):
            if goes_on != 1:
                lost()
        with self._mutex:
            for member, goes_on in zip(living, reply[1:], strict=True):
                if goes_on != 1:
                    self._members.pop((shard, member), None)
        if reply[0] == 1 and self._on_suspects is not None:
            self._on_suspects()
