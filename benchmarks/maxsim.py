"""One query against many documents by MaxSim: cenote beside padded torch, PyLate, colpali-engine and maxsim-cpu.

    python benchmarks/maxsim.py [--documents 10000] [--rounds 5]

Twice: documents of 180 vectors each, and of 20 to 300. All contestants take turns in one process on the same vectors,
and the run fails when their scores differ. What they need is laid out before the clock starts: padded tensors, lists of
tensors or numpy arrays. The matmul rate of a type is that of the fastest product found: square ones of torch, or those
of cenote's own shapes and routine with vectors that are in cache. Contestants that are not installed are named: pylate
(which needs datasets), colpali-engine and maxsim-cpu, all of which can be installed with --no-deps.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from cenote.kernels.maxsim.product import block_product
from cenote.scoring import INT8_STEP, maxsim
from cenote.testing.bench import machine, table

QUERY, WIDTH = 32, 128
#: Largest difference from the float64 scores of some documents, of scores of about 15.
FLOAT32, FLOAT16, BFLOAT16, INT8 = 1e-4, 1e-2, 1e-1, 2e-1
#: Documents whose scores are computed in float64.
CHECKED = 200
#: Vectors of a block in the bare products.
BLOCK = 16384
#: Rows and columns of square products.
SQUARE = 2048
#: Sizes of a batch that are tried for colpali-engine, whose own is 128.
BATCHES = (8, 16, 32, 64, 256)


@dataclass(frozen=True)
class Corpus:
    """A query [q, dim] and documents [T, dim] of some lengths, in float32."""

    name: str
    query: Tensor
    vectors: Tensor
    lengths: list[int]

    @property
    def operations(self) -> int:
        """Multiplications and additions of all dot products."""
        return 2 * self.query.numel() * len(self.vectors)

    @cached_property
    def apart(self) -> list[Tensor]:
        """The documents one by one, each in memory of its own."""
        return [part.clone() for part in self.parts()]

    def padded(self, kind: torch.dtype) -> Tensor:
        """Return [n, longest, dim], filled up with zeros."""
        if len(set(self.lengths)) == 1:
            return self.vectors.view(len(self.lengths), -1, WIDTH).to(kind)
        rows = torch.zeros(len(self.lengths), max(self.lengths), WIDTH, dtype=kind)
        for row, part in zip(rows, self.parts(), strict=True):
            row[: len(part)] = part
        return rows

    def mask(self) -> Tensor:
        """Return [n, longest], 1 where there is a vector."""
        return (torch.arange(max(self.lengths)) < torch.tensor(self.lengths)[:, None]).float()

    def parts(self) -> list[Tensor]:
        """Return the documents one by one, as views."""
        return list(self.vectors.split(self.lengths))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Contestant:
    """One way to score.

    Attributes:
        name: of the row.
        call: gives [n] scores, or anything if `tolerance` is None.
        tolerance: largest difference of its scores.
        bytes_read: from memory.
        kind: type of the numbers that it multiplies, where it is measured by, or measures, the rate of that type.
        operations: multiplications and additions, if not those of the corpus.
    """

    name: str
    call: Callable[[], Any]
    tolerance: float | None
    bytes_read: int = 0
    kind: str = ""
    operations: int | None = None


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    draw = random.Random(0)
    print(
        f"{options.documents:,} documents, one query of {QUERY} vectors, {WIDTH} components; median of {options.rounds}"
    )
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    for name, lengths in (
        ("180 vectors each", [180] * options.documents),
        ("20 to 300 vectors", [draw.randint(20, 300) for _ in range(options.documents)]),
    ):
        corpus = make_corpus(name, lengths)
        print(f"\n{name}, {len(corpus.vectors):,} vectors, {corpus.vectors.nbytes / 1e6:,.0f} MB in float32\n")
        print(report(corpus, options.rounds))


def make_corpus(name: str, lengths: list[int]) -> Corpus:
    """Draw vectors of length 1 around a common direction: dot products are mostly positive then, as those of models."""
    generator = torch.Generator().manual_seed(0)
    centre = torch.randn(WIDTH, generator=generator) / 2

    def drawn(count: int) -> Tensor:
        found = torch.empty(count, WIDTH)
        for start in range(0, count, BLOCK):
            part = found[start : start + BLOCK]
            part.copy_(torch.nn.functional.normalize(torch.randn(part.shape, generator=generator) + centre, dim=1))
        return found

    return Corpus(name, drawn(QUERY), drawn(sum(lengths)), lengths)


def report(corpus: Corpus, rounds: int) -> str:
    """Time everybody in turns, compare the scores, and lay out a table."""
    own = ours(corpus)
    products = bare_products(corpus)
    everybody = [*own, *peers(corpus), *products]
    for contestant in everybody:
        contestant.call()
    seconds = take_turns(everybody, rounds)
    differences = [check(corpus, contestant) for contestant in everybody]
    speeds = [
        (corpus.operations if one.operations is None else one.operations) / taken
        for one, taken in zip(everybody, seconds, strict=True)
    ]
    rates: dict[str, float] = {}
    for one, speed in zip(everybody, speeds, strict=True):
        if one in products and one.kind:
            rates[one.kind] = max(speed, rates.get(one.kind, 0.0))
    rows = []
    for one, taken, speed, difference in zip(everybody, seconds, speeds, differences, strict=True):
        rows.append(
            (
                one.name,
                f"{taken * 1e3:,.1f}",
                "" if one in products else f"{len(corpus.lengths) / taken:,.0f}",
                "" if one in products else f"{taken / seconds[0]:.2f}",
                f"{speed / 1e9:,.0f}" if speed else "",
                f"{one.bytes_read / taken / 1e9:.1f}" if one.bytes_read else "",
                f"{speed / rates[one.kind]:.0%}" if one.kind in rates and speed else "",
                "" if difference is None else f"{difference:.0e}",
            )
        )
    header = ("", "ms", "documents/s", "time / cenote float32", "GFLOP/s", "GB/s", "of the matmul rate", "difference")
    return table(header, rows)


def take_turns(everybody: Sequence[Contestant], rounds: int) -> list[float]:
    """Return the median seconds of each, run in the order A B C, A B C, ..."""
    seconds: list[list[float]] = [[] for _ in everybody]
    for _ in range(rounds):
        for contestant, taken in zip(everybody, seconds, strict=True):
            taken.append(seconds_of(contestant.call))
    return [statistics.median(taken) for taken in seconds]


def seconds_of(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def check(corpus: Corpus, contestant: Contestant) -> float | None:
    """Return the largest difference from the scores in float64 of some documents, spread over all.

    Raises:
        ArithmeticError: it is larger than the contestant's tolerance.
    """
    if contestant.tolerance is None:
        return None
    found = torch.as_tensor(contestant.call()).reshape(-1).double()
    places = list(range(0, len(corpus.lengths), max(1, len(corpus.lengths) // CHECKED)))
    query, parts = corpus.query.double(), corpus.parts()
    wanted = torch.stack([(parts[place].double() @ query.T).amax(0).sum() for place in places])
    difference = float((found[places] - wanted).abs().max())
    if len(found) != len(parts) or not difference <= contestant.tolerance:
        raise ArithmeticError(f"{contestant.name}: {len(found)} scores, which differ by {difference:.1e}.")
    return difference


def ours(corpus: Corpus) -> list[Contestant]:
    """Return cenote with each type, float32 first, and with a list of documents."""
    found = []
    for name, convert, scale, tolerance, kind in (
        ("float32", Tensor.float, 1.0, FLOAT32, "float32"),
        ("float16", Tensor.half, 1.0, FLOAT16, "float32"),  # which it is multiplied in
        ("bfloat16", Tensor.bfloat16, 1.0, BFLOAT16, "bfloat16"),
        ("int8", to_int8, INT8_STEP**2, INT8, "int8"),
    ):
        query, vectors = convert(corpus.query), convert(corpus.vectors)

        def call(query: Tensor = query, vectors: Tensor = vectors, scale: float = scale) -> Tensor:
            scores: Tensor = maxsim(query, vectors, corpus.lengths, scale=scale)
            return scores

        found.append(Contestant(f"cenote {name}", call, tolerance, vectors.nbytes, kind))
    size, name = corpus.vectors.nbytes, "cenote, a list, float32"
    found.append(Contestant(name, lambda: maxsim(corpus.query, corpus.apart), FLOAT32, size, "float32"))
    return found


def to_int8(values: Tensor) -> Tensor:
    """Return what `output_dtype="int8"` gives."""
    return (values * 127).round().to(torch.int8)


def bare_products(corpus: Corpus) -> list[Contestant]:
    """Return products of each type without anything else, which make its rate, and float32 ones read from memory."""
    vectors, out = corpus.vectors, torch.empty(BLOCK, QUERY)
    across = corpus.query.T.contiguous()

    def from_memory() -> None:
        for start in range(0, len(vectors), BLOCK):
            block = vectors[start : start + BLOCK]
            torch.mm(block, across, out=out[: len(block)])

    found = [
        Contestant("product from memory, float32", from_memory, None, vectors.nbytes, "float32"),
        Contestant("reading alone, float32", lambda: vectors.view(torch.int64).amax(), None, vectors.nbytes, "", 0),
    ]
    for kind, convert in (("float32", Tensor.float), ("bfloat16", Tensor.bfloat16), ("int8", to_int8)):
        found += yardsticks(kind, convert(corpus.query), convert(vectors[: BLOCK // 4]))
    return found


def yardsticks(kind: str, query: Tensor, rows: Tensor) -> list[Contestant]:
    """Return square products of torch, and those of rows in cache by cenote's routine."""
    times = block_product(query, rows.dtype, len(rows), cached=True)
    square = rows.flatten()[: WIDTH * SQUARE].repeat(SQUARE // WIDTH).view(SQUARE, SQUARE)
    multiply = torch._int_mm if kind == "int8" else torch.mm

    def in_cache() -> None:
        for _ in range(64):
            times(rows)

    operations = 64 * 2 * rows.numel() * len(query)
    return [
        Contestant(f"product in cache, {kind}", in_cache, None, 0, kind, operations),
        Contestant(f"square product, {kind}", lambda: multiply(square, square), None, 0, kind, 2 * SQUARE**3),
    ]


def peers(corpus: Corpus) -> list[Contestant]:
    """Return the other libraries that are installed, and say which are not."""
    query, padded, mask = corpus.query[None], corpus.padded(torch.float32), corpus.mask()
    equal, size = len(set(corpus.lengths)) == 1, corpus.vectors.nbytes

    def einsum(query: Tensor, padded: Tensor) -> Tensor:
        similarity = torch.einsum("aqd,nld->anql", query, padded)
        if not equal:
            similarity = similarity.masked_fill_(~present[None, :, None, :], float("-inf"))
        return similarity.amax(-1).sum(-1)

    present = mask.bool()
    found = [Contestant("torch, padded, float32", lambda: einsum(query, padded), FLOAT32, size)]
    if (pylate := scores_of("pylate", "pylate.scores")) is not None:
        masks = {} if equal else {"documents_mask": mask}
        call = pylate.colbert_scores
        found.append(Contestant("PyLate, float32", lambda: call(query, padded, **masks), FLOAT32, size))
    if (colpali := scores_of("colpali_engine", "colpali_engine.utils.processing_utils")) is not None:
        score = colpali.BaseVisualRetrieverProcessor.score_multi_vector

        def colpali_scores(batch: int) -> Tensor:
            return score([corpus.query], corpus.apart, batch_size=batch, device="cpu")  # type: ignore[no-any-return]

        best = min(BATCHES, key=lambda batch: seconds_of(lambda: colpali_scores(batch)))
        for batch in (128, best):
            name = f"colpali-engine, batch {batch}, float32"
            found.append(Contestant(name, partial(colpali_scores, batch), FLOAT32, size))
    os.environ.setdefault("RAYON_NUM_THREADS", str(torch.get_num_threads()))  # of maxsim-cpu
    if (rust := scores_of("maxsim_cpu", "maxsim_cpu")) is not None:
        one, arrays, block = corpus.query.numpy(), [part.numpy() for part in corpus.apart], padded.numpy()
        if equal:
            found.append(Contestant("maxsim-cpu, float32", lambda: rust.maxsim_scores(one, block), FLOAT32, size))
        name = "maxsim-cpu, a list, float32"
        found.append(Contestant(name, lambda: rust.maxsim_scores_variable(one, arrays), FLOAT32, size))
    return found


@lru_cache
def scores_of(package: str, module: str) -> ModuleType | None:
    """Import the module of a package that has its scores, without its models where these need what is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        print(f"not installed: {package}\n")
        return None
    try:
        return importlib.import_module(module)
    except ImportError as error:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        sys.modules[package] = front = ModuleType(package)
        front.__path__ = list(spec.submodule_search_locations or ())
        try:
            found = importlib.import_module(module)
        except ImportError:
            print(f"not usable: {package} ({error})\n")
            return None
        print(f"without its models: {package} ({error})\n")
        return found


if __name__ == "__main__":
    main()
