"""Media: bytes behind an address, as far as the operator allows."""

from cenote.media.base import MediaLoader, MediaPolicy, check_loader
from cenote.media.cache import MediaCache
from cenote.media.clip import Clip
from cenote.media.heat import heat_colours, paint_heat
from cenote.media.load import load_media
from cenote.media.picture import Picture
from cenote.media.video import VideoLimits

__all__ = [
    "Clip",
    "MediaCache",
    "MediaLoader",
    "MediaPolicy",
    "Picture",
    "VideoLimits",
    "check_loader",
    "heat_colours",
    "load_media",
    "paint_heat",
]
