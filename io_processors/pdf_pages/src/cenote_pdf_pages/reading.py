"""From the documents of a request to their pages: pictures or texts that a model can read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from PIL import Image

from cenote.errors import InvalidRequest
from cenote.io_processors import ProcessorContext
from cenote_pdf_pages.images import open_image
from cenote_pdf_pages.isolated import OpenPdf, PdfProcess
from cenote_pdf_pages.schema import Document, PagesRequest
from cenote_pdf_pages.selection import select_pages
from cenote_pdf_pages.settings import Settings

__all__ = ["PageReader", "ReadDocument", "ReadPage"]

_NO_TEXT = "The page holds no text. Use a model that reads images, or recognise its text (OCR) first."
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(slots=True, kw_only=True)
class ReadPage:
    """One page.

    Attributes:
        number: from 1.
        prompt: what the model is given: a text, or a mapping with an image; None where there is nothing to read.
        size: width and height of the image.
        text: the page's text for the answer, where it was asked for.
        truncated: the prompt or the text is not the whole text.
        skipped: why there is no prompt.
    """

    number: int
    prompt: str | dict[str, Any] | None = None
    size: tuple[int, int] | None = None
    text: str | None = None
    truncated: bool = False
    skipped: str | None = None

    @classmethod
    def of(cls, number: int, picture: Image.Image) -> Self:
        """Return a page that the model sees."""
        return cls(number=number, prompt={"multi_modal_data": {"image": picture}}, size=picture.size)


@dataclass(slots=True, kw_only=True)
class ReadDocument:
    """One document: its pages, or why there are none."""

    page_count: int | None = None
    pages: list[ReadPage] = field(default_factory=list)
    error: str | None = None


class PageReader:
    """Reads the documents of one request.

    Args:
        request: what is asked.
        context: what the host offers; `settings` are a `Settings`.
        process: reads PDF files.
        is_cancelled: tells whether nobody waits any more; asked before each page.
    """

    def __init__(
        self,
        request: PagesRequest,
        context: ProcessorContext,
        process: PdfProcess,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._request = request
        self._process = process
        self._context = context
        self._settings: Settings = context.settings
        self._is_cancelled = is_cancelled
        self._sees = "image" in context.limits.modalities
        self._left = self._settings.max_pages

    def read(self) -> list[ReadDocument]:
        """Return the documents, in order.

        Raises:
            ValueError: the request asks for more than the operator allows, or a document is bad.
        """
        self._check()
        return [self._document(place, document) for place, document in enumerate(self._request.documents)]

    def _check(self) -> None:
        settings, request = self._settings, self._request
        if len(request.documents) > settings.max_documents:
            raise ValueError(
                f"{len(request.documents)} documents are given; a request may have {settings.max_documents}"
            )
        if request.dpi > settings.max_dpi:
            raise ValueError(f"dpi={request.dpi} is asked for; at most {settings.max_dpi} is allowed")

    def _document(self, place: int, document: Document) -> ReadDocument:
        try:
            read = self._images(document) if document.images is not None else self._pdf(document)
        except ValueError as exc:
            if self._request.on_error == "item":
                return ReadDocument(error=str(exc))
            raise ValueError(f"document {place}: {exc}") from exc
        self._left -= len(read.pages)
        return read

    def _pdf(self, document: Document) -> ReadDocument:
        data = self._load(document.url or document.pdf or "", is_url=document.url is not None)
        with self._process.open(data, document.password) as pdf:
            numbers = self._select(document, pdf.count)
            pages = [self._page(pdf, number) for number in self._alive(numbers)]
            return ReadDocument(page_count=pdf.count, pages=pages)

    def _page(self, pdf: OpenPdf, number: int) -> ReadPage:
        if not self._sees:
            page = ReadPage(number=number)
            self._add_text(page, pdf.text(number))
            return page
        page = ReadPage.of(number, pdf.picture(number, self._request.dpi, self._settings.max_side))
        if self._request.include_text:
            self._add_text(page, pdf.text(number))
        return page

    def _add_text(self, page: ReadPage, text: str) -> None:
        """Note the text for the answer, and for the model where it reads text only."""
        kept = text[: self._settings.max_characters]
        page.text = kept if self._request.include_text else None
        page.truncated = kept != text
        if not self._sees and kept:
            page.prompt = self._fitting(kept, page.number)
            page.truncated |= page.prompt != kept
        elif not self._sees:
            page.skipped = _NO_TEXT
        if page.truncated and not self._request.truncate:
            raise ValueError(
                f"page {page.number} has more text than is read; leave 'truncate' out to read its beginning"
            )

    def _fitting(self, text: str, number: int) -> str:
        """Return as much of a text as the model reads, up to the end of a word where there is one."""
        most, count = self._context.limits.max_tokens, self._context.count_tokens
        if count(text) <= most:
            return text
        low, high = 0, len(text) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if count(text[:middle]) <= most else (low, middle - 1)
        kept = text[:low].split()
        if not kept:
            raise ValueError(f"page {number}: the model reads {most} tokens, which is too few for any text")
        is_word_cut = not text[low].isspace() and len(kept) > 1
        return text[: text.rindex(kept[-1], 0, low)].rstrip() if is_word_cut else text[:low].rstrip()

    def _images(self, document: Document) -> ReadDocument:
        if not self._sees:
            text = f"it is a list of images, and {self._context.model!r} reads text only"
            raise ValueError(f"{text}; send PDF files with text, or use a model that reads images")
        given = document.images or []
        if not given:
            raise ValueError("'images' is empty")
        numbers = self._select(document, len(given))
        pages = [ReadPage.of(number, self._image(given[number - 1], number)) for number in self._alive(numbers)]
        return ReadDocument(page_count=len(given), pages=pages)

    def _image(self, given: str, number: int) -> Image.Image:
        settings = self._settings
        try:
            data = self._load(given, is_url=False)
            return open_image(data, max_pixels=settings.max_pixels, max_side=settings.max_side)
        except ValueError as exc:
            raise ValueError(f"image {number}: {exc}") from exc

    def _select(self, document: Document, count: int) -> list[int]:
        wanted = document.pages if document.pages is not None else self._request.pages
        return select_pages(wanted, count, self._left)

    def _load(self, given: str, *, is_url: bool) -> bytes:
        """Return the bytes of an address, or of base64 text, which has no colon."""
        url = given if is_url or _SCHEME.match(given) else f"data:;base64,{given}"
        data = self._context.load_media(url)
        if len(data) > self._settings.max_bytes:
            raise ValueError(f"it has {len(data)} bytes; at most {self._settings.max_bytes} are allowed")
        return data

    def _alive(self, numbers: list[int]) -> Iterator[int]:
        for number in numbers:
            if self._is_cancelled():
                raise InvalidRequest("Nobody waits for the answer any more.")
            yield number
