"""What a server knows of our scripts: the library of this release, and a few of others.

A library is there for all, is copied to replicas, and outlives a restart as data does. So it is loaded once a server
and release, and again when a call finds that it has gone: after FUNCTION FLUSH, on a node that a slot has moved to, on
a replica that was promoted too early. Each release has a library of its own, so that old and new programs work side by
side. When there are too many, all others go: a program that still needs one loads it again.
"""

from __future__ import annotations

from typing import Any

from redis.exceptions import ResponseError

from jobd.store.scripts import PREFIX, Library
from jobd.store.topology.pipe import packed
from jobd.store.topology.wire import Wire

MOST = 8
"""libraries of ours on a server, of some 250 kB each"""
UNKNOWN = "Function not found"
"""what a server says of a function that it does not know"""
_KNOWN = "already exists"


def is_unknown(reply: Any) -> bool:
    """Does this reply say that the server does not know the function?"""
    return isinstance(reply, ResponseError) and str(reply) == UNKNOWN


async def teach(wire: Wire, library: Library, commands: bytes = b"", count: int = 0) -> list[Any]:
    """The server knows this library from now on. Returns the replies to so many packed commands that go with it, lest
    it be forgotten in between; errors are among them. Raises RedisError, OSError."""
    told, *replies = await wire.ask(packed("FUNCTION", "LOAD", library.source) + commands, 1 + count)
    if not isinstance(told, Exception):
        await _clear(wire, library)
    elif _KNOWN not in str(told):
        raise told  # if it is known, another one has been quicker
    return replies


async def _clear(wire: Wire, library: Library) -> None:
    listed = await wire.execute("FUNCTION", "LIST", "LIBRARYNAME", f"{PREFIX}*")
    names = {_name(one) for one in listed}
    if len(names) > MOST:
        for name in names - {library.name}:
            await _forget(wire, name)


async def _forget(wire: Wire, name: str) -> None:
    try:
        await wire.execute("FUNCTION", "DELETE", name)
    except ResponseError as error:
        if "not found" not in str(error):  # another one has done it
            raise


def _name(listed: Any) -> str:
    """The name of a listed library, which is a map or its pairs in a row, by protocol."""
    facts = listed if isinstance(listed, dict) else dict(zip(listed[::2], listed[1::2], strict=True))
    name: bytes = facts[b"library_name"]
    return name.decode()
