"""Names of hosts in one spelling, and which of them an operator allows."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from cenote.errors import InvalidRequest

__all__ = ["AllowedHost", "parse_allowed", "spell_domains", "spell_host"]

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_ENTRY = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+))(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry of the operator's list.

    Attributes:
        host: in the spelling of `spell_host`.
        port: the only port allowed; None is the usual one of the scheme.
        subdomains: the entry is for all subdomains of the host, and not for the host itself.
    """

    host: str
    port: int | None = None
    subdomains: bool = False

    def covers(self, host: str, port: int, usual_port: int) -> bool:
        """Tell whether a host (as `spell_host` gives it) may be asked at a port."""
        is_host = host.endswith("." + self.host) if self.subdomains else host == self.host
        return is_host and port == (usual_port if self.port is None else self.port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'*.' if self.subdomains else ''}{host}{'' if self.port is None else f':{self.port}'}"


def spell_host(text: str) -> str:
    """Return a host in lower case, in ASCII (IDNA 2008 after UTS 46), without a dot at its end, or an IP address.

    Raises:
        ValueError: it is no host.
    """
    host = text
    if not host.isascii():
        import idna  # 10 ms, which hosts in ASCII need not pay

        host = idna.encode(host, uts46=True).decode("ascii")  # IDNAError is a ValueError
    host = host.lower().removesuffix(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if "%" in host:
            raise ValueError("the address has a zone")
        return str(address)
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("the host has letters that hosts do not have")
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):  # other spellings of IPv4 addresses: 127.1, 0x7f000001
        raise ValueError("the host ends in a number and is no complete IP address")
    return host


def parse_allowed(text: str) -> AllowedHost:
    """Parse one entry: `example.org`, `*.example.org`, each with or without `:port`, or an IP address.

    Raises:
        ValueError: it is none of these.
    """
    if text.count(":") > 1 and not text.startswith("["):
        return AllowedHost(spell_host(text))  # IPv6 without brackets
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise ValueError("it is neither a host nor a host with a port")
    name, port = found[1] or found[2], None if found[3] is None else int(found[3])
    if port is not None and not 0 < port < 65536:
        raise ValueError("it has a port that does not exist")
    subdomains = name.startswith("*.")
    host = spell_host(name.removeprefix("*."))
    if found[1] is not None and ":" not in host:
        raise ValueError("brackets are for IPv6 addresses")
    return AllowedHost(host, port, subdomains)


def spell_domains(value: Any) -> Any:
    """Return the operator's list, each entry in one spelling; texts may hold several, with commas between them.

    Raises:
        InvalidRequest: an entry is no host.
    """
    if value is None:
        return ()
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        return value  # pydantic says what is wrong
    words = [word.strip() for item in items for word in item.split(",") if word.strip()]
    return tuple(dict.fromkeys(_spelled(word) for word in words))


def _spelled(word: str) -> str:
    try:
        return str(parse_allowed(word))
    except ValueError as exc:
        advice = "Give hosts, such as example.org, *.example.org or 10.0.0.7:8080."
        text = f"allowed_media_domains: {word!r} is not accepted: {exc}. {advice}"
        raise InvalidRequest(text, param="allowed_media_domains") from exc
