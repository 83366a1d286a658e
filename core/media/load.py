"""`load_media`: from an address to bytes, by the loader of its scheme."""

from __future__ import annotations

import re

from cenote.errors import InvalidRequest, MediaUnavailable, UnknownPlugin
from cenote.media.base import MediaLoader, MediaPolicy
from cenote.registry import Entry, Registry, default_registry
from cenote.registry.blame import Blame

__all__ = ["load_media"]

_GROUP = "cenote.media_loaders"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31}):")


def load_media(url: str, policy: MediaPolicy, registry: Registry | None = None, *, param: str = "data") -> bytes:
    """Return the bytes behind an address; blocking.

    Args:
        url: an absolute address, such as `data:image/png;base64,...` or `https://example.org/page.png`.
        policy: what the operator allows.
        registry: where the loaders of schemes are found; None is the registry of this process.
        param: field of the request that errors name.

    Returns:
        At least one byte, and at most `policy.max_bytes`.

    Raises:
        InvalidRequest: no address, an unknown scheme, not allowed, or it holds nothing that can be read.
        MediaFetchError: its host will not give it.
        MediaUnavailable: its host does not give it for now.
        PluginError: the scheme's loader is broken. Its text may go to clients where it is a `PluginFailure`.
    """
    try:
        return _load(url, policy, registry or default_registry())
    except (InvalidRequest, MediaUnavailable) as exc:
        exc.param = param
        raise


def _load(url: str, policy: MediaPolicy, registry: Registry) -> bytes:
    found = _SCHEME.match(url)
    if found is None:
        raise InvalidRequest("An address of media begins with its scheme, such as 'data:' or 'https:'.")
    scheme = found[1].lower()
    try:
        loader: MediaLoader = registry.get(_GROUP, scheme)  # which checks it by `check_loader`
    except UnknownPlugin as exc:
        known = ", ".join(f"{name}:" for name in registry.names(_GROUP))
        raise InvalidRequest(f"Addresses of the scheme '{scheme}:' are not loaded here; known: {known}.") from exc
    data = _call(registry.entries(_GROUP)[scheme][0], loader, url, policy)
    if len(data) > policy.max_bytes:
        raise InvalidRequest(f"The medium has more than the {policy.max_bytes} bytes that the operator allows.")
    if not data:
        raise InvalidRequest("The medium is empty.")
    return data


def _call(entry: Entry, loader: MediaLoader, url: str, policy: MediaPolicy) -> bytes:
    """Call a loader, which may be anybody's: what it raises unexpectedly is logged and not shown to clients."""
    blame = Blame.of("media loader", entry)
    data: object = blame.call(loader.load, url, policy)
    if not isinstance(data, bytes):
        raise blame.wrong(f"returned {type(data).__name__}, not bytes")
    return data
