"""Places in a network: host names and networks, as an administrator lists them, and which addresses are public."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Self

Address = IPv4Address | IPv6Address

_NAME = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")

# IANA's special-purpose registries: everything that is not somebody's server on the public Internet.
_NOT_PUBLIC_4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by customers of a provider (CGNAT)
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
# IPv6 hands out public addresses from one block only. So loopback, private (fc00::/7), link-local, multicast,
# IPv4-mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96) are outside by birth.
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, with Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",  # documentation
    )
]


def is_public(address: Address) -> bool:
    """May this be a server on the public Internet?"""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


@dataclass(frozen=True, slots=True)
class Places:
    """Host names (`hooks.example.com`, `*.example.com` for all below) and networks (`10.1.0.0/16`, `::1`)."""

    names: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """Raises ValueError, naming the entry, if one is neither."""
        names: set[str] = set()
        networks: list[IPv4Network | IPv6Network] = []
        for entry in entries:
            try:
                networks.append(ip_network(entry))
            except ValueError as error:
                name = entry.lower().rstrip(".")
                if "/" in name or _ends_in_a_number(name) or not _NAME.fullmatch(name):
                    raise ValueError(f"{entry!r} is neither a host name nor a network: {error}") from None
                names.add(name)
        return cls(frozenset(names), tuple(networks))

    def __bool__(self) -> bool:
        return bool(self.names or self.networks)

    def has(self, host: str, address: Address) -> bool:
        """Is this host here, by its name or by the address that it has?"""
        labels = host.rstrip(".").split(".")
        above = {"*." + ".".join(labels[count:]) for count in range(1, len(labels))}
        return not self.names.isdisjoint({".".join(labels), *above}) or any(address in net for net in self.networks)


def _ends_in_a_number(name: str) -> bool:
    return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.rpartition(".")[2]) is not None
