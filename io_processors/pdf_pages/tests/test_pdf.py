"""PDF files: their text, their pictures, and files that are none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cenote_pdf_pages.isolated import PdfProcess

PdfOf = Callable[..., bytes]


@pytest.fixture(scope="module")
def files() -> Iterator[PdfProcess]:
    process = PdfProcess(seconds=60, memory=1024**3)
    yield process
    process.close()


def read(files: PdfProcess, data: bytes, password: str | None = None) -> str:
    """Return the text of the first page."""
    with files.open(data, password) as pdf:
        return pdf.text(1)


def test_text_is_read_page_by_page(files: PdfProcess, pdf_of: PdfOf, page_of: Any) -> None:
    with files.open(pdf_of("one\ntwo", page_of("turned", rotation=90), "")) as pdf:
        assert pdf.count == 3
        assert [pdf.text(number) for number in (1, 2, 3)] == ["one\ntwo", "turned", ""]


def test_pages_are_rendered_at_the_resolution_and_turned(files: PdfProcess, pdf_of: PdfOf, page_of: Any) -> None:
    page = page_of(size=(144, 72), red=True)
    with files.open(pdf_of(page, page_of(size=(144, 72), red=True, rotation=90))) as pdf:
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
    files: PdfProcess, pdf_of: PdfOf, page_of: Any, size: tuple[float, float], rendered: tuple[int, int]
) -> None:
    with files.open(pdf_of(page_of(size=size))) as pdf:
        assert pdf.picture(1, 300, 100).size == rendered


@pytest.mark.parametrize("password", ["secret", "owner"])
def test_encrypted_files_open_with_a_password(files: PdfProcess, pdf_of: PdfOf, password: str) -> None:
    with files.open(pdf_of("hidden", password="secret"), password) as pdf:
        assert pdf.text(1) == "hidden"


def test_a_password_that_is_missing_or_wrong_is_told(files: PdfProcess, pdf_of: PdfOf) -> None:
    file = pdf_of("hidden", password="secret")
    with pytest.raises(ValueError, match="it is encrypted; give its 'password'"):
        read(files, file)
    with pytest.raises(ValueError, match="it is encrypted, and the 'password' does not open it"):
        read(files, file, "wrong")


@pytest.mark.parametrize("data", [b"", b"%PDF", b"\x89PNG\r\n\x1a\n", b"<html>", b" " * 2000 + b"%PDF-1.4"])
def test_what_is_no_pdf_is_refused(files: PdfProcess, data: bytes) -> None:
    with pytest.raises(ValueError, match="it is no PDF file"):
        read(files, data)


def test_damaged_files_are_refused(files: PdfProcess, pdf_of: PdfOf) -> None:
    whole = pdf_of("text")
    for data in (b"%PDF-1.7\n", whole[:200], whole[:-40], b"%PDF-1.4\n" + bytes(range(256)) * 8, pdf_of()):
        with pytest.raises(ValueError, match="it is damaged, cut off or without pages"):
            read(files, data)


def test_a_page_that_is_missing_in_the_file_is_told(files: PdfProcess, pdf_of: PdfOf) -> None:
    broken = pdf_of("one", "two").replace(b"6 0 obj\n<</Type/Page/", b"6 0 obj\n[/Type /Nothing/")
    with files.open(broken) as pdf:
        assert pdf.text(1) == "one"
        for use in (lambda: pdf.text(2), lambda: pdf.picture(2, 72, 100)):
            with pytest.raises(ValueError, match="page 2 is damaged"):
                use()


def test_files_are_read_from_several_threads(files: PdfProcess, pdf_of: PdfOf) -> None:
    texts = [f"file {number}" for number in range(4)]
    read: dict[int, list[str]] = {}

    def work(number: int) -> None:
        with files.open(pdf_of(*[texts[number]] * 5)) as pdf:
            read[number] = [pdf.text(page) for page in range(1, 6) if pdf.picture(page, 72, 64)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == {number: [texts[number]] * 5 for number in range(4)}


def test_a_page_that_takes_for_ever_is_given_up(pdf_of: PdfOf, bomb_of: Callable[[int], bytes]) -> None:
    process = PdfProcess(seconds=1, memory=1024**3)
    with pytest.raises(ValueError, match="page 1 takes longer than 1 seconds to read"):
        read(process, bomb_of(32))
    assert read(process, pdf_of("the next file")) == "the next file"
    process.close()


def test_a_file_that_ends_the_process_costs_itself_alone(pdf_of: PdfOf, page_of: Any) -> None:
    process = PdfProcess(seconds=60, memory=400 * 1024**2)
    large = pdf_of(page_of(size=(14400, 14400)))
    with process.open(large) as pdf, pytest.raises(ValueError, match=r"page 1 (cannot be read: it ends|is damaged)"):
        pdf.picture(1, 300, 50_000)
    assert read(process, pdf_of("the next file")) == "the next file"
    process.close()
    process.close()


def test_the_process_does_not_outlive_its_owner(pdf_of: PdfOf) -> None:
    process = PdfProcess(seconds=60, memory=1024**3)
    read(process, pdf_of("text"))
    finalizer = process._end
    del process
    assert finalizer is not None
    assert not finalizer.alive
