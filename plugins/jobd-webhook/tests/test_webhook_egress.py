"""Where webhooks may go: judged against Python's own tables, and by canaries on loopback that nobody may reach."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from web_server import always, web_server

import jobd
from jobd_webhook import Webhook, WebhookSettings
from jobd_webhook.client import WebhookClient
from jobd_webhook.egress import Egress
from jobd_webhook.places import Address, Places, is_public

SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
# What Python's tables call global, in one version or another, and nobody's web server lives at.
TOO_GENEROUS = [
    ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b::/96", "2001::/23", "2002::/16", "3fff::/20")
]


def public_by_python(address: Address) -> bool:
    """The oracle: Python's registry of special addresses, and each IPv4 address that hides in an IPv6 one."""
    if isinstance(address, IPv6Address):
        hidden = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if any(inner is not None for inner in hidden) or address.is_site_local:
            return False
    special = address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local
    return address.is_global and not special and not any(address in network for network in TOO_GENEROUS)


def edges() -> list[Address]:
    networks = [
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"),
        *("100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10"),
        *("fec0::/10", "ff00::/8", "2000::/3"),
    ]
    found: list[Address] = []
    for text in networks:
        network = ip_network(text)
        first, last = int(network.network_address), int(network.broadcast_address)
        kind = type(network.network_address)
        found += [kind(n) for n in (first - 1, first, last, last + 1) if 0 <= n < 2**network.max_prefixlen]
    return found


@pytest.mark.requirement("1.7")
@given(st.ip_addresses())
def test_the_public_addresses_are_those_that_python_knows(address: Address) -> None:
    assert is_public(address) == public_by_python(address)


@pytest.mark.parametrize("address", edges(), ids=str)
def test_the_edges_of_each_block_are_where_python_knows_them(address: Address) -> None:
    assert is_public(address) == public_by_python(address)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_in_the_clothes_of_ipv6_is_public(address: IPv4Address) -> None:
    for prefix, shift in (("::ffff:0:0", 0), ("::", 0), ("64:ff9b::", 0), ("2002::", 80), ("64:ff9b:1::", 0)):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) | int(address) << shift))


FULL_WIDTH = {ord(str(digit)): 0xFF10 + digit for digit in range(10)} | {ord("."): 0x3002}
CIRCLED = {ord(str(digit)): 0x245F + digit for digit in range(1, 10)}


def spellings(address: IPv4Address) -> list[str]:
    """The ways in which some program or other reads a host as this address."""
    whole, parts = int(address), list(address.packed)
    dotted, [a, b, c, d] = str(address), parts
    return [
        *(dotted, f"{dotted}.", dotted.translate(FULL_WIDTH), dotted.translate(CIRCLED), f"[{dotted}]"),
        *(str(whole), hex(whole), hex(whole).upper(), f"0{whole:o}", str(whole + 2**32)),
        *(".".join(map(hex, parts)), ".".join(f"0{part:o}" for part in parts), f"{a}.{b}.{c:#x}.0{d:o}"),
        *(f"{a}.{whole & 0xFFFFFF}", f"{a}.{b}.{whole & 0xFFFF}", f"00{a}.{b}.{c}.{d}", f"{a}.{b}.{c}.{d}.1"),
        "".join(f"%{ord(character):02x}" for character in dotted),
        *(f"[::ffff:{dotted}]", f"[::ffff:{whole >> 16:x}:{whole & 0xFFFF:x}]", f"[::{dotted}]"),
        *(f"[64:ff9b::{dotted}]", f"[2002:{whole >> 16:x}:{whole & 0xFFFF:x}::]", f"[0:0:0:0:0:FFFF:{dotted}]"),
        *(f"[::ffff:{dotted}%25lo]", f"user@{dotted}", f"{dotted}#", f"{dotted}\\@example.com", f" {dotted}"),
        *(f"{dotted}:80", f"{dotted}:080", f"{dotted}\t", f"{dotted}\r\nHost: x"),
    ]


def refused(url: str, **fields: Any) -> bool:
    try:
        Egress(WebhookSettings.model_validate(fields)).admit(url)
    except jobd.Fail:
        return True
    return False


@pytest.mark.threat("S32")
@given(st.ip_addresses(v=4), st.sampled_from(["http://", "https://", "HTTP://"]))
@example(IPv4Address("127.0.0.1"), "http://")
@example(IPv4Address("169.254.169.254"), "http://")
def test_no_spelling_of_an_address_that_is_not_public_is_admitted(address: IPv4Address, scheme: str) -> None:
    for spelling in spellings(address):
        if not is_public(address):
            assert refused(f"{scheme}{spelling}/"), spelling
    assert refused(f"{scheme}{address}/") == (not is_public(address))


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_is_admitted_exactly_if_it_is_public(address: IPv6Address) -> None:
    for spelling in (str(address), address.exploded, str(address).upper()):
        assert refused(f"http://[{spelling}]/") == (not public_by_python(address))


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/", "example.com", ""),
        *("http:example.com", "http:///x", "http://", "https://user:pw@example.com/"),
        *(
            "http://example.com:99999/",
            "http://exa mple.com/",
            "http://a..b/",
            "http://./",
            "http://[::1/",
            "http://-a/",
        ),
        *("http://example.com\\@evil.example/", "http://%65xample.com/", "http://a,b/", "http://*/"),
        f"http://example.com/{'x' * 2_048}",
    ],
)
def test_what_is_no_url_of_a_web_server_is_refused(url: str) -> None:
    assert refused(url)


def test_each_refusal_says_what_to_set() -> None:
    public, private = ip_address("93.184.216.34"), ip_address("10.1.2.3")
    egress = Egress(WebhookSettings())
    with pytest.raises(
        jobd.Fail, match=r"10\.1\.2\.3 is not a public address; add 'a\.internal'.*`allow`.*allow_private"
    ):
        egress.judge("a.internal", 443, [private])
    with pytest.raises(jobd.Fail, match=r"port 8080 is not in `ports` of \[plugins\.webhook\]"):
        egress.judge("a.example", 8080, [public])
    with pytest.raises(jobd.Fail, match=r"not in `only` of \[plugins\.webhook\]; add 'a\.example' there"):
        Egress(WebhookSettings(only=["b.example"])).judge("a.example", 443, [public])


@pytest.mark.threat("S32")
def test_one_address_that_is_not_public_spoils_all() -> None:
    public, private = ip_address("93.184.216.34"), ip_address("10.1.2.3")
    egress = Egress(WebhookSettings())
    egress.judge("a.example", 443, [public])
    for addresses in ([public, private], [private, public], [public, ip_address("::1")]):
        with pytest.raises(jobd.Fail):
            egress.judge("a.example", 443, addresses)


@pytest.mark.parametrize(
    ("fields", "host", "port", "address", "allowed"),
    [
        ({"ports": "443 8443"}, "a.example", 8443, "93.184.216.34", True),
        ({"allow_private": True}, "a.internal", 8080, "10.1.2.3", True),
        ({"allow": "a.internal"}, "a.internal", 8080, "10.1.2.3", True),
        ({"allow": "A.Internal."}, "a.internal.", 8080, "10.1.2.3", True),
        ({"allow": "a.internal"}, "b.internal", 80, "10.1.2.3", False),
        ({"allow": "*.internal"}, "x.a.internal", 80, "10.1.2.3", True),
        ({"allow": "*.internal"}, "internal", 80, "10.1.2.3", False),
        ({"allow": "*.internal"}, "ainternal", 80, "10.1.2.3", False),
        ({"allow": "10.1.0.0/16, ::1"}, "b.internal", 80, "10.1.2.3", True),
        ({"allow": "10.1.0.0/16, ::1"}, "b.internal", 80, "10.2.2.3", False),
        ({"allow": "10.1.0.0/16, ::1"}, "::1", 80, "::1", True),
        ({"allow": "10.0.0.0/8"}, "x", 80, "::ffff:10.1.2.3", False),
        ({"only": "*.example"}, "a.example", 80, "93.184.216.34", True),
        ({"only": "93.184.0.0/16"}, "a.example", 80, "93.184.216.34", True),
        ({"only": "*.example"}, "a.example", 80, "10.1.2.3", False),
        ({"only": "b.example", "allow_private": True}, "a.example", 80, "10.1.2.3", False),
    ],
)
def test_settings_open_exactly_what_they_name(
    fields: dict[str, Any], host: str, port: int, address: str, allowed: bool
) -> None:
    egress = Egress(WebhookSettings.model_validate(fields))
    if allowed:
        egress.judge(host, port, [ip_address(address)])
    else:
        with pytest.raises(jobd.Fail):
            egress.judge(host, port, [ip_address(address)])


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "300.1.1.1", "a b", "http://a", "a:80", "*", "a/b", "0x7f.1", "*a.b"])
def test_an_entry_that_is_no_place_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="neither a host name nor a network"):
        Places.parse([entry])
    assert IPv6Network("::/0") not in Places.parse([]).networks


def event(url: str) -> Webhook:
    return Webhook.model_validate({"url": url, "event": "e", "data": None})


def names(answers: list[list[str]]) -> Callable[[str], Awaitable[list[Address]]]:
    """A name service that gives the next answer each time it is asked."""

    async def lookup(_: str) -> list[Address]:
        return [ip_address(address) for address in answers.pop(0)]

    return lookup


@pytest.mark.threat("S32")
@pytest.mark.requirement("1.7")
async def test_by_default_nothing_on_loopback_is_reached_under_any_name_or_spelling() -> None:
    async with web_server() as canary, WebhookClient(WebhookSettings(secrets={"default": [SECRET]})) as client:
        for host in (*spellings(IPv4Address("127.0.0.1")), "localhost", "LOCALHOST", "[::1]"):
            url = f"http://{host}:{canary.port}/"
            with pytest.raises((jobd.Fail, ValueError)):
                await client.deliver(
                    Webhook.model_construct(**dict(event("http://x/"), url=url)), job_id="1", created_at=NOW
                )
        answers = [["127.0.0.1"], ["0.0.0.0", "127.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], ["0.0.0.0"]]
        for answer in answers:
            settings = WebhookSettings(secrets={"default": [SECRET]}, ports=[80, canary.port])
            async with WebhookClient(settings, lookup=names([answer])) as other:
                with pytest.raises(jobd.Fail, match="not a public address"):
                    await other.deliver(event(f"http://evil.example:{canary.port}/"), job_id="1", created_at=NOW)
    assert canary.hits == []


@pytest.mark.threat("S32")
async def test_a_name_that_changes_its_address_is_judged_at_each_connection_and_asked_once() -> None:
    answers = [["127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.1"]]
    settings = WebhookSettings(secrets={"default": [SECRET]}, allow=["127.0.0.1"])
    async with (
        web_server(always(200, Connection="close")) as server,
        WebhookClient(settings, lookup=names(answers)) as client,
    ):
        url = f"http://rebinding.example:{server.port}/"
        await client.deliver(event(url), job_id="1", created_at=NOW)
        assert len(answers) == 2
        with pytest.raises(jobd.Fail, match=r"127\.0\.0\.2 is not a public address"):
            await client.deliver(event(url), job_id="2", created_at=NOW)
        await client.deliver(event(url), job_id="3", created_at=NOW)
    assert answers == []
    assert [hit.headers["webhook-id"] for hit in server.hits] == ["1", "3"]


async def test_a_name_without_an_address_is_tried_again() -> None:
    async with WebhookClient(WebhookSettings(secrets={"default": [SECRET]}), lookup=names([[]])) as client:
        with pytest.raises(jobd.Retry, match=r"could not be reached: nobody\.example has no address"):
            await client.deliver(event("http://nobody.example/"), job_id="1", created_at=NOW)
