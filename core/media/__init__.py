"""Media: bytes behind an address, as far as the operator allows."""

from cenote.media.base import MediaLoader, MediaPolicy, check_loader
from cenote.media.cache import MediaCache
from cenote.media.heat import heat_colours, paint_heat
from cenote.media.load import load_media
from cenote.media.picture import Picture

__all__ = [
    "MediaCache",
    "MediaLoader",
    "MediaPolicy",
    "Picture",
    "check_loader",
    "heat_colours",
    "load_media",
    "paint_heat",
]
