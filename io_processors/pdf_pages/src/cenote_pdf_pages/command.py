"""`cenote embed-pdf`: the pages of PDF files as lines of JSON, without a server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from cenote import LLM

__all__ = ["embed_pdf"]

#: Pages of one request: bounds the pictures that are in memory at once.
_GROUP = 16
#: From the words of requests, which errors use, to those of the command line.
_WORDS = {"'password'": "--password", "'pages'": "--pages", "pages=": "--pages "}


def embed_pdf(
    model: Annotated[str, typer.Argument(help="Folder or hub id of an embedding model.")],
    files: Annotated[list[Path], typer.Argument(help="PDF files.", exists=True, dir_okay=False)],
    pages: Annotated[str | None, typer.Option(help="Which pages, such as 1-3,5; all by default.")] = None,
    dpi: Annotated[int, typer.Option(min=18, max=300, help="Resolution, for models that read images.")] = 144,
    text: Annotated[bool, typer.Option("--text", help="Write the text of each page too.")] = False,
    password: Annotated[
        str | None,
        typer.Option(
            envvar="CENOTE_PDF_PASSWORD",
            help="Opens encrypted files. Other users may see it; the variable they do not.",
        ),
    ] = None,
    on_error: Annotated[
        Literal["raise", "item"],
        typer.Option(help="Where a file is bad: 'raise' ends the command, 'item' writes a line with the error."),
    ] = "raise",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write, in place of the terminal, once all is done.")
    ] = None,
) -> None:
    """Embed the pages of PDF files, and write a line of JSON for each page."""
    from cenote_pdf_pages.lines import writing

    with writing(output) as lines, _loaded(model, files) as llm:
        for file in files:
            for page in _told(
                _embedded(llm, file, pages, password, {"dpi": dpi, "include_text": text}), file, on_error
            ):
                print(json.dumps({"file": str(file), **page}, ensure_ascii=False), file=lines)


def _loaded(model: str, files: list[Path]) -> LLM:
    """Return the model, with limits that let the files through."""
    from cenote import LLM

    largest = max(file.stat().st_size for file in files) + 1
    limits = {"max_bytes": largest, "max_pages": _GROUP, "processes": 1}
    return LLM(
        model, io_processor_plugin="pdf-pages", io_processor_settings={"pdf-pages": limits}, max_media_bytes=largest
    )


def _told(found: Iterator[dict[str, Any]], file: Path, on_error: str) -> Iterator[dict[str, Any]]:
    """Yield the pages, and a bad file's error in place of those that it lacks.

    Raises:
        InvalidRequest: the same, where the user did not ask for it as a line; names the file.
    """
    try:
        yield from found
    except (InvalidRequest, OSError) as exc:
        error = exc.strerror or "it cannot be read" if isinstance(exc, OSError) else str(exc)
        if on_error == "raise":
            raise InvalidRequest(f"{file}: {error.rstrip('.')}.") from exc
        yield {"error": error}


def _embedded(
    llm: LLM, file: Path, pages: str | None, password: str | None, common: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the pages of a file, a few at a time.

    Raises:
        InvalidRequest: the file cannot be read, or has no such page.
        OSError: the file is gone, or somebody else's.
    """
    data = file.read_bytes()
    try:
        count, chosen = _choose(data, pages, password)
    except ValueError as exc:
        raise InvalidRequest(_in_words_of_the_command(str(exc))) from exc
    given = {"pdf": base64.b64encode(data).decode("ascii"), "password": password}
    for start in range(0, len(chosen), _GROUP):
        asked: Any = {"data": {**common, "documents": {**given, "pages": chosen[start : start + _GROUP]}}}
        (result,) = llm.encode(asked, pooling_task="plugin", use_tqdm=False)
        answer: Any = result.outputs.data
        for page in answer.documents[0].pages:
            yield {"page_count": count, **page.model_dump(exclude_none=True)}


def _in_words_of_the_command(text: str) -> str:
    for word, option in _WORDS.items():
        text = text.replace(word, option)
    return text


def _choose(data: bytes, pages: str | None, password: str | None) -> tuple[int, list[int]]:
    from cenote_pdf_pages.isolated import PdfProcesses
    from cenote_pdf_pages.selection import select_pages
    from cenote_pdf_pages.settings import Settings

    settings = Settings()
    files = PdfProcesses(seconds=settings.max_seconds, memory=settings.max_memory)
    try:
        with files.open(data, password) as pdf:
            return pdf.count, select_pages(pages, pdf.count, pdf.count)
    finally:
        files.close()
