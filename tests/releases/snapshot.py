"""All keys of a shard as JSON, and back. Their contents, and not the server's own dumps, which older servers refuse."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import Any

from redis import Redis

from tests.store.raw import READERS

_WRITERS: dict[str, Callable[[Redis, str, list[bytes]], object]] = {
    "hash": lambda redis, key, words: redis.hset(key, items=words),
    "zset": lambda redis, key, words: redis.execute_command("ZADD", key, *_turned(words)),
    "list": lambda redis, key, words: redis.rpush(key, *words),
    "set": lambda redis, key, words: redis.sadd(key, *words),
}


def take(redis: Redis) -> dict[str, Any]:
    """What is there, by key: its type and its words."""
    found: dict[str, Any] = {}
    keys: Any = redis.keys("*")
    for key in sorted(keys):
        kind: Any = redis.type(key)
        words = _flat(redis.execute_command(*READERS[kind](key.decode())))
        found[key.decode()] = [kind.decode(), [b64encode(word).decode() for word in words]]
    return found


def put(redis: Redis, snapshot: dict[str, Any]) -> None:
    """Makes all that again."""
    for key, (kind, words) in snapshot.items():
        _WRITERS[kind](redis, key, [b64decode(word) for word in words])


def _flat(reply: Any) -> list[bytes]:
    if isinstance(reply, dict):
        return [word for pair in reply.items() for word in pair]
    flat: list[bytes] = []
    for word in reply:
        flat += [word[0], b"%.17g" % word[1]] if isinstance(word, list | tuple) else [word]
    return flat


def _turned(words: Sequence[bytes]) -> list[bytes]:
    return [word for at in range(0, len(words), 2) for word in (words[at + 1], words[at])]
