"""How `cenote embed --output` shows or stores several forms of an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.cli.show import print_table
from cenote.cli.vectors import Format, choose_form, named_input, write_records

if TYPE_CHECKING:
    from cenote.outputs import Forms, FormsRequestOutput

__all__ = ["split_forms", "write_forms"]

#: Terms of a sparse embedding that a table shows.
_TERMS = 3


def split_forms(given: str) -> list[str]:
    """Return the names in `dense,multi`."""
    return [name.strip() for name in given.split(",")]


def write_forms(
    results: Sequence[FormsRequestOutput], texts: Sequence[str | Path], form: Format | None, path: Path | None
) -> None:
    """Write one record per text or image, in order, with a field for each form: to the file, or to standard output.

    Args:
        results: one for each.
        texts: the texts themselves, and the files of images.
        form: JSON, lines of JSON or a table; None takes it from the end of the file's name, or is a table.
        path: file to write; None is standard output.

    Raises:
        InvalidRequest: the form is unclear or holds one vector per text only, or the file cannot be written.
    """
    form = choose_form(form, path, is_matrix=False)
    pairs = list(zip(texts, results, strict=True))
    if form is not Format.table:
        write_records([_record(index, text, result) for index, (text, result) in enumerate(pairs)], form, path)
        return
    shown = [_cells(result.outputs) for result in results]
    rows = [
        (str(text), str(len(result.prompt_token_ids)), *cells.values())
        for (text, result), cells in zip(pairs, shown, strict=True)
    ]
    print_table(["text", "tokens", *shown[0]], ["text"], rows)


def _record(index: int, text: str | Path, result: FormsRequestOutput) -> dict[str, Any]:
    found = result.outputs
    record: dict[str, Any] = {"index": index, **named_input(text), "tokens": len(result.prompt_token_ids)}
    if found.dense is not None:
        record["dense"] = found.dense.tolist()
    if found.sparse is not None:
        terms = found.sparse
        record["sparse"] = {"indices": terms.indices, "values": terms.values, "tokens": terms.tokens}
    if found.multi is not None:
        record["multi"] = found.multi.tolist()
        record["positions"] = found.positions
    return record


def _cells(found: Forms) -> dict[str, str]:
    """Return what a table says of each form: sizes, and the heaviest terms."""
    cells = {}
    if found.dense is not None:
        cells["dense"] = f"{found.dense.shape[-1]}"
    if found.sparse is not None:
        terms = found.sparse
        named = terms.tokens or [str(index) for index in terms.indices]
        heaviest = sorted(zip(terms.values, named, strict=True), reverse=True)[:_TERMS]
        cells["terms"] = str(len(terms))
        cells["heaviest terms"] = ", ".join(f"{name} {value:.2f}" for value, name in heaviest)
    if found.multi is not None:
        cells["multi"] = " x ".join(map(str, found.multi.shape))
    return cells
