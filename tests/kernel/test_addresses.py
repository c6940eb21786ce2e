"""Which addresses may be called: public ones and listed ones, however they are written."""

from ipaddress import ip_address

import pytest

from orchestra.kernel import addresses
from orchestra.kernel.addresses import Allowed


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.32.0.1",
        "2001:4860:4860::8888",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
def test_addresses_of_the_internet_are_public(address):
    assert addresses.is_public(ip_address(address))


@pytest.mark.parametrize(
    ("what", "address"),
    [
        ("loopback", "127.0.0.1"),
        ("loopback", "127.8.9.10"),
        ("loopback", "::1"),
        ("this host", "0.0.0.0"),  # noqa: S104
        ("this host", "::"),
        ("private", "10.1.2.3"),
        ("private", "172.16.0.1"),
        ("private", "172.31.255.255"),
        ("private", "192.168.1.1"),
        ("private", "fc00::1"),
        ("private", "fd12:3456::1"),
        ("link-local", "169.254.1.1"),
        ("link-local", "fe80::1"),
        ("site-local", "fec0::1"),
        ("metadata", "169.254.169.254"),
        ("metadata", "fd00:ec2::254"),
        ("metadata", "100.100.100.200"),
        ("metadata", "168.63.129.16"),
        ("metadata", "192.0.0.192"),
        ("carrier-grade NAT", "100.64.0.1"),
        ("carrier-grade NAT", "100.127.255.254"),
        ("multicast", "224.0.0.1"),
        ("multicast", "239.255.255.250"),
        ("multicast", "ff02::1"),
        ("reserved", "240.0.0.1"),
        ("broadcast", "255.255.255.255"),
        ("documents", "192.0.2.1"),
        ("documents", "2001:db8::1"),
        ("documents", "3fff::1"),
        ("benchmarks", "198.18.0.1"),
        ("mapped", "::ffff:127.0.0.1"),
        ("mapped", "::ffff:10.0.0.1"),
        ("compatible", "::127.0.0.1"),
        ("translated", "::ffff:0:10.0.0.1"),
        ("NAT64", "64:ff9b::127.0.0.1"),
        ("NAT64", "64:ff9b::a9fe:a9fe"),
        ("local NAT64", "64:ff9b:1::8.8.8.8"),
        ("6to4", "2002:7f00:1::1"),
        ("6to4", "2002:c0a8:101::"),
        ("Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    ],
)
def test_all_others_are_not(what, address):
    assert not addresses.is_public(ip_address(address))


@pytest.mark.parametrize(
    ("entry", "host", "address"),
    [
        ("agent.internal", "agent.internal", "10.0.0.1"),
        ("Agent.Internal.", "AGENT.internal.", "10.0.0.1"),
        ("bücher.internal", "xn--bcher-kva.internal", "10.0.0.1"),
        ("10.0.0.1", "anything", "10.0.0.1"),
        ("10.0.0.0/8", "anything", "10.200.0.1"),
        ("127.0.0.1", "anything", "::ffff:127.0.0.1"),
        ("127.0.0.0/8", "anything", "64:ff9b::127.0.0.1"),
        ("[::1]", "anything", "::1"),
        ("fd00::/8", "anything", "fd00::7"),
    ],
)
def test_what_is_listed_may_be_called(entry, host, address):
    allowed = addresses.read([entry])

    assert allowed.permits(host, ip_address(address))
    assert not allowed.permits("other.internal", ip_address("192.168.7.7"))


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "10.0.0.1/8", "a b", "http://a/", "1.2.3", "-a.example", "x" * 254])
def test_what_is_no_host_address_or_range_is_named(entry):
    with pytest.raises(ValueError, match="give hosts, addresses and ranges"):
        addresses.read([entry])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "LOCALHOST.", "a.localhost"],
)
def test_a_spelling_of_the_own_machine_is_refused_without_a_name_server(host):
    fault = addresses.fault_of_host(host, Allowed())

    assert "is not a public address" in fault
    assert "OUTGOING_ALLOWED" in fault
    assert not addresses.fault_of_host(host, addresses.read(["127.0.0.0/8", "::1"]))


@pytest.mark.parametrize("host", ["agent.example", "8.8.8.8", "localhost.example", "dead.beef"])
def test_other_hosts_are_for_the_name_server_to_say(host):
    assert addresses.fault_of_host(host, Allowed()) == ""
