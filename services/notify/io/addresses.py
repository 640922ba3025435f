"""Which network addresses a webhook may go to. A name is looked up once, and the address that was checked is the one
that is connected to, so that a name cannot answer differently the second time (DNS rebinding).
"""

import ipaddress
import socket
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_TEREDO_AND_6TO4 = (ipaddress.IPv6Network("2001::/32"), ipaddress.IPv6Network("2002::/16"))
_METADATA = ipaddress.IPv6Address("fd00:ec2::254")
"""Where one provider hands out credentials although the address is not link-local."""


class NotAllowed(Exception):
    """The name leads into a private network."""


def addresses_of(host: str, port: int, *, allow_private: bool) -> Sequence[str]:
    """Every address of a host, in the system's order. Raises NotAllowed if any is private, OSError if there is none.

    One private address among public ones is enough to refuse: which of them is used would be luck. Link-local ones are
    never allowed: cloud providers hand out credentials there.
    """
    found = [
        str(entry[4][0]).split("%", 1)[0]  # without the scope of a link-local address
        for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    ]
    if not found:
        raise OSError("the name has no address")
    allowed = is_public_or_private if allow_private else is_public
    if not all(allowed(ipaddress.ip_address(address)) for address in found):
        raise NotAllowed
    return list(dict.fromkeys(found))


def is_public_or_private(address: Address) -> bool:
    """Whether an address is a place that a receiver may live at in one's own network or outside it. Addresses that wrap
    another are judged by the one inside."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public_or_private(address.ipv4_mapped)
        if address in _NAT64:
            return is_public_or_private(_inside(address))
        if address == _METADATA or any(address in network for network in _TEREDO_AND_6TO4):
            return False
    return not (address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved)


def is_public(address: Address) -> bool:
    """Whether an address is on the open Internet. Addresses that wrap another are judged by the one inside."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(_inside(address))
        if any(address in network for network in _TEREDO_AND_6TO4):
            return False  # tunnels out of use, good only for smuggling
    return address.is_global and not address.is_multicast


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
