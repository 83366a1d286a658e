"""PDF files: their text, their pictures, and files that are none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from cenote_pdf_pages.pdf import PdfFile

PdfOf = Callable[..., bytes]


def test_text_is_read_page_by_page(pdf_of: PdfOf, page_of: Any) -> None:
    with closing(PdfFile(pdf_of("one\ntwo", page_of("turned", rotation=90), ""))) as pdf:
        assert pdf.count == 3
        assert [pdf.text(number) for number in (1, 2, 3)] == ["one\ntwo", "turned", ""]


def test_pages_are_rendered_at_the_resolution_and_turned(pdf_of: PdfOf, page_of: Any) -> None:
    page = page_of(size=(144, 72), red=True)
    with closing(PdfFile(pdf_of(page, page_of(size=(144, 72), red=True, rotation=90)))) as pdf:
        first, second = pdf.picture(1, 72, 1000), pdf.picture(2, 144, 1000)
    assert (first.mode, first.size, second.size) == ("RGB", (144, 72), (144, 288))
    red, white = (255, 0, 0), (255, 255, 255)
    assert (first.getpixel((10, 60)), first.getpixel((134, 60))) == (red, white)
    assert (second.getpixel((70, 20)), second.getpixel((70, 268))) == (red, white)


@pytest.mark.parametrize(
    ("size", "rendered"),
    [((720, 360), (100, 50)), ((1e9, 1e9), (100, 100)), ((1e9, 1), (100, 1)), ((1, 14400), (1, 100))],
)
def test_sides_are_capped_whatever_the_file_claims(
    pdf_of: PdfOf, page_of: Any, size: tuple[float, float], rendered: tuple[int, int]
) -> None:
    with closing(PdfFile(pdf_of(page_of(size=size)))) as pdf:
        assert pdf.picture(1, 300, 100).size == rendered


@pytest.mark.parametrize("password", ["secret", "owner"])
def test_encrypted_files_open_with_a_password(pdf_of: PdfOf, password: str) -> None:
    with closing(PdfFile(pdf_of("hidden", password="secret"), password)) as pdf:
        assert pdf.text(1) == "hidden"


def test_a_password_that_is_missing_or_wrong_is_told(pdf_of: PdfOf) -> None:
    file = pdf_of("hidden", password="secret")
    with pytest.raises(ValueError, match="it is encrypted; give its 'password'"):
        PdfFile(file)
    with pytest.raises(ValueError, match="it is encrypted, and the 'password' does not open it"):
        PdfFile(file, "wrong")


@pytest.mark.parametrize("data", [b"", b"%PDF", b"\x89PNG\r\n\x1a\n", b"<html>", b" " * 2000 + b"%PDF-1.4"])
def test_what_is_no_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="it is no PDF file"):
        PdfFile(data)


def test_damaged_files_are_refused(pdf_of: PdfOf) -> None:
    whole = pdf_of("text")
    for data in (b"%PDF-1.7\n", whole[:200], whole[:-40], b"%PDF-1.4\n" + bytes(range(256)) * 8, pdf_of()):
        with pytest.raises(ValueError, match="it is damaged, cut off or without pages"):
            PdfFile(data)


def test_a_page_that_is_missing_in_the_file_is_told(pdf_of: PdfOf) -> None:
    broken = pdf_of("one", "two").replace(b"6 0 obj\n<</Type/Page/", b"6 0 obj\n[/Type /Nothing/")
    with closing(PdfFile(broken)) as pdf:
        assert pdf.text(1) == "one"
        for read in (lambda: pdf.text(2), lambda: pdf.picture(2, 72, 100)):
            with pytest.raises(ValueError, match="page 2 is damaged"):
                read()


def test_files_are_read_from_several_threads(pdf_of: PdfOf) -> None:
    texts = [f"file {number}" for number in range(4)]
    read: dict[int, list[str]] = {}

    def work(number: int) -> None:
        with closing(PdfFile(pdf_of(*[texts[number]] * 5))) as pdf:
            read[number] = [pdf.text(page) for page in range(1, 6) if pdf.picture(page, 72, 64)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == {number: [texts[number]] * 5 for number in range(4)}
