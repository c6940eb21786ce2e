"""Which addresses of the network the server may call: public ones, and those that a setting lists. Pure.

An operator writes addresses of agents, so without this a page could be made to speak to the machine's own services, to
the neighbours in its network, or to the cloud's metadata service, which gives away keys.
"""

import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
NEVER_PUBLIC: tuple[Network, ...] = (
    ip_network("192.0.0.0/24"),  # protocols' own, and Oracle's metadata service
    ip_network("192.88.99.0/24"),  # relays of 6to4, given up
    ip_network("168.63.129.16/32"),  # Azure's own services, at an address that looks public
    ip_network("64:ff9b:1::/48"),  # NAT64 within a network: which IPv4 address it means is its own affair
    ip_network("3fff::/20"),  # for documents
    ip_network("fec0::/10"),  # site-local, given up but still routed in places
)
MAPPED_LAST = (ip_network("::/96"), ip_network("::ffff:0:0:0/96"), ip_network("64:ff9b::/96"))
"""IPv6 ranges whose last 32 bits are an IPv4 address: compatible (RFC 4291), translated (2765), NAT64 (6052)."""
SIX_TO_FOUR = ip_network("2002::/16")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be called although it is not public: hosts by name, and ranges of addresses."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def names(self, host: str) -> bool:
        return canonical_host(host) in self.hosts

    def holds(self, address: Address) -> bool:
        """Whether the address, or the IPv4 address inside it, lies in a listed range."""
        return any(one in network for one in (address, *_embedded(address)) for network in self.networks)

    def permits(self, host: str, address: Address) -> bool:
        """Whether ``address``, to which the name ``host`` resolved, may be called."""
        return is_public(address) or self.names(host) or self.holds(address)


def read(entries: Iterable[str]) -> Allowed:
    """What a setting lists. Raises ValueError naming the entry that is no host, address or range."""
    hosts, networks = set(), []
    for entry in entries:
        try:
            networks.append(ip_network(entry.strip("[]")))
        except ValueError:
            host = canonical_host(entry)
            if "/" in entry or not HOST_NAME.fullmatch(host) or host.replace(".", "").isdigit():
                raise ValueError(f"give hosts, addresses and ranges such as 10.0.0.0/8, not {entry!r}") from None
            hosts.add(host)
    return Allowed(frozenset(hosts), tuple(networks))


def canonical_host(host: str) -> str:
    """The name as it is compared: in small letters, in ASCII, without the dot of the root."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


def is_public(address: Address) -> bool:
    """Whether the address, and the IPv4 address inside it if there is one, belong to the internet at large."""
    embedded = list(_embedded(address))
    if any(address in network for network in NEVER_PUBLIC) or address.is_multicast:
        return False
    if embedded:
        return all(is_public(one) for one in embedded)
    return address.is_global and not address.is_reserved


def literal(host: str) -> Address | None:
    """The address that ``host`` itself is, in any spelling that the system's resolver takes; None for a name."""
    host = host.strip("[]").partition("%")[0].rstrip(".")
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host)) if host[:1].isdigit() else None  # 127.1, 0x7f000001, 2130706433
    except OSError:
        return None


def fault_of_host(host: str, allowed: Allowed) -> str:
    """Why ``host`` may not be called, as far as can be told without asking a name server; or nothing."""
    if allowed.names(host):
        return ""
    if (address := literal(host)) is not None:
        return "" if allowed.permits(host, address) else refusal(host, address)
    name = canonical_host(host)
    if name == "localhost" or name.endswith(".localhost"):
        loopback = ip_address("127.0.0.1")
        return "" if allowed.holds(loopback) else refusal(host, loopback)
    return ""


def refusal(host: str, address: Address) -> str:
    """The sentence that says why a call is not made, and what to do."""
    at = "" if literal(host) == address else f", the address of {host},"
    return (
        f"{address}{at} is not a public address, so it is not called. If it should be, an administrator adds the host, "
        "the address or its range to OUTGOING_ALLOWED and restarts."
    )


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 address that traffic to this IPv6 address ends at."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in SIX_TO_FOUR:
        yield IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    elif any(address in network for network in MAPPED_LAST):
        yield IPv4Address(int(address) & 0xFFFFFFFF)
