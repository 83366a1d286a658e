"""Which rows of the hidden states a head needs: found out at load, by running the head.

transformers' heads read the first token (BERT), the last one that is not padding (decoders), the mean of all
(some ModernBERT), or the last end-of-text token (BART). Each way is compared with the head on whole sequences.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from cenote.adapters.classify_replay import ReplayedHead
from cenote.poolers import Logits
from cenote.poolers.sequence import Method
from cenote.types import PoolingBatch, PoolingParams, PoolingRow

__all__ = ["ChosenHead", "choose_sequence_head", "choose_token_head", "head_probes", "pooled_rows", "single_tokens"]

_log = logging.getLogger(__name__)

#: Largest difference relative to the largest logit; both sides compute in float32 from the same hidden states.
_TOLERANCE = 1e-5
#: From a head, hidden states [T, h] and the batch to logits.
Way: TypeAlias = Callable[[ReplayedHead, Tensor, PoolingBatch], Tensor]


@dataclass(frozen=True, slots=True)
class ChosenHead:
    """A way to run a head over packed hidden states.

    Attributes:
        logits: from hidden states [T, h] and a batch to logits.
        name: for people.
    """

    logits: Logits
    name: str


def head_probes(config: Any) -> list[tuple[int, ...]]:
    """Return sequences of unlike lengths that end as texts do: with the end-of-text token where a config names one."""
    text = config.get_text_config()
    pad, end = (_first_id(getattr(text, name, None)) for name in ("pad_token_id", "eos_token_id"))
    ordinary = [token for token in range(int(text.vocab_size)) if token not in (pad, end)]
    generator = torch.Generator().manual_seed(22)
    tail = () if end is None or end == pad else (end,)
    return [
        (*(ordinary[int(place)] for place in torch.randint(len(ordinary), (size,), generator=generator)), *tail)
        for size in (5, 8, 2)
    ]


def choose_sequence_head(
    head: ReplayedHead, config: Any, width: int, device: str, *, padding_counts: bool = False
) -> ChosenHead:
    """Return the cheapest way to run the head of a sequence classifier that equals running it on whole sequences.

    Args:
        head: the head.
        config: transformers' config of the model.
        width: of the hidden states.
        device: where the head computes.
        padding_counts: the last token counts even where it is the padding token, as in vLLM.
    """
    probes = head_probes(config)
    pad = _first_id(getattr(config.get_text_config(), "pad_token_id", None))
    ways: dict[str, Way] = {"first token": _first, "last token": _last(None), "all tokens": _padded}
    name, way = _choose(head, ways, probes, width, device)
    if name == "last token" and pad is not None and not padding_counts:
        # Heads of decoders look for the last token that is not padding, also in a text that ends with that token.
        ways = {"last token": way, "last token that is not padding": _last(pad)}
        name, way = _choose(head, ways, [(*ids, pad) for ids in probes], width, device)
    return ChosenHead(lambda hidden, batch: way(head, hidden.float(), batch), name)


def choose_token_head(head: ReplayedHead, config: Any, width: int, device: str) -> ChosenHead:
    """Return a way to run the head of a token classifier: on all tokens at once where they do not see each other."""
    name, way = _choose(head, {"every token": _packed}, head_probes(config), width, device)
    return ChosenHead(lambda hidden, batch: way(head, hidden.float(), batch).flatten(0, -2), name)


def single_tokens(head: ReplayedHead, config: Any, width: int, device: str) -> Logits | None:
    """Return a sequence head that takes every token for a sequence of its own; None where it cannot do that."""

    def logits(hidden: Tensor, batch: PoolingBatch) -> Tensor:
        return head(hidden.float()[:, None], _ids(batch, hidden.device)[:, None])

    hidden, batch = _random_hidden(head_probes(config), width, device)
    try:
        with torch.inference_mode():
            logits(hidden, batch)
    except Exception as exc:
        # A head that looks for a certain token raises where it is missing; it then gives nothing per token.
        _log.info("the head gives nothing per token: %s: %s", type(exc).__name__, exc)
        return None
    return logits


def pooled_rows(head: ReplayedHead, method: Method) -> Logits:
    """Return a sequence head that gets one row per prompt from a pooling method that the user chose."""

    def logits(hidden: Tensor, batch: PoolingBatch) -> Tensor:
        rows = method(hidden, batch.lengths, [row.pooling_skip for row in batch.rows])
        ends = torch.tensor([[row.token_ids[-1]] for row in batch.rows], device=hidden.device)
        return head(rows.float()[:, None], ends)

    return logits


def _choose(
    head: ReplayedHead, ways: dict[str, Way], probes: Sequence[tuple[int, ...]], width: int, device: str
) -> tuple[str, Way]:
    """Return the first way that equals running the head on one whole sequence after the other, else just that.

    The hidden states are random: they tell the rows apart better than those of a trained model, whose logits may
    hardly differ.
    """
    hidden, batch = _random_hidden(probes, width, device)
    with torch.inference_mode():
        expected = _alone(head, hidden, batch)
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
    return "whole sequences, one by one", _alone


def _close(found: Tensor, expected: Tensor) -> bool:
    return float((found - expected).abs().max()) <= _TOLERANCE * float(expected.abs().max().clamp_min(1e-6))


def _random_hidden(probes: Sequence[tuple[int, ...]], width: int, device: str) -> tuple[Tensor, PoolingBatch]:
    rows = [PoolingRow(length=len(ids), tasks=("classify",), params=PoolingParams(), token_ids=ids) for ids in probes]
    generator = torch.Generator().manual_seed(23)
    hidden = torch.randn(sum(row.length for row in rows), width, generator=generator).to(device)
    return hidden, PoolingBatch(tuple(rows))


def _first(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch) -> Tensor:
    return _places(head, hidden, batch, [0] * len(batch.rows))


def _last(pad: int | None) -> Way:
    def way(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch) -> Tensor:
        places = [
            next((place for place in reversed(range(row.length)) if row.token_ids[place] != pad), 0)
            for row in batch.rows
        ]
        return _places(head, hidden, batch, places)

    return way


def _places(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch, places: Sequence[int]) -> Tensor:
    """Run the head on one token of each prompt."""
    starts = torch.tensor((0, *batch.lengths[:-1])).cumsum(0)
    rows = hidden[(starts + torch.tensor(places)).to(hidden.device)]
    ids = [row.token_ids[place] for row, place in zip(batch.rows, places, strict=True)]
    return head(rows[:, None], torch.tensor(ids, device=hidden.device)[:, None])


def _padded(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch) -> Tensor:
    sizes = list(batch.lengths)
    pad = torch.nn.utils.rnn.pad_sequence
    rows = pad(list(hidden.split_with_sizes(sizes)), batch_first=True)
    ids = pad(list(_ids(batch, hidden.device).split_with_sizes(sizes)), batch_first=True, padding_value=head.padding)
    mask = torch.arange(max(sizes), device=hidden.device) < torch.tensor(sizes, device=hidden.device)[:, None]
    return head(rows, ids, mask.long())


def _packed(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch) -> Tensor:
    return head(hidden[None], _ids(batch, hidden.device)[None])


def _alone(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch) -> Tensor:
    """Run the head on one whole sequence after the other: [n, labels], or [1, T, labels] of a token classifier."""
    sizes = list(batch.lengths)
    pairs = zip(hidden.split_with_sizes(sizes), _ids(batch, hidden.device).split_with_sizes(sizes), strict=True)
    results = [head(rows[None], ids[None]) for rows, ids in pairs]
    return torch.cat(results, dim=results[0].dim() - 2)


def _ids(batch: PoolingBatch, device: torch.device) -> Tensor:
    return torch.tensor([token for row in batch.rows for token in row.token_ids], device=device)


def _first_id(value: Any) -> int | None:
    value = value[0] if isinstance(value, list | tuple) and value else value
    return value if isinstance(value, int) else None
