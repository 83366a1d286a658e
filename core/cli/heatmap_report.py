"""How `cenote heatmap` shows a comparison: as numbers to paint, and as tables or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cenote.cli.show import print_json, print_table

if TYPE_CHECKING:
    import numpy as np

    from cenote.cli.heatmap_compare import Comparison
    from cenote.cli.query_tokens import QueryToken

__all__ = ["print_comparison", "shown_map"]


def shown_map(found: Comparison, tokens: Sequence[QueryToken], kind: str) -> np.ndarray[Any, Any]:
    """Return [rows, columns]: what a picture of some tokens shows.

    Args:
        found: the comparison.
        tokens: which of the query's.
        kind: `contribution` adds up what patches add to the score; `mean` and `max` are of similarities.
    """
    vectors = [token.vector for token in tokens]
    if kind == "contribution":
        shares: np.ndarray[Any, Any] = found.shares[vectors].sum(axis=0)
        return shares
    chosen: np.ndarray[Any, Any] = found.similarities[vectors]
    over: np.ndarray[Any, Any] = chosen.max(axis=0) if kind == "max" else chosen.mean(axis=0)
    return over


def print_comparison(found: Comparison, shown: np.ndarray[Any, Any], *, as_json: bool) -> None:
    """Print the score, its parts and a row for each token of the query.

    Args:
        found: the comparison.
        shown: the map that is painted; JSON holds it.
        as_json: print one JSON object.
    """
    (width, height), (_, rows, columns) = found.size, found.similarities.shape
    parts, records = found.parts(), found.records()
    if as_json:
        page = {"width": width, "height": height, "rows": rows, "columns": columns}
        print_json({"score": found.score, "parts": parts, "page": page, "tokens": records, "map": shown.tolist()})
        return
    said = {"score": found.score, **parts}
    meanings = (
        f"MaxSim of query and page, {rows} x {columns} patches",
        "by the query's own tokens, at patches",
        "by these, at text around the image",
        "by tokens that the model adds to the query",
    )
    lines = zip(said.items(), meanings, strict=True)
    print_table(
        ["part", "sum", "what"], ["part", "what"], ([name, f"{value:.4f}", text] for (name, value), text in lines)
    )
    print()
    print_table(
        ["index", "token", "similarity", "row", "column", "pixels", "counted"],
        ["token"],
        (_cells(record) for record in records if not record["added"]),
    )


def _cells(record: dict[str, Any]) -> list[str]:
    left, top, right, bottom = record["box"]
    return [
        str(record["index"]),
        record["token"].strip(),
        f"{record['similarity']:.4f}",
        str(record["row"]),
        str(record["column"]),
        f"{left},{top}-{right},{bottom}",
        f"{record['counted']:.4f}",
    ]
