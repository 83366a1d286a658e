"""Which rows of the hidden states a head needs: found out at load, by running the head.

transformers' heads read the first token (BERT), the last one that is not padding (decoders), the mean of all
(some ModernBERT), or the last end-of-text token (BART). Each way is compared with the head on whole sequences.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from cenote.adapters.classify_replay import ReplayedHead
from cenote.adapters.classify_ways import (
    Way,
    batch_ids,
    first_token,
    last_token,
    one_by_one,
    packed_tokens,
    padded_tokens,
)
from cenote.poolers import Logits
from cenote.poolers.methods import PoolingMethod
from cenote.types import PoolingBatch, PoolingParams, PoolingRow

__all__ = [
    "ChosenHead",
    "Probes",
    "choose_sequence_head",
    "choose_token_head",
    "head_probes",
    "pooled_rows",
    "single_tokens",
    "token_id",
]

_log = logging.getLogger(__name__)

#: Largest difference relative to the largest logit; both sides compute in float32 from the same hidden states.
_TOLERANCE = 1e-5
#: Token ids of sequences.
Probes: TypeAlias = Sequence[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class ChosenHead:
    """A way to run a head over packed hidden states.

    Attributes:
        logits: from hidden states [T, h] and a batch to logits.
        name: for people.
    """

    logits: Logits
    name: str


def head_probes(config: Any, rows: int) -> list[tuple[int, ...]]:
    """Return sequences of unlike lengths that end as texts do: with the end-of-text token where a config names one.

    Args:
        config: transformers' config of the model.
        rows: of its embedding table.
    """
    text = config.get_text_config()
    pad, end = (token_id(text, name) for name in ("pad_token_id", "eos_token_id"))
    ordinary = [token for token in range(rows) if token not in (pad, end)]
    generator = torch.Generator().manual_seed(22)
    tail = () if end is None or end == pad else (end,)
    return [
        (*(ordinary[int(place)] for place in torch.randint(len(ordinary), (size,), generator=generator)), *tail)
        for size in (5, 8, 2)
    ]


def token_id(config: Any, name: str) -> int | None:
    """Return the token id, or the first of several, that a config has under a name."""
    value = getattr(config, name, None)
    value = value[0] if isinstance(value, list | tuple) and value else value
    return value if isinstance(value, int) else None


def choose_sequence_head(head: ReplayedHead, probes: Probes, width: int, device: str, *, pad: int | None) -> ChosenHead:
    """Return the cheapest way to run the head of a sequence classifier that equals running it on whole sequences.

    Args:
        head: the head.
        probes: token ids of sequences, as `head_probes` gives them.
        width: of the hidden states.
        device: where the head computes.
        pad: token that a head may take for padding at the end of a text; None where it shall count as any other.
    """
    ways: dict[str, Way] = {"first token": first_token, "last token": last_token(None), "all tokens": padded_tokens}
    name, way = _choose(head, ways, probes, width, device)
    if name == "last token" and pad is not None:
        # Heads of decoders look for the last token that is not padding, also in a text that ends with that token.
        ways = {"last token": way, "last token that is not padding": last_token(pad)}
        name, way = _choose(head, ways, [(*ids, pad) for ids in probes], width, device)
    return ChosenHead(lambda hidden, batch: way(head, hidden, batch), name)


def choose_token_head(head: ReplayedHead, probes: Probes, width: int, device: str) -> ChosenHead:
    """Return a way to run the head of a token classifier: on all tokens at once where they do not see each other."""
    name, way = _choose(head, {"every token": packed_tokens}, probes, width, device)
    return ChosenHead(lambda hidden, batch: way(head, hidden, batch).flatten(0, -2), name)


def single_tokens(head: ReplayedHead, probes: Probes, width: int, device: str) -> Logits | None:
    """Return a sequence head that takes every token for a sequence of its own; None where it cannot do that."""

    def logits(hidden: Tensor, batch: PoolingBatch) -> Tensor:
        return head(hidden[:, None], batch_ids(batch, hidden.device)[:, None])

    hidden, batch = _random_hidden(probes, width, device)
    try:
        with torch.inference_mode():
            logits(hidden, batch)
    except Exception as exc:
        # A head that looks for a certain token raises where it is missing; it then gives nothing per token.
        _log.info("the head gives nothing per token: %s: %s", type(exc).__name__, exc)
        return None
    return logits


def pooled_rows(head: ReplayedHead, method: PoolingMethod) -> Logits:
    """Return a sequence head that gets one row per prompt from a pooling method that the user chose."""

    def logits(hidden: Tensor, batch: PoolingBatch) -> Tensor:
        rows = method(hidden, batch.lengths, [row.pooling_skip for row in batch.rows])
        ends = torch.tensor([[row.token_ids[-1]] for row in batch.rows], device=hidden.device)
        return head(rows[:, None], ends)

    return logits


def _choose(head: ReplayedHead, ways: dict[str, Way], probes: Probes, width: int, device: str) -> tuple[str, Way]:
    """Return the first way that equals running the head on one whole sequence after the other, else just that.

    The hidden states are random: they tell the rows apart better than those of a trained model, whose logits may
    hardly differ.
    """
    hidden, batch = _random_hidden(probes, width, device)
    with torch.inference_mode():
        expected = one_by_one(head, hidden, batch)
        for name, way in ways.items():
            try:
                found = way(head, hidden, batch)
            except Exception as exc:
                # Heads raise many kinds where they miss something; it means that this is not their way.
                _log.debug("the head does not run on %s: %s: %s", name, type(exc).__name__, exc)
                continue
            found = found.reshape(expected.shape) if found.numel() == expected.numel() else found
            if found.shape == expected.shape and _close(found, expected):
                return name, way
    return "whole sequences, one by one", one_by_one


def _close(found: Tensor, expected: Tensor) -> bool:
    return float((found - expected).abs().max()) <= _TOLERANCE * float(expected.abs().max().clamp_min(1e-6))


def _random_hidden(probes: Probes, width: int, device: str) -> tuple[Tensor, PoolingBatch]:
    rows = [PoolingRow(length=len(ids), tasks=("classify",), params=PoolingParams(), token_ids=ids) for ids in probes]
    generator = torch.Generator().manual_seed(23)
    hidden = torch.randn(sum(row.length for row in rows), width, generator=generator).to(device)
    return hidden, PoolingBatch(tuple(rows))
