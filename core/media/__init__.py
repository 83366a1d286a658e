"""Media: bytes behind an address, as far as the operator allows."""

from cenote.media.base import MediaLoader, MediaPolicy, check_loader
from cenote.media.cache import MediaCache
from cenote.media.load import load_media
from cenote.media.picture import Picture

__all__ = ["MediaCache", "MediaLoader", "MediaPolicy", "Picture", "check_loader", "load_media"]
