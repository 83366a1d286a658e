"""`load_media`: from an address to bytes, by the loader of its scheme."""

from __future__ import annotations

import logging
import re

from cenote.errors import CenoteError, InvalidRequest, PluginError, UnknownPlugin
from cenote.media.base import MediaPolicy, check_loader
from cenote.registry import Registry, default_registry

__all__ = ["load_media"]

_log = logging.getLogger(__name__)

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
        InvalidRequest: no address, an unknown scheme, not allowed, or it does not work.
        PluginError: the scheme's loader is broken.
    """
    try:
        return _load(url, policy, registry or default_registry())
    except InvalidRequest as exc:
        exc.param = param
        raise


def _load(url: str, policy: MediaPolicy, registry: Registry) -> bytes:
    found = _SCHEME.match(url)
    if found is None:
        raise InvalidRequest("An address of media begins with its scheme, such as 'data:' or 'https:'.")
    scheme = found[1].lower()
    try:
        loader = registry.get(_GROUP, scheme)
    except UnknownPlugin as exc:
        known = ", ".join(f"{name}:" for name in registry.names(_GROUP))
        raise InvalidRequest(f"Addresses of the scheme '{scheme}:' are not loaded here; known: {known}.") from exc
    data = _call(loader, scheme, url, policy)
    if len(data) > policy.max_bytes:
        raise InvalidRequest(f"The medium has more than the {policy.max_bytes} bytes that the operator allows.")
    if not data:
        raise InvalidRequest("The medium is empty.")
    return data


def _call(loader: object, scheme: str, url: str, policy: MediaPolicy) -> bytes:
    """Call a loader, which may be anybody's: what it raises unexpectedly is logged and not shown to clients."""
    try:
        check_loader(loader)
        data = loader.load(url, policy)  # type: ignore[attr-defined]
        if not isinstance(data, bytes):
            raise TypeError(f"it returned {type(data).__name__}, not bytes")
    except CenoteError:
        raise
    except Exception as exc:
        _log.exception("the media loader of %r failed", scheme)
        raise PluginError(f"The loader of '{scheme}:' addresses failed.", plugin=scheme) from exc
    return data
