"""A query compared with a page by late interaction: which patch each token finds, and what the score consists of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cenote.cli.calls import check_results
from cenote.cli.query_tokens import QueryToken, query_tokens
from cenote.errors import InvalidRequest, UnsupportedTask

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from cenote import LLM
    from cenote.types import MediaPrompt

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A query compared with a page, a value for each vector of the query.

    Attributes:
        score: MaxSim, as `cenote score` gives it.
        tokens: of the query, one for each of its vectors.
        similarities: [q, rows, columns], to each patch.
        shares: [q, rows, columns], what each patch adds to the score.
        best: [q], the similarity that the score counts: to a patch, or to a token of the text around the image.
        size: width and height of the page in pixels.
    """

    score: float
    tokens: Sequence[QueryToken]
    similarities: np.ndarray[Any, Any]
    shares: np.ndarray[Any, Any]
    best: np.ndarray[Any, Any]
    size: tuple[int, int]

    def parts(self) -> dict[str, float]:
        """Return what the score consists of; the values add up to it."""
        own = [token.vector for token in self.tokens if token.is_own]
        patches, whole = float(self.shares[own].sum()), float(self.best[own].sum())
        return {"patches": patches, "text": whole - patches, "added": self.score - whole}

    def records(self) -> list[dict[str, Any]]:
        """Return what each token finds: its most similar patch, and where that is on the page."""
        import numpy as np

        found = []
        for token in self.tokens:
            similarities = self.similarities[token.vector]
            row, column = map(int, np.unravel_index(similarities.argmax(), similarities.shape))
            record = {
                "index": token.vector,
                "token": token.text,
                "added": not token.is_own,
                "similarity": float(similarities[row, column]),
                "row": row,
                "column": column,
                "box": self._box(row, column),
                "counted": float(self.best[token.vector]),
            }
            found.append(record)
        return found

    def _box(self, row: int, column: int) -> list[int]:
        """Return left, top, right and bottom of a patch, in pixels of the page, of which it has at least one."""
        (width, height), (_, rows, columns) = self.size, self.similarities.shape
        left, top = min(round(column * width / columns), width - 1), min(round(row * height / rows), height - 1)
        right, bottom = round((column + 1) * width / columns), round((row + 1) * height / rows)
        return [left, top, max(right, left + 1), max(bottom, top + 1)]


def compare(llm: LLM, query: str, page: Image, lora: str | None) -> Comparison:
    """Compare a query with a page.

    Args:
        llm: a model of late interaction that reads images.
        query: a text.
        page: in RGB.
        lora: low-rank adapter to run with.

    Raises:
        UnsupportedTask: the model gives no vectors of tokens, or scores by something else than MaxSim.
        InvalidRequest: the model reads no images, or refuses one of the two.
    """
    from cenote.engine.scoring import scorer_of
    from cenote.scoring import contribution_map, similarity_map

    scorer = scorer_of(llm, "colbert")
    if llm.limits.similarity in ("l2", "meanmaxsim"):
        text = f"This model compares by {llm.limits.similarity}; a heat map shows what the sum of MaxSim consists of."
        raise UnsupportedTask(text, param="score_type")
    asked: dict[str, Any] = {"pooling_task": "token_embed", "lora": lora, "use_tqdm": False}
    with _named("The page"):  # first, as most models read no images
        shown: MediaPrompt = {"multi_modal_data": {"image": page}}
        documents = llm.encode([shown], role="document", **asked)
        check_results(documents, lambda _: "The page")
        _check_whole(documents[0].outputs.positions or ())
    with _named("The query"):
        queries = llm.encode([query], role="query", **asked)
        check_results(queries, lambda _: "The query")
    read, seen = queries[0], documents[0].outputs
    vectors, patches = read.outputs.data.float(), seen.data.float()
    places = read.outputs.positions or range(len(vectors))
    return Comparison(
        score=float(scorer.scores([vectors, patches], 1, [(0, 0)])[0]),
        tokens=query_tokens(llm, query, read.prompt_token_ids, places),
        similarities=similarity_map(vectors, patches, seen.positions or ()).numpy(),
        shares=contribution_map(vectors, patches, seen.positions or ()).numpy(),
        best=(vectors @ patches.T).max(dim=1).values.numpy(),
        size=page.size,
    )


def _check_whole(positions: Sequence[Any]) -> None:
    """Refuse a page that the model cut into tiles, whose patches are no grid over the page.

    Raises:
        InvalidRequest: it did.
    """
    if tiles := {place[0] for place in positions if isinstance(place, list) and len(place) > 2}:
        raise InvalidRequest(
            f"The model cuts it into {len(tiles)} tiles, each with patches of its own; a heat map needs patches that "
            "lie over the whole page. cenote.scoring.similarity_map gives those of each tile, with grid=0 and so on."
        )


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Call the engine's only prompt as the user knows it."""
    try:
        yield
    except InvalidRequest as exc:
        exc.args = (f"{name}: {str(exc).removeprefix('Prompt 0: ')}",)
        raise
