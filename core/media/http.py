"""`http:` and `https:` addresses, from the hosts that the operator allows."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cache

import httpcore

from cenote.errors import InvalidRequest
from cenote.media.address import Target, check_allowed, check_resolved, parse_target
from cenote.media.base import MediaPolicy
from cenote.media.network import Deadline, PinnedBackend, Resolver, resolve_within, system_addresses

__all__ = ["HTTP", "HttpLoader"]


@cache
def _default_tls() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


class HttpLoader:
    """Fetches with GET: no redirects, no proxies, no cookies, no credentials and no compression.

    An address is read once. Its host is resolved once, every address that it has is checked, and the connection goes
    to a checked one, so that an answer of the name server that changes (DNS rebinding) changes nothing.

    Args:
        resolve: from host and port to IP addresses.
        tls: makes the context that verifies servers.
    """

    def __init__(self, resolve: Resolver = system_addresses, tls: Callable[[], ssl.SSLContext] = _default_tls) -> None:
        self._resolve = resolve
        self._tls = tls

    def load(self, url: str, policy: MediaPolicy) -> bytes:
        """Return the body of the answer.

        Raises:
            InvalidRequest: the host is not allowed or not public, or the answer is no 200, too large or too slow.
        """
        target = parse_target(url)
        check_allowed(target, policy.allowed_domains)
        deadline = Deadline(policy.timeout)
        try:
            found = resolve_within(self._resolve, target.host, target.port, deadline)
            addresses = check_resolved(target, found, policy.allowed_domains)
            return self._fetch(target, PinnedBackend(addresses, deadline), policy)
        except (httpcore.TimeoutException, TimeoutError) as exc:
            text = f"{target.authority!r} did not give the medium within {policy.timeout:g} seconds."
            raise InvalidRequest(text) from exc
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as exc:
            raise InvalidRequest(_failure(target, exc)) from exc

    def _fetch(self, target: Target, backend: PinnedBackend, policy: MediaPolicy) -> bytes:
        context = self._tls() if target.scheme == "https" else None
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        headers = [("Host", target.authority), ("User-Agent", "cenote"), ("Accept-Encoding", "identity")]
        with (
            httpcore.ConnectionPool(ssl_context=context, network_backend=backend) as pool,
            pool.stream("GET", url, headers=headers, extensions={"sni_hostname": target.host}) as response,
        ):
            _check_head(target, response, policy)
            return _body(target, response, policy)


def _check_head(target: Target, response: httpcore.Response, policy: MediaPolicy) -> None:
    if 300 <= response.status < 400:
        text = f"{target.authority!r} redirects to another address ({response.status}), which is not followed."
        raise InvalidRequest(f"{text} Give the address that it leads to.")
    if response.status != 200:
        raise InvalidRequest(f"{target.authority!r} answered with status {response.status} in place of the medium.")
    headers = {name.lower(): value for name, value in response.headers}
    # A compressed body could be of any size once unpacked.
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        raise InvalidRequest(f"{target.authority!r} sent the medium compressed, although it was asked not to.")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > policy.max_bytes:
        raise _too_large(target, policy)


def _body(target: Target, response: httpcore.Response, policy: MediaPolicy) -> bytes:
    parts, size = [], 0
    for part in response.iter_stream():
        size += len(part)
        if size > policy.max_bytes:
            raise _too_large(target, policy)
        parts.append(part)
    return b"".join(parts)


def _too_large(target: Target, policy: MediaPolicy) -> InvalidRequest:
    return InvalidRequest(f"{target.authority!r} sends more than the {policy.max_bytes} bytes that are allowed.")


def _failure(target: Target, cause: BaseException) -> str:
    """Say what went wrong without the addresses that causes name."""
    seen: BaseException | None = cause
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"The certificate of {target.authority!r} is not valid for it."
        seen = seen.__cause__ or seen.__context__
    return f"{target.authority!r} could not be reached, or its answer is not HTTP."


#: The loader of `http:` and `https:` addresses.
HTTP = HttpLoader()
