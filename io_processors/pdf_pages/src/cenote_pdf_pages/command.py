"""`cenote embed-pdf`: the pages of PDF files as lines of JSON, without a server."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from cenote import LLM

__all__ = ["embed_pdf"]

#: Pages of one request: bounds the pictures that are in memory at once.
_GROUP = 16


def embed_pdf(
    model: Annotated[str, typer.Argument(help="Folder or hub id of an embedding model.")],
    files: Annotated[list[Path], typer.Argument(help="PDF files.", exists=True, dir_okay=False)],
    pages: Annotated[str | None, typer.Option(help="Which pages, such as 1-3,5; all by default.")] = None,
    dpi: Annotated[int, typer.Option(min=18, max=300, help="Resolution, for models that read images.")] = 144,
    text: Annotated[bool, typer.Option("--text", help="Write the text of each page too.")] = False,
    password: Annotated[str | None, typer.Option(help="Opens encrypted files.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write, in place of the terminal.")
    ] = None,
) -> None:
    """Embed the pages of PDF files, and write a line of JSON for each page."""
    from cenote import LLM

    largest = max(file.stat().st_size for file in files) + 1
    limits = {"max_bytes": largest, "max_pages": _GROUP}
    common = {"dpi": dpi, "include_text": text}
    with (
        LLM(
            model,
            io_processor_plugin="pdf-pages",
            io_processor_settings={"pdf-pages": limits},
            max_media_bytes=largest,
        ) as llm,
        output.open("w", encoding="utf-8") if output else nullcontext(sys.stdout) as lines,
    ):
        for file in files:
            for page in _embedded(llm, file, pages, password, common):
                print(json.dumps({"file": str(file), **page}, ensure_ascii=False), file=lines)


def _embedded(
    llm: LLM, file: Path, pages: str | None, password: str | None, common: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the pages of a file, a few at a time.

    Raises:
        InvalidRequest: the file cannot be read, or has no such page; names it.
    """
    data = file.read_bytes()
    try:
        count, chosen = _choose(data, pages, password)
    except ValueError as exc:
        raise InvalidRequest(f"{file}: {exc}.") from exc
    given = {"pdf": base64.b64encode(data).decode("ascii"), "password": password}
    for start in range(0, len(chosen), _GROUP):
        asked: Any = {"data": {**common, "documents": {**given, "pages": chosen[start : start + _GROUP]}}}
        (result,) = llm.encode(asked, pooling_task="plugin", use_tqdm=False)
        answer: Any = result.outputs.data
        for page in answer.documents[0].pages:
            yield {"page_count": count, **page.model_dump(exclude_none=True)}


def _choose(data: bytes, pages: str | None, password: str | None) -> tuple[int, list[int]]:
    from cenote_pdf_pages.isolated import PdfProcess
    from cenote_pdf_pages.selection import select_pages
    from cenote_pdf_pages.settings import Settings

    settings = Settings()
    process = PdfProcess(seconds=settings.max_seconds, memory=settings.max_memory)
    try:
        with process.open(data, password) as pdf:
            return pdf.count, select_pages(pages, pdf.count, pdf.count)
    finally:
        process.close()
