"""Cases of `maxsim` and `term_max`."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cenote.testing.kernel_cases.case import LENGTHS, Inputs, KernelCase

__all__ = ["MAXSIMS", "TERMS"]

#: The largest number of 64 bits.
_INT64 = (1 << 63) - 1


def _maxsim(
    name: str, query: int, lengths: tuple[int, ...], size: int, *, apart: bool = False, **more: Sequence[int]
) -> KernelCase:
    """Return a case of vectors of length one; its documents may lie apart."""

    def build(dtype: torch.dtype, generator: torch.Generator) -> Inputs:
        shapes = {"query": (query, size), "documents": (sum(lengths), size)}
        vectors = {key: torch.randn(*shape, generator=generator) for key, shape in shapes.items()}
        for value in vectors.values():
            value /= value.norm(dim=-1, keepdim=True)
            if dtype == torch.int8:
                value.mul_(127).round_()
        found: Inputs = {key: value.to(dtype) for key, value in vectors.items()}
        if apart:
            parts = vectors["documents"].to(dtype).split(lengths)  # type: ignore[no-untyped-call]
            found["documents"] = [part.clone() for part in parts]
        return found

    return KernelCase(name, build, {"lengths": lengths, **more})


MAXSIMS = (
    _maxsim("one_by_one", 1, (1,), 8),
    _maxsim("32_by_63_60_1", 32, (63, 60, 1), 128),
    _maxsim("equal_neighbours", 7, (16, 16, 16, 9, 9), 63),
    _maxsim("130_by_two", 130, (65, 3), 200),
    _maxsim("many_of_one_length", 32, (130,) * 100, 48),
    _maxsim("many_of_unlike_lengths", 32, tuple(1 + 37 * at % 301 for at in range(80)), 24),
    _maxsim("three_queries", 40, (30, 5), 32, queries=(1, 7, 32)),
    _maxsim("apart", 7, (33, 1, 20), 20, apart=True),
    _maxsim("apart-two_queries", 9, (5, 40, 1), 32, apart=True, queries=(8, 1)),
    _maxsim("very_long_and_very_short", 3, (1, 33000, 2, 1, 600, 15, 16, 17), 16),
    _maxsim("no_documents", 3, (), 16),
)


def _terms(
    name: str,
    lengths: tuple[int, ...],
    size: int,
    *,
    ends: tuple[int, ...] = (),
    kind: torch.dtype = torch.int64,
) -> KernelCase:
    """Return a case whose ids are below `size`, so that many are met twice; the last ones may be given."""

    def build(dtype: torch.dtype, generator: torch.Generator) -> Inputs:
        total = sum(lengths)
        weights = torch.randn(total, generator=generator).to(dtype)
        ids = torch.randint(size, (total,), generator=generator)
        ids[total - len(ends) :] = torch.tensor(ends, dtype=torch.int64)
        return {"weights": weights, "ids": ids.to(kind)}

    return KernelCase(name, build, {"lengths": lengths})


TERMS = (
    *(_terms(name, lengths, 9) for name, lengths in LENGTHS.items()),
    _terms("large_ids", (40, 40), 250_002),
    _terms("ids_beyond_32_bits", (20, 20), 1 << 50),
    _terms("ids_up_to_the_largest", (9, 9, 7), 9, ends=(_INT64, 3, _INT64, _INT64 - 1)),
    _terms("ids_below_zero", (9, 9), 9, ends=(-1, -7, -1)),
    _terms("ids_of_all_sizes", (9, 9), 9, ends=(-_INT64 - 1, _INT64, -_INT64 - 1)),
    _terms("ids_of_32_bits", (9, 9), 9, kind=torch.int32, ends=((1 << 31) - 1,)),
    _terms("ids_of_32_bits-one_sequence", (9,), 9, kind=torch.int32),
    _terms("no_ids_of_32_bits", (0, 0), 9, kind=torch.int32),
    _terms("one_id", (4, 5), 1),
    _terms("all_empty", (0, 0), 1),
    _terms("empty_ends", (0, 6, 0), 3),
    _terms("nobody", (), 1),
)
