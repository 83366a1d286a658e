"""http(s) addresses: read once and strictly, and compared with what the operator allows."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from cenote.config.media_hosts import parse_allowed, spell_host
from cenote.errors import InvalidRequest, MediaUnavailable

__all__ = ["Target", "check_allowed", "check_resolved", "parse_target"]

_IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_USUAL_PORTS = {"http": 80, "https": 443}
_LONGEST = 8192
# Source: RFC 3986, appendix B, for the two schemes. What is left out afterwards is the fragment.
_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@]+))(?::([0-9]{1,5}))?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]|\s")
#: Networks that carry IPv4 addresses inside: 6to4, Teredo and NAT64 lead where the inner address says.
_TUNNELS = tuple(map(ipaddress.IPv6Network, ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48")))
#: Not public either, although `is_global` of Python 3.11 to 3.14 says so: documentation (RFC 9637) and the relays of
#: 6to4, which are no more (RFC 7526).
_RESERVED = (ipaddress.IPv6Network("3fff::/20"), ipaddress.IPv4Network("192.88.99.0/24"))


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of whom: validated and fetched from the same fields.

    Attributes:
        scheme: `http` or `https`.
        host: in the spelling of `spell_host`, IPv6 without brackets.
        port: the port that is asked.
        path: path and query in ASCII, beginning with a slash.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def usual_port(self) -> int:
        """Return the port of the scheme."""
        return _USUAL_PORTS[self.scheme]

    @property
    def authority(self) -> str:
        """Return what the header `Host` holds."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == self.usual_port else f"{host}:{self.port}"


def parse_target(url: str) -> Target:
    """Read an address.

    Raises:
        InvalidRequest: it is no http(s) address, or one that programs read differently: with blanks, control
            characters or backslashes, with a user, or with an IPv4 address in an unusual spelling.
    """
    if len(url) > _LONGEST:
        raise InvalidRequest(f"The address has more than {_LONGEST} characters.")
    found = None if _FORBIDDEN.search(url) else _URL.fullmatch(url)
    if found is None:
        raise InvalidRequest("The address is no http(s) address; it has no blanks, backslashes or control characters.")
    scheme, authority, path = found[1].lower(), found[2], found[3]
    if "@" in authority:
        raise InvalidRequest("The address names a user or password ('...@'), which is not accepted.")
    parts = _AUTHORITY.fullmatch(authority)
    try:
        if parts is None:
            raise ValueError("it is no host, or a host with a port")
        host = spell_host(parts[1] or parts[2])
    except ValueError as exc:
        raise InvalidRequest("The address has no host that can be asked.") from exc
    port = _USUAL_PORTS[scheme] if parts[3] is None else int(parts[3])
    if not 0 < port < 65536:
        raise InvalidRequest("The address has a port that does not exist.")
    # Every printable letter of ASCII stays as the client wrote it; quote() encodes the others as UTF-8.
    safe = "".join(map(chr, range(0x21, 0x7F)))
    try:
        encoded = quote(path, safe=safe)
    except UnicodeEncodeError as exc:
        raise InvalidRequest("The address holds half of a surrogate pair.") from exc
    return Target(scheme, host, port, encoded if encoded.startswith("/") else "/" + encoded)


def check_allowed(target: Target, domains: Iterable[str]) -> None:
    """Check that the operator allows a host at its port.

    Raises:
        InvalidRequest: he does not.
    """
    entries = [parse_allowed(item) for item in domains]
    if not entries:
        text = "Nothing is fetched over http(s) here: the operator allows no host (--allowed-media-domains)."
        raise InvalidRequest(f"{text} Send the bytes in a data: address.")
    if not any(entry.covers(target.host, target.port, target.usual_port) for entry in entries):
        text = f"The operator does not allow to fetch from {target.authority!r} over {target.scheme}"
        raise InvalidRequest(f"{text} (--allowed-media-domains). Send the bytes in a data: address.")


def check_resolved(target: Target, found: Sequence[str], domains: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses of a host, if every one of them may be contacted.

    Args:
        target: who is asked.
        found: its IP addresses.
        domains: the operator's list. An address in it may be contacted although it is not public.

    Raises:
        InvalidRequest: one is not public and not listed.
        MediaUnavailable: there is none.
    """
    entries = [parse_allowed(item) for item in domains]
    listed = {entry.host for entry in entries if entry.port in (None, target.port)}
    addresses = [ipaddress.ip_address(item) for item in found]
    if not addresses:
        raise MediaUnavailable(f"The host {target.host!r} has no address.")
    if not all(_is_public(address) or str(address) in listed for address in addresses):
        text = f"The host {target.host!r} does not lead to a public address"
        raise InvalidRequest(f"{text}; others are contacted only where the operator lists the address itself.")
    return tuple(map(str, addresses))


def _is_public(address: _IpAddress) -> bool:
    """Tell whether an address is somebody's on the internet. Source: IANA's registries of special addresses."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id or address.ipv4_mapped or any(address in network for network in _TUNNELS):
            return False
        if address.is_site_local:
            return False
    if any(address in network for network in _RESERVED):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
