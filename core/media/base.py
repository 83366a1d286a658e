"""What loads the bytes behind an address, and what the operator allows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from cenote.config import EngineConfig

__all__ = ["MediaLoader", "MediaPolicy", "check_loader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPolicy:
    """What the operator allows. The defaults allow nothing but what an address itself holds (`data:`).

    Attributes:
        allowed_domains: hosts that may be asked: `example.org`, `*.example.org` (its subdomains, not itself),
            `example.org:8443`, or the literal address of a host. A host without a port is asked at the usual port of
            the scheme. Whatever a name resolves to must be a public address, or an address that this list names.
        allowed_path: folder below which files may be read, or None.
        max_bytes: size of one medium.
        timeout: seconds that loading one medium may take in all.
    """

    allowed_domains: tuple[str, ...] = ()
    allowed_path: str | None = None
    max_bytes: int = 64 * 1024**2
    timeout: float = 10.0

    @classmethod
    def of(cls, config: EngineConfig) -> Self:
        """Return what the options of an engine allow."""
        return cls(
            allowed_domains=config.allowed_media_domains,
            allowed_path=config.allowed_local_media_path,
            max_bytes=config.max_media_bytes,
            timeout=config.media_timeout,
        )


class MediaLoader(Protocol):
    """Loads the addresses of one scheme, which is the name of its entry point. Used from several threads."""

    def load(self, url: str, policy: MediaPolicy) -> bytes:
        """Return the bytes behind an address; blocking.

        Args:
            url: the complete address, as the client sent it.
            policy: what the operator allows. A loader keeps to `max_bytes` and `timeout` itself, and opens nothing that
                the policy does not allow.

        Raises:
            InvalidRequest: it is not allowed or malformed. The text goes to the client, so that it holds no path,
                address or secret of the server; so do the texts of the others.
            MediaFetchError: who holds the medium will not give it.
            MediaUnavailable: who holds it does not give it for now; a later try may succeed.
        """
        ...


def check_loader(loader: Any) -> None:
    """Check that an object can be used as a loader.

    Raises:
        TypeError: it has no method `load`, or is a class.
    """
    if isinstance(loader, type):
        raise TypeError(f"A media loader is an object; {loader.__name__} is a class. Name an instance of it.")
    if not callable(getattr(loader, "load", None)):
        raise TypeError(f"A media loader has a method load(url, policy); {type(loader).__name__} has none.")
