"""Encoded images: what their heads say, read without decoding, and what of them a decoder is given.

Decoders are given the parts that hold pixels and nothing else. Texts, profiles, thumbnails, EXIF and further frames, in
which files can hide gigabytes or endless work, are left out before Pillow sees a file.
"""

from cenote.media.formats.choose import FORMATS, read_head
from cenote.media.formats.head import Head
from cenote.media.formats.png_rows import has_all_rows

__all__ = ["FORMATS", "Head", "has_all_rows", "read_head"]
