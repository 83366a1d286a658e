"""What a run consists of, and how large each part is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.arena import Arena
from harness.late import maxsim
from harness.load import load
from harness.offline import embed, encode, rerank
from harness.quality import quality
from harness.scaling import scaling
from harness.start import start

__all__ = ["FULL", "QUICK", "SECTIONS", "Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is computed.

    Attributes:
        texts: embedded by MiniLM; a base model gets an eighth, rerankers and vectors per token half.
        rounds: how often each contestant runs.
        documents: of MaxSim.
        seconds: of each load on a server.
        beside: seconds of each load on cenote's server beside a bulk job.
        corpus: documents of the comparison of rankings.
        tokens: of each point of a curve.
        counts: numbers of texts in the curve of memory.
    """

    texts: int = 320
    rounds: int = 3
    documents: int = 10_000
    seconds: int = 3
    beside: int = 18
    corpus: int = 1000
    tokens: int = 8_000
    counts: tuple[int, ...] = (500, 4000, 32_000)


FULL = Sizes()
#: Everything runs, nothing can be judged.
QUICK = Sizes(texts=16, rounds=1, documents=64, seconds=1, beside=2, corpus=40, tokens=600, counts=(8, 32))

SECTIONS: Mapping[str, Callable[[Arena, Sizes], dict[str, Any]]] = {
    "embed": lambda arena, sizes: embed(arena, "minilm", sizes.texts, sizes.rounds),
    "embed_base": lambda arena, sizes: embed(arena, "bert-base", max(4, sizes.texts // 8), sizes.rounds),
    "rerank": lambda arena, sizes: rerank(arena, sizes.texts // 2, sizes.rounds),
    "encode": lambda arena, sizes: encode(arena, sizes.texts // 2, sizes.rounds),
    "maxsim": lambda arena, sizes: maxsim(arena, sizes.documents, sizes.rounds + 2),
    "start": lambda arena, sizes: start(arena, sizes.texts // 2, min(sizes.rounds, 2)),
    "serve": lambda arena, sizes: load(
        arena, sizes.seconds, min(sizes.rounds, 2), ("float32", "bfloat16", "int8"), sizes.beside
    ),
    "scaling": lambda arena, sizes: scaling(arena, sizes.tokens, sizes.counts),
    "quality": lambda arena, sizes: quality(arena, sizes.corpus, max(4, sizes.corpus // 10)),
}
