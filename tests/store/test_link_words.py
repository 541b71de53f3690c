"""What a link makes of errors: is it weather, what is said of it, and what it is called."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from jobd.errors import StoreDenied, StoreError, StoreFull, StoreUnavailable
from jobd.store.link import _told, pairs, passing, translated
from jobd.store.shard import Shard
from jobd.store.topology.wire import Wire

MOVING = "the slot of this shard is on its way to another node of the cluster"


def caused(error: Exception, cause: Exception, *, said: bool = True) -> Exception:
    """The error as it is raised because of another one, or while that is handled."""
    if said:
        error.__cause__ = cause
    else:
        error.__context__ = cause
    return error


def tls(kind: type[ssl.SSLError], reason: str) -> ssl.SSLError:
    """An error as the library of TLS has it."""
    error = kind(1, reason)
    error.reason = reason
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed certificate"
    return error


STRANGER = tls(ssl.SSLCertVerificationError, "CERTIFICATE_VERIFY_FAILED")
NO_TLS = tls(ssl.SSLError, "WRONG_VERSION_NUMBER")
BROKEN_LINES = [tls(kind, "EOF") for kind in (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)]
NO_RIGHTS = [AuthenticationError("WRONGPASS"), NoPermissionError("NOPERM")]


@pytest.mark.parametrize(
    ("error", "weather"),
    [
        (RedisConnectionError("gone"), True),
        (OSError("gone"), True),
        (BusyLoadingError("loading"), True),
        (AskError("1 127.0.0.1:1"), True),
        (TryAgainError("TRYAGAIN"), True),
        (ResponseError("NOREPLICAS not enough"), True),
        (ResponseError("script tried to access a non local key"), True),
        (ResponseError("ERR wrong number of arguments"), False),
        (ValueError("broken"), False),
        *((error, False) for error in NO_RIGHTS),
        *((caused(RedisConnectionError("no"), error), False) for error in NO_RIGHTS),
        (caused(RedisConnectionError("no"), BusyLoadingError("loading")), True),
        (caused(RedisConnectionError("no"), STRANGER), False),
        (caused(RedisConnectionError("no"), STRANGER, said=False), False),
        (caused(RedisConnectionError("no"), caused(OSError("no"), NO_TLS)), False),
        *((caused(RedisConnectionError("no"), error), True) for error in BROKEN_LINES),
        (caused(RedisConnectionError("no"), tls(ssl.SSLError, "")), True),
    ],
)
def test_what_may_pass_by_itself_is_told_from_what_does_not(error: Exception, weather: bool) -> None:
    assert passing(error) is weather


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (OutOfMemoryError("OOM command not allowed"), StoreFull, "no memory left"),
        (ResponseError("OOM command not allowed"), StoreFull, "no memory left"),
        (NO_RIGHTS[0], StoreDenied, "does not let us in: WRONGPASS"),
        (caused(RedisConnectionError("no"), NO_RIGHTS[1]), StoreDenied, "does not let us in: NOPERM"),
        (caused(RedisConnectionError("no"), STRANGER), StoreDenied, r"self-signed certificate; .*\?ca="),
        (caused(RedisConnectionError("no"), NO_TLS), StoreDenied, "no TLS connection comes about: WRONG_VERSION"),
        (ResponseError("ERR odd"), StoreError, "redis answered with an error: ERR odd"),
        (caused(ResponseError("ERR odd"), OutOfMemoryError("OOM")), StoreError, "ERR odd"),
    ],
)
def test_what_does_not_pass_is_told_in_words_of_ours(error: Exception, kind: type[StoreError], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        raise translated(error, "redis")
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (AskError("1 127.0.0.1:1"), MOVING),
        (TryAgainError("TRYAGAIN"), MOVING),
        (ResponseError("script tried to access a non local key"), MOVING),
        (caused(RedisConnectionError("no"), OSError(111, "no")), "connection refused"),
        (caused(RedisConnectionError("no"), OSError(111, "no"), said=False), "connection refused"),
        (caused(RedisConnectionError("lost"), OSError("no number")), "lost"),
        (caused(RedisConnectionError("lost"), ValueError("odd")), "lost"),
        (RedisConnectionError("lost"), "lost"),
        (TimeoutError(), ""),
    ],
)
def test_what_is_in_the_way_is_told_in_a_few_words(trouble: Exception, said: str) -> None:
    assert _told(trouble) == said


@pytest.mark.parametrize(
    ("doubtful", "what", "refusal", "kind"),
    [
        (False, "enqueue", OutOfMemoryError("OOM"), StoreFull),
        (True, "enqueue", OutOfMemoryError("OOM"), StoreUnavailable),
        (True, "get", OutOfMemoryError("OOM"), StoreFull),
        (True, "enqueue", NoPermissionError("NOPERM"), StoreDenied),
    ],
)
async def test_a_full_store_leaves_open_whether_an_earlier_sending_was_taken_whatever_came_between(
    shard: Shard, doubtful: bool, what: str, refusal: Exception, kind: type[StoreError]
) -> None:
    answers = [refusal, ResponseError("BUSY somebody's script")]
    if doubtful:
        answers.append(RedisConnectionError("lost"))

    async def send(_: Wire) -> None:
        raise answers.pop()

    with pytest.raises(kind):
        await shard.link.insist(send, 10.0, what=what)


async def test_who_lost_patience_without_a_word_is_told_that_no_answer_came(shard: Shard) -> None:
    async def send(_: Wire) -> None:
        raise TimeoutError

    with pytest.raises(StoreUnavailable, match=r"did not answer enqueue within 0\.01 s \(no answer came\); it is"):
        await shard.link.insist(send, 0.01, what="enqueue")


async def test_what_a_script_in_a_trip_of_two_is_refused_is_heard(shard: Shard) -> None:
    await shard.get(["x"])  # so that the server knows the script
    await shard.link.command("SET", shard.keys.fixed("jobs"), "no jobs")
    get = ("get", shard._keys("get"), ["", shard.keys.base, "x"])
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await shard.link.run_pair([get, get])


@pytest.mark.parametrize(
    "reply",
    [[b"a", b"1", b"b", b"2"], [[b"a", b"1"], [b"b", b"2"]], [(b"a", b"1"), (b"b", b"2")], {b"a": b"1", b"b": b"2"}],
)
def test_pairs_are_read_in_each_form_in_which_servers_say_them(reply: Any) -> None:
    assert pairs(reply) == [(b"a", b"1"), (b"b", b"2")]
    assert pairs(type(reply)()) == []
