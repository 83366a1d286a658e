"""PDF files by pdfium: how many pages, their text, and pictures of them. For one thread of one process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pypdfium2 as pdfium

__all__ = ["PdfFile", "Picture"]

_POINTS_PER_INCH = 72
#: Error codes of pdfium (fpdfview.h).
_PASSWORD, _SECURITY = 4, 5


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels in rows from the top, each `stride` bytes of which the first `3 * width` are red, green and blue."""

    width: int
    height: int
    stride: int
    data: bytes


class PdfFile:
    """An open PDF file. Close it: pdfium's memory is not Python's.

    Args:
        data: the file.
        password: opens it, if it is encrypted.

    Raises:
        ValueError: it is damaged, without pages, or encrypted.
    """

    def __init__(self, data: bytes, password: str | None = None) -> None:
        try:
            self._pdf = pdfium.PdfDocument(data, password=password)
            self._pdf.init_forms()  # else the values of forms are missing in pictures
            self.count = len(self._pdf)
        except pdfium.PdfiumError as exc:
            raise ValueError(_reason(exc, password)) from exc

    def close(self) -> None:
        """Free the file."""
        self._pdf.close()

    def text(self, number: int) -> str:
        """Return the text of a page, without what stands outside of it.

        Args:
            number: of the page, from 1.

        Raises:
            ValueError: the page is damaged.
        """
        with self._page(number) as page:
            found = page.get_textpage()
            text = str(found.get_text_bounded())
            found.close()
        # pdfium writes U+FFFE or U+0002 for the hyphen of a word that goes on in the next line.
        for mark in ("\ufffe\r\n", "\x02\r\n", "\ufffe", "\x02", "\x00"):
            text = text.replace(mark, "")
        return text.replace("\r\n", "\n").strip()

    def picture(self, number: int, dpi: int, max_side: int) -> Picture:
        """Render a page on white.

        Args:
            number: of the page, from 1.
            dpi: resolution, lower where a side would be longer than allowed.
            max_side: most pixels of a side.

        Raises:
            ValueError: the page is damaged, or has no area.
        """
        with self._page(number) as page:
            longest, shortest = max(page.get_size()), min(page.get_size())
            if not (0 < shortest <= longest < math.inf):
                raise ValueError(f"page {number} has no area")
            # Sizes are the file's claim: they are capped before memory for the picture is asked for.
            scale = min(dpi / _POINTS_PER_INCH, (max_side - 1e-6) / longest)
            bitmap = page.render(scale=scale, rev_byteorder=True)
            try:
                return Picture(bitmap.width, bitmap.height, bitmap.stride, bytes(bitmap.buffer))
            finally:
                bitmap.close()

    @contextmanager
    def _page(self, number: int) -> Iterator[Any]:
        try:
            page = self._pdf[number - 1]
            try:
                yield page
            finally:
                page.close()
        except pdfium.PdfiumError as exc:
            raise ValueError(f"page {number} is damaged and cannot be read") from exc


def _reason(error: pdfium.PdfiumError, password: str | None) -> str:
    if error.err_code == _PASSWORD:
        if password is None:
            return "it is encrypted; give its 'password'"
        return "it is encrypted, and the 'password' does not open it"
    if error.err_code == _SECURITY:
        return "it is encrypted in a way that is not supported; send it without encryption"
    return "it is damaged, cut off or without pages; save it anew"
