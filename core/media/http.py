"""`http:` and `https:` addresses, from the hosts that the operator allows."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from functools import cache

import httpcore

from cenote.errors import MediaFetchError, MediaUnavailable
from cenote.media.address import Target, check_allowed, check_resolved, parse_target
from cenote.media.base import MediaPolicy
from cenote.media.network import Deadline, PinnedBackend, Resolver, resolve_within, system_addresses

__all__ = ["HTTP", "HttpLoader"]

#: Seconds before the second and the third try.
_PAUSES = (0.1, 0.4)
#: Statuses below 500 that another try may change: the host is slow, or asked too much.
_PASSING = (408, 429)


@cache
def _default_tls() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


class HttpLoader:
    """Fetches with GET: no redirects, no proxies, no cookies, no credentials and no compression.

    An address is read once. For each try its host is resolved once, every address that it has is checked, and the
    connection goes to a checked one, so that an answer of the name server that changes (DNS rebinding) changes nothing.

    Args:
        resolve: from host and port to IP addresses.
        tls: makes the context that verifies servers.
        pauses: seconds before the second try, the third and so on.
    """

    def __init__(
        self,
        resolve: Resolver = system_addresses,
        tls: Callable[[], ssl.SSLContext] = _default_tls,
        pauses: Sequence[float] = _PAUSES,
    ) -> None:
        self._resolve = resolve
        self._tls = tls
        self._pauses = pauses

    def load(self, url: str, policy: MediaPolicy) -> bytes:
        """Return the body of the answer, after at most three tries within the policy's `timeout`.

        Source of what is tried again and of the kinds of errors: vLLM 0.32, media fetching.

        Raises:
            InvalidRequest: the address is malformed, or its host not allowed or not public.
            MediaFetchError: the host will not give the medium: a status 4xx, a redirect, too many bytes.
            MediaUnavailable: it does not for now: a status 5xx, no such host or no connection, too slow.
        """
        target = parse_target(url)
        check_allowed(target, policy.allowed_domains)
        deadline = Deadline(policy.timeout)
        for pause in self._pauses:
            try:
                return self._try(target, deadline, policy)
            except MediaUnavailable:
                if deadline.seconds <= pause:
                    raise
                time.sleep(pause)
        return self._try(target, deadline, policy)

    def _try(self, target: Target, deadline: Deadline, policy: MediaPolicy) -> bytes:
        try:
            found = resolve_within(self._resolve, target.host, target.port, deadline)
            addresses = check_resolved(target, found, policy.allowed_domains)
            return self._fetch(target, PinnedBackend(addresses, deadline), policy)
        except (httpcore.TimeoutException, TimeoutError) as exc:
            text = f"{target.authority!r} did not give the medium within {policy.timeout:g} seconds."
            raise MediaUnavailable(text) from exc
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as exc:
            raise _failure(target, exc) from exc

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
    status = response.status
    if 300 <= status < 400:
        text = f"{target.authority!r} redirects to another address ({status}), which is not followed."
        raise MediaFetchError(f"{text} Give the address that it leads to.")
    if status != 200:
        kind = MediaUnavailable if status >= 500 or status in _PASSING else MediaFetchError
        raise kind(f"{target.authority!r} answered with status {status} in place of the medium.")
    headers = {name.lower(): value for name, value in response.headers}
    # A compressed body could be of any size once unpacked.
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        raise MediaFetchError(f"{target.authority!r} sent the medium compressed, although it was asked not to.")
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


def _too_large(target: Target, policy: MediaPolicy) -> MediaFetchError:
    return MediaFetchError(f"{target.authority!r} sends more than the {policy.max_bytes} bytes that are allowed.")


def _failure(target: Target, cause: BaseException) -> MediaFetchError | MediaUnavailable:
    """Say what went wrong without the addresses that causes name."""
    seen: BaseException | None = cause
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return MediaFetchError(f"The certificate of {target.authority!r} is not valid for it.")
        seen = seen.__cause__ or seen.__context__
    return MediaUnavailable(f"{target.authority!r} could not be reached, or its answer is not HTTP.")


#: The loader of `http:` and `https:` addresses.
HTTP = HttpLoader()
