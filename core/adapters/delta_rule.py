"""The gated delta rule over packed sequences: linear attention whose state decays and is corrected by each token.

Every sequence is cut into chunks. What happens inside a chunk is computed for all chunks of all sequences at once; then
one scan over the number of the chunk carries the states of all sequences that still have one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["gated_delta_rule"]

#: Tokens of a chunk, as in transformers; short sequences make do with fewer.
_CHUNK = 64
_SMALLEST = 16
#: Numbers in the largest matrices that are held at once (16 MiB each); heads that do not fit follow one another.
_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the tokens of a packed batch go.

    Attributes:
        slots: [T] place of each token among those of all chunks. Chunks lie in the order of their number, and among
            equals the longest sequences first, so that those which still have a chunk are always the leading ones.
        widths: how many sequences have a first chunk, a second one, and so on.
        size: tokens per chunk.
    """

    slots: Tensor
    widths: tuple[int, ...]
    size: int

    def laid_out(self, rows: Tensor, shared: int) -> Tensor:
        """Return rows chunk by chunk in float32, zero where a chunk has no token.

        Args:
            rows: [T, heads, ...].
            shared: neighbouring heads that one key head serves; key heads have a dimension of their own.

        Returns:
            [chunks, heads / shared, shared, size, ...].
        """
        flat = rows.new_zeros((sum(self.widths) * self.size, *rows.shape[1:]), dtype=torch.float32)
        flat.index_copy_(0, self.slots, rows.float())
        return flat.view(-1, self.size, rows.shape[1] // shared, shared, *rows.shape[2:]).movedim(1, 3)


@lru_cache(maxsize=32)  # all layers of a forward ask for the same
def _plan(lengths: tuple[int, ...], device: torch.device) -> _Plan:
    """Return the places of the tokens of sequences of these lengths."""
    longest = max(lengths, default=1)
    size = min(_CHUNK, -(-longest // _SMALLEST) * _SMALLEST)
    chunks = [-(-length // size) for length in lengths]
    order = sorted(range(len(lengths)), key=lambda index: -chunks[index])
    rank = {index: place for place, index in enumerate(order)}
    widths = tuple(sum(count > step for count in chunks) for step in range(max(chunks, default=0)))
    starts = torch.tensor((0, *widths)).cumsum(0)
    places = torch.arange(longest)
    slots = [
        (starts[places[:length] // size] + rank[index]) * size + places[:length] % size
        for index, length in enumerate(lengths)
    ]
    return _Plan(torch.cat(slots).to(device), widths, size)


def gated_delta_rule(
    query: Tensor, key: Tensor, value: Tensor, *, decay: Tensor, beta: Tensor, lengths: Sequence[int]
) -> Tensor:
    """Read a state that every token decays and corrects, within each sequence.

    For each token of a sequence, whose state S [d, e] begins as zeros: S = S * exp(decay), then
    S = S + beta * key (value - key S), and its result is query S / sqrt(d). Queries and keys are normalised first.

    Args:
        query: [T, key heads, d], sequences end to end.
        key: [T, key heads, d].
        value: [T, heads, e]; each key head serves `heads // key heads` neighbouring heads.
        decay: [T, heads] logarithms of factors, not above 0.
        beta: [T, heads] share of the difference that is written.
        lengths: tokens per sequence.

    Returns:
        [T, heads, e] in the dtype of `value`; computed in float32.

    Source: `torch_recurrent_gated_delta_rule` of transformers' Qwen3.5; in chunks as its `torch_chunk_gated_delta_rule`
    (Yang et al. 2024, Gated Delta Networks). Sums of decays are taken between the tokens in question and never as a
    difference of two sums from the start of a chunk, which loses small ones beside large ones.
    """
    plan = _plan(tuple(lengths), value.device)
    heads, width = value.shape[1:]
    shared = heads // key.shape[1]
    out = torch.empty(sum(plan.widths), plan.size, heads, width, dtype=torch.float32, device=value.device)
    for keys in _slices(key.shape[1], shared * sum(plan.widths) * plan.size**2):
        own = slice(keys.start * shared, keys.stop * shared)
        mixed = _chunked(
            _unit(plan.laid_out(query[:, keys], 1)) * key.shape[2] ** -0.5,
            _unit(plan.laid_out(key[:, keys], 1)),
            plan.laid_out(value[:, own], shared),
            plan.laid_out(decay[:, own], shared),
            plan.laid_out(beta[:, own], shared),
            plan.widths,
        )
        out[:, :, own] = mixed.flatten(1, 2).transpose(1, 2)
    return out.view(-1, heads, width)[plan.slots].to(value.dtype)


def _slices(count: int, cost: int) -> Iterator[slice]:
    """Cut a number of key heads into parts, none of which is too much at once."""
    step = max(1, _AT_ONCE // max(cost, 1))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def _unit(rows: Tensor) -> Tensor:
    """Return rows of length one, as `l2norm` of transformers' Qwen3.5 does."""
    return rows * torch.rsqrt((rows * rows).sum(dim=-1, keepdim=True) + 1e-6)


def _chunked(query: Tensor, key: Tensor, value: Tensor, decay: Tensor, beta: Tensor, widths: tuple[int, ...]) -> Tensor:
    """Return [chunks, key heads, shared, size, e] for queries and keys [chunks, key heads, 1, size, d].

    In a chunk that begins with state S, what the tokens write is the solution W of (I + A) W = beta (value - D key S),
    where A is the strictly lower part of beta (key keyᵀ) times the decays between tokens, and D are the decays since
    the chunk began. W is linear in S, so that both parts are solved before any state is known.
    """
    size, first = decay.shape[-1], widths[0]
    # [.., i, j]: the product of the decays of the tokens after j, up to and with i.
    between = decay.unsqueeze(-1).expand(*decay.shape, size).tril(-1).cumsum(-2).exp_().tril_()
    begun = decay.cumsum(-1).exp_().unsqueeze(-1)
    system = (key @ key.mT) * between * beta.unsqueeze(-1)
    written = _solved(system, value * beta.unsqueeze(-1))
    # The first chunks begin with zeros.
    forgotten = _solved(system[first:], (begun * beta.unsqueeze(-1))[first:] * key[first:])
    seen = (query @ key.mT) * between
    kept = between[..., -1, :].unsqueeze(-1)
    out, state, start = torch.empty_like(written), written.new_zeros(()), 0
    for step, width in enumerate(widths):
        now = slice(start, start + width)
        new = written[now]
        if step:
            state = state[:width]
            new = new - forgotten[start - first : start - first + width] @ state
            out[now] = seen[now] @ new + (query[now] * begun[now]) @ state
        else:
            out[now] = seen[now] @ new
        start += width
        going = widths[step + 1] if step + 1 < len(widths) else 0
        added = (key[now] * kept[now])[:going].mT @ new[:going]
        state = added if not step else state[:going] * begun[now][:going, ..., -1:, :] + added
    return out


def _solved(system: Tensor, right: Tensor) -> Tensor:
    """Solve systems with ones on the diagonal, of which only the strictly lower part is read."""
    solution: Tensor = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
    return solution
