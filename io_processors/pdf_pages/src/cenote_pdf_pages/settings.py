"""What an operator may set, as in `--io-processor-settings '{"pdf-pages": {"max_pages": 20}}'`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Settings"]


class Settings(BaseModel):
    """Limits of one request. All pages of a request are in memory at once, at 4 bytes a pixel.

    Attributes:
        max_documents: documents.
        max_pages: pages that are looked at, of all documents together, also those without text.
        max_bytes: size of one PDF file or image, before it is unpacked; the host has limits of its own.
        max_side: pixels of the longer side of a page; what would be larger is rendered smaller.
        max_pixels: pixels that an image may have before it is made smaller.
        max_dpi: resolution that requests may ask for.
        max_seconds: how long reading one PDF file may take, all its pages together.
        max_memory: bytes that a process which reads PDF files may take; more ends it, and refuses the file.
        processes: PDF files that are read at once, of all requests, each by a process of its own; as many images are
            decoded at once.
        max_characters: characters of one page's text that are looked at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_documents: int = Field(default=16, ge=1)
    max_pages: int = Field(default=64, ge=1)
    max_bytes: int = Field(default=64 * 1024**2, ge=1)
    max_side: int = Field(default=2048, ge=16)
    max_pixels: int = Field(default=25_000_000, ge=1)
    max_dpi: int = Field(default=300, ge=1)
    max_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    max_memory: int = Field(default=2 * 1024**3, ge=256 * 1024**2)
    processes: int = Field(default=2, ge=1, le=64)
    max_characters: int = Field(default=100_000, ge=1)
