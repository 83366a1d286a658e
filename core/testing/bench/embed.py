"""Offline embedding against sentence-transformers and padded transformers, on the same real texts in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.errors import InvalidRequest
from cenote.testing.bench.contestants import (
    cenote_contestant,
    sentence_transformers_contestants,
    transformers_contestant,
)
from cenote.testing.bench.measure import Contestant, Timing, best_of, take_turns
from cenote.testing.bench.report import described, machine, table

if TYPE_CHECKING:
    from cenote.checkpoints import Checkpoint

__all__ = ["PEERS", "EmbedReport", "compare_embedding"]

#: Who can be compared with.
PEERS = ("sentence-transformers", "transformers")
#: sentence-transformers' own default batch size, and the ones among which its best is looked for.
_DEFAULT_BATCH = 32
_BATCHES = (8, 16, 32, 64)
#: Texts on which a peer's best batch size is chosen.
_TRIAL = 200


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """The figures of one run.

    Attributes:
        model: what was embedded with.
        texts: how many texts.
        tokens: their real tokens after truncation, special tokens included, padding not.
        max_tokens: where texts were cut.
        timings: cenote first, then the peers.
        machine: as `machine()`.
        device: torch device string.
        dtype: of the weights, alike for all.
    """

    model: str
    texts: int
    tokens: int
    max_tokens: int
    timings: tuple[Timing, ...]
    machine: dict[str, str | int]
    device: str = "cpu"
    dtype: str = "float32"

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain mapping per contestant; `speedup` is how many times faster cenote was."""
        own = self.timings[0]
        return [
            {
                "name": timing.contestant.name,
                "version": timing.contestant.version,
                "seconds": list(timing.seconds),
                "texts_per_second": self.texts / timing.median,
                "tokens_per_second": self.tokens / timing.median,
                "speedup": timing.median / own.median,
                "max_difference": float(abs(timing.vectors - own.vectors).max()),
            }
            for timing in self.timings
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything but the vectors."""
        facts: dict[str, Any] = {
            "model": self.model,
            "texts": self.texts,
            "tokens": self.tokens,
            "max_tokens": self.max_tokens,
        }
        facts |= {"device": self.device, "dtype": self.dtype}
        return {**facts, "machine": self.machine, "contestants": self.rows()}

    def as_text(self) -> str:
        """Lay the run out for people, as Markdown."""
        header = ["library", "version", "texts/s", "tokens/s", "cenote is faster by", "largest difference"]
        body = [
            [
                row["name"],
                row["version"],
                f"{row['texts_per_second']:.1f}",
                f"{row['tokens_per_second']:,.0f}",
                f"{row['speedup']:.2f} x",
                f"{row['max_difference']:.1e}",
            ]
            for row in self.rows()
        ]
        rounds = len(self.timings[0].seconds)
        cut = f"cut at {self.max_tokens}"
        return (
            f"{self.model}, {self.dtype} on {self.device}: {self.texts} texts, {self.tokens:,} tokens ({cut}), "
            f"median of {rounds} rounds in turns.\n{described(self.machine)}\n\n{table(header, body)}"
        )


def compare_embedding(
    texts: Sequence[str],
    *,
    model: str | None = None,
    against: Sequence[str] = PEERS,
    rounds: int = 3,
    max_tokens: int = 256,
    tolerance: float = 2e-5,
    device: str = "cpu",
    dtype: str = "float32",
) -> EmbedReport:
    """Embed the same texts with cenote and its peers in turns, and check that the vectors agree.

    Args:
        texts: what to embed.
        model: folder or hub id; None is the demonstration model.
        against: names of `PEERS`.
        rounds: how often each runs; the median counts.
        max_tokens: longer texts are cut, alike for all; more than the model takes stands for its limit.
        tolerance: largest absolute difference of a component from cenote's.
        device: torch device string, of all.
        dtype: of the weights, of all.

    Raises:
        InvalidRequest: an unknown peer was named, or there are no texts.
        ArithmeticError: a peer's vectors differ by more than `tolerance`.
    """
    from cenote.checkpoints import default_model, open_checkpoint
    from cenote.checkpoints.quiet import quiet_transformers
    from cenote.engine import LLM

    unknown = sorted(set(against) - set(PEERS))
    if unknown or not texts:
        raise InvalidRequest(
            f"Cannot compare {len(texts)} texts against {unknown or list(against)}: peers are {PEERS}."
        )
    name = model or default_model()
    checkpoint = open_checkpoint(name)
    with LLM(model, dtype=dtype, device=device) as llm:
        max_tokens = min(max_tokens, llm.limits.max_tokens)
        own = cenote_contestant(llm, max_tokens)
        with quiet_transformers():
            peers = _peers(checkpoint.path, against, max_tokens, texts, device, dtype)
        timings = take_turns([own, *peers], texts, rounds)
    tokens = _count_tokens(checkpoint, texts, max_tokens)
    report = EmbedReport(llm.model, len(texts), tokens, max_tokens, tuple(timings), machine(), device, dtype)
    for row in report.rows():
        if not row["max_difference"] <= tolerance:
            raise ArithmeticError(
                f"{row['name']} and cenote differ by {row['max_difference']:.1e}, more than {tolerance:.1e}."
            )
    return report


def _count_tokens(checkpoint: Checkpoint, texts: Sequence[str], max_tokens: int) -> int:
    """Count with the checkpoint's own tokenizer: special tokens included, padding not."""
    from cenote.checkpoints import load_tokenizer

    encoded = load_tokenizer(checkpoint)(list(texts), truncation=True, max_length=max_tokens)
    return sum(len(ids) for ids in encoded["input_ids"])


def _peers(
    folder: Path, against: Sequence[str], max_tokens: int, texts: Sequence[str], device: str, dtype: str
) -> list[Contestant]:
    """Build the peers; sentence-transformers takes part with its default batch size and with its best one."""
    peers: list[Contestant] = []
    if "sentence-transformers" in against:
        tried = sentence_transformers_contestants(str(folder), max_tokens, _BATCHES, device=device, dtype=dtype)
        peers.append(tried[_BATCHES.index(_DEFAULT_BATCH)])
        best = best_of(tried, texts[:_TRIAL])
        if best is not peers[0]:
            peers.append(best)
    if "transformers" in against:
        peers.append(transformers_contestant(folder, max_tokens, device=device, dtype=dtype))
    return peers
