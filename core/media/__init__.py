"""Media: bytes behind an address, as far as the operator allows."""

from cenote.media.base import MediaLoader, MediaPolicy, check_loader
from cenote.media.load import load_media

__all__ = ["MediaLoader", "MediaPolicy", "check_loader", "load_media"]
