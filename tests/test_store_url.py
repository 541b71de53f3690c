"""URLs of stores: what they say, and what is said about those that say nothing."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.store_url import Address, StoreUrl, Tls, masked

parse = StoreUrl.parse


def test_one_server() -> None:
    assert parse("redis://localhost") == StoreUrl(kind="server", addresses=(Address("localhost", 6379),))
    assert parse("redis://") == parse("redis://localhost:6379/0")
    said = parse("redis://me:secret@db.example.com:7000/3?protocol=2")
    assert said.addresses == (Address("db.example.com", 7000),)
    assert (said.username, said.password, said.database, said.protocol) == ("me", "secret", 3, 2)
    assert parse("redis://[::1]:7000/").addresses == (Address("::1", 7000),)


def test_a_password_alone_and_in_the_options() -> None:
    assert (parse("redis://:secret@host").username, parse("redis://:secret@host").password) == (None, "secret")
    assert parse("redis://host?password=secret&db=2") == parse("redis://:secret@host/2")


@given(st.text(min_size=1), st.text(min_size=1))
def test_names_and_passwords_of_any_characters(user: str, password: str) -> None:
    said = parse(f"redis://{quote(user, safe='')}:{quote(password, safe='')}@host:1/2")
    assert (said.username, said.password, said.addresses) == (user, password, (Address("host", 1),))


def test_a_socket() -> None:
    said = parse("unix:///run/my%20redis.sock?db=1&password=secret")
    assert said == StoreUrl(kind="socket", addresses=(Address("/run/my redis.sock"),), database=1, password="secret")
    assert parse("unix://:secret@/run/s").password == "secret"


def test_sentinels() -> None:
    said = parse("redis+sentinel://me:secret@a:1,b,[::1]:3/main/2?sentinel_password=other&sentinel_username=s")
    assert said.kind == "sentinel"
    assert said.addresses == (Address("a", 1), Address("b", 26379), Address("::1", 3))
    assert (said.service, said.database) == ("main", 2)
    assert (said.username, said.password) == ("me", "secret")
    assert (said.sentinel_username, said.sentinel_password) == ("s", "other")


def test_a_cluster() -> None:
    said = parse("redis+cluster://:secret@a:1,b")
    assert (said.kind, said.addresses, said.password) == ("cluster", (Address("a", 1), Address("b", 6379)), "secret")
    assert parse("redis+cluster://a/0") == parse("redis+cluster://a")


@pytest.mark.threat("S26")
@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel", "rediss+cluster"])
def test_tls_is_verified_unless_the_url_says_otherwise(scheme: str) -> None:
    path = "/main" if "sentinel" in scheme else ""
    assert parse(f"{scheme}://host{path}").tls == Tls(verify="full")
    said = parse(f"{scheme}://host{path}?ca=/ca.pem&cert=/me.pem&key=/me.key&verify=ca").tls
    assert said == Tls(ca="/ca.pem", cert="/me.pem", key="/me.key", verify="ca")


def test_the_names_of_redis_py_and_celery_are_understood() -> None:
    assert parse("rediss://h?ssl_cert_reqs=CERT_NONE").tls == Tls(verify="none")
    assert parse("rediss://h?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem").tls == Tls(ca="/ca.pem")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "a Redis URL starts with"),
        ("localhost:6379", "a Redis URL starts with"),
        ("http://localhost", "a Redis URL starts with"),
        ("redis://localhost:port", "with a host and the number of a port"),
        ("redis://localhost:70000", "with a host and the number of a port"),
        ("redis://me:pass/word@host", "are written %40 %3A %2F and %3F"),
        ("redis://a,b", "several servers"),
        ("redis://a/main", "ends in the number of a database"),
        ("redis://a/1/2", "ends in the number of a database"),
        ("redis://a?timeout=3", "timeout: there is no such option"),
        ("redis://a?protocol=4", "protocol: there are 2 and 3"),
        ("redis://a?ca=/ca.pem", "ca: only a URL of TLS"),
        ("redis://a?ssl_cert_reqs=none", "ssl_cert_reqs: only a URL of TLS"),
        ("rediss://a?verify=maybe", "verify: there are ca, full, none"),
        ("rediss://a?key=/me.key", "name that as cert"),
        ("unix://", "begins with a third slash"),
        ("unix://run/s", "begins with a third slash"),
        ("redis+sentinel://a:1,b:2", "names the service"),
        ("redis+sentinel://a/main/x", "ends in the number of a database"),
        ("redis+cluster://a/1", "one database only"),
        ("redis+cluster://a?db=1", "db: there is no such option"),
        ("redis+cluster://a,,b", "with a host and the number of a port"),
    ],
)
def test_what_is_no_url_of_a_store_is_refused_with_the_reason(url: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(url)
    assert said in str(caught.value)
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.threat("S42")
def test_a_password_is_not_shown() -> None:
    assert masked("rediss://me:secret@host:1/2") == "rediss://me:***@host:1/2"
    assert masked("redis://:secret@host") == "redis://:***@host"
    assert masked("unix:///x?password=secret&db=1") == "unix:///x?password=***&db=1"
    assert masked("unix:///run/s") == "unix:///run/s"
    assert masked("redis+sentinel://me:secret@a:1,b:2/main?sentinel_password=other&db=1") == (
        "redis+sentinel://me:***@a:1,b:2/main?sentinel_password=***&db=1"
    )


@pytest.mark.parametrize(
    "url", ["redis://me:se/cret@host", "me:secret@host", "redis://:se@cret@host/1", "x://:secret@"]
)
def test_nor_that_of_what_is_no_url(url: str) -> None:
    assert "secret" not in masked(url).replace("/", "")
    assert "cret" not in masked(url)


@given(st.text(alphabet="redisunx+tclab:/@?,[]%=0123 ", max_size=40))
def test_whatever_is_typed_is_understood_or_refused(text: str) -> None:
    for url in (text, f"redis://{text}", f"redis+sentinel://{text}", f"rediss+cluster://{text}"):
        masked(url)
        with suppress(ValueError):
            assert StoreUrl.parse(url).addresses
