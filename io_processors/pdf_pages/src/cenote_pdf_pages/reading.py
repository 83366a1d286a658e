"""From the documents of a request to their pages: pictures or texts that a model can read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from PIL import Image

from cenote.errors import InvalidRequest
from cenote.io_processors import ProcessorContext, RequestContext
from cenote_pdf_pages.cutting import cut_to_tokens
from cenote_pdf_pages.images import ImageDecoder
from cenote_pdf_pages.isolated import OpenPdf, PdfProcesses, is_pdf
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
        host: of the request: counts its tokens, and tells before each page whether nobody waits any more.
        files: read PDF files.
        images: decodes images.
    """

    def __init__(
        self,
        request: PagesRequest,
        context: ProcessorContext,
        host: RequestContext,
        files: PdfProcesses,
        images: ImageDecoder,
    ) -> None:
        self._request = request
        self._context = context
        self._host = host
        self._files = files
        self._decoder = images
        self._settings: Settings = context.settings
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
        if not is_pdf(data):
            raise ValueError("it is no PDF file; images are given under 'images'")
        with self._files.open(data, document.password, self._host.is_cancelled) as pdf:
            count = pdf.count
            found = [self._found(pdf, number) for number in self._alive(self._select(document, count))]
        # Others read their files while the texts of this one are counted and cut.
        return ReadDocument(page_count=count, pages=[self._finished(page, text) for page, text in found])

    def _found(self, pdf: OpenPdf, number: int) -> tuple[ReadPage, str | None]:
        """Return what the file has for a page: the picture that the model sees, or the text, or both."""
        page = ReadPage(number=number)
        if self._sees:
            page = ReadPage.of(number, pdf.picture(number, self._request.dpi, self._settings.max_side))
        if self._sees and not self._request.include_text:
            return page, None
        return page, pdf.text(number, self._settings.max_characters + 1)  # one more tells that there is more

    def _finished(self, page: ReadPage, text: str | None) -> ReadPage:
        if text is not None:
            self._add_text(page, text)
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
        most = self._context.limits.max_tokens
        kept = cut_to_tokens(text, most, self._host.count_tokens)
        if not kept:
            raise ValueError(f"page {number}: the model reads {most} tokens, which is too few for any text")
        return kept

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
        try:
            return self._decoder.open(self._load(given, is_url=False))
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
            if self._host.is_cancelled():
                raise InvalidRequest("Nobody waits for the answer any more.")
            yield number
