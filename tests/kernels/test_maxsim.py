"""MaxSim: exactness by type, what is refused, and scores that do not depend on a document's neighbours."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.errors import InvalidRequest
from cenote.kernels import get_kernel
from cenote.kernels.maxsim import cpu, reference

IMPLEMENTATIONS = pytest.mark.parametrize("maxsim", [reference.maxsim, cpu.maxsim], ids=["reference", "cpu"])
#: More vectors than the cpu backend multiplies at once.
MANY = 40_000


def vectors(*shape: int, seed: int = 0) -> Tensor:
    found = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return found / found.norm(dim=-1, keepdim=True)


def int8(values: Tensor) -> Tensor:
    return (values * 127).round().to(torch.int8)


def ragged(total: int, longest: int) -> list[int]:
    """Return lengths from 1 to `longest` that sum to at least `total`."""
    draw, lengths = random.Random(0), [longest]
    while sum(lengths) < total:
        lengths.append(draw.randint(1, longest))
    return lengths


def exact(query: Tensor, documents: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return the scores in float64, document by document."""
    parts = documents.double().split(list(lengths))  # type: ignore[no-untyped-call]
    return torch.stack([(part @ query.double().T).amax(0).sum() for part in parts])


WITHOUT_COMPONENTS = """
import sys, numpy as np
from cenote.errors import InvalidRequest
from cenote.scoring import maxsim
for dtype in (np.int8, np.float32, np.float16):
    query, document = np.zeros((3, 0), dtype), np.zeros((2, 0), dtype)
    for documents in ([document], [document, document]):
        try:
            maxsim(query, documents)
        except InvalidRequest as exc:
            assert "vectors have no components" in str(exc)
        else:
            sys.exit("It was taken.")
"""


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_vectors_without_components_are_refused_where_they_would_end_the_process(backend: str) -> None:
    variables = {**os.environ, "CENOTE_KERNELS": backend, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", WITHOUT_COMPONENTS], env=variables, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("lengths", [[180] * 300, ragged(MANY, 300), ragged(MANY, 20), ragged(MANY, 4000)], ids=repr)
def test_whole_numbers_are_summed_exactly(lengths: list[int]) -> None:
    query, documents = int8(vectors(32, 128)), int8(vectors(sum(lengths), 128, seed=1))
    assert torch.equal(cpu.maxsim(query, documents, lengths=lengths), exact(query, documents, lengths).float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_floats_lose_nothing_to_their_type(dtype: torch.dtype) -> None:
    lengths = ragged(MANY, 300)
    query, documents = vectors(32, 128).to(dtype), vectors(sum(lengths), 128, seed=1).to(dtype)
    found = cpu.maxsim(query, documents, lengths=lengths)
    torch.testing.assert_close(found.double(), exact(query, documents, lengths), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "convert", [lambda x: x.half(), lambda x: x.bfloat16(), int8], ids=["half", "bfloat16", "int8"]
)
def test_a_float32_query_makes_the_products_float32(convert: Callable[[Tensor], Tensor]) -> None:
    lengths = ragged(MANY, 300)
    query, documents = vectors(32, 128), convert(vectors(sum(lengths), 128, seed=1))
    found, expected = cpu.maxsim(query, documents, lengths=lengths), exact(query, documents, lengths)
    torch.testing.assert_close(found.double(), expected, atol=0, rtol=1e-5)


def test_documents_may_be_columns_of_wider_ones() -> None:
    lengths, query, documents = ragged(MANY, 300), vectors(8, 32), vectors(MANY * 2, 64, seed=1)
    documents = documents[: sum(lengths), :32]
    found = cpu.maxsim(query, documents, lengths=lengths)
    torch.testing.assert_close(found.double(), exact(query, documents, lengths), atol=1e-5, rtol=0)


@pytest.mark.parametrize("convert", [Tensor.float, Tensor.half, int8], ids=["float32", "half", "int8"])
def test_a_score_does_not_depend_on_neighbours(convert: Callable[[Tensor], Tensor]) -> None:
    lengths = ragged(100_000, 200)
    query, documents = convert(vectors(32, 64)), convert(vectors(sum(lengths), 64, seed=1))
    together = cpu.maxsim(query, documents, lengths=lengths)
    parts = documents.split(lengths)  # type: ignore[no-untyped-call]
    for place in range(0, len(lengths), 97):
        alone = cpu.maxsim(query, parts[place], lengths=[lengths[place]])
        torch.testing.assert_close(together[place : place + 1], alone, atol=1e-6, rtol=1e-6)


@IMPLEMENTATIONS
@pytest.mark.parametrize("convert", [Tensor.float, Tensor.half, int8], ids=["float32", "half", "int8"])
def test_documents_may_lie_apart_and_queries_come_together(maxsim: Any, convert: Callable[[Tensor], Tensor]) -> None:
    lengths, counts = [*ragged(MANY, 300), 20_000, 1], [1, 32, 7]
    query, documents = convert(vectors(sum(counts), 64)), convert(vectors(sum(lengths), 64, seed=1))
    apart = [part.clone() for part in documents.split(lengths)]  # type: ignore[no-untyped-call]
    parts = query.split(counts)  # type: ignore[no-untyped-call]
    wanted = torch.stack([exact(part, documents, lengths) for part in parts])
    tolerance = 0 if convert is int8 else 1e-5
    for given in (documents, apart):
        found = maxsim(query, given, lengths=lengths, queries=counts)
        torch.testing.assert_close(found.double(), wanted, atol=tolerance, rtol=0)
        torch.testing.assert_close(maxsim(parts[1], given, lengths=lengths).double(), wanted[1], atol=tolerance, rtol=0)


@IMPLEMENTATIONS
def test_queries_and_documents_apart_that_do_not_fit_are_refused(maxsim: Any) -> None:
    with pytest.raises(InvalidRequest, match="queries sum to 4, but there are 3"):
        maxsim(vectors(3, 8), vectors(4, 8), lengths=[4], queries=[2, 2])
    with pytest.raises(InvalidRequest, match="query has no vectors"):
        maxsim(vectors(3, 8), vectors(4, 8), lengths=[4], queries=[3, 0])
    with pytest.raises(InvalidRequest, match="lengths sum to 4"):
        maxsim(vectors(3, 8), [vectors(3, 8), vectors(1, 8)], lengths=[1, 3])
    assert maxsim(vectors(3, 8), [], lengths=[], queries=[1, 2]).shape == (2, 0)


@IMPLEMENTATIONS
@pytest.mark.parametrize(
    "other", [vectors(4, 8).bfloat16(), int8(vectors(4, 8)), vectors(4, 8).to("meta")], ids=["type", "int8", "device"]
)
def test_documents_of_unlike_types_or_places_are_refused(maxsim: Any, other: Tensor) -> None:
    with pytest.raises(InvalidRequest, match="Documents of one dtype on the device of the query, cpu, are needed"):
        maxsim(vectors(3, 8), [vectors(4, 8), other], lengths=[4, 4])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8])
def test_a_torch_without_the_private_names_takes_the_public_products(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_is_vnni_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    lengths = ragged(MANY, 300)
    query, documents = (int8(vectors(count, 32, seed=count)).to(dtype) for count in (4, sum(lengths)))
    assert torch.equal(cpu.maxsim(query, documents, lengths=lengths), exact(query, documents, lengths).float())


@IMPLEMENTATIONS
def test_nan_stays_in_its_document(maxsim: Any) -> None:
    lengths = ragged(MANY, 300)
    documents = vectors(sum(lengths), 16)
    documents[sum(lengths[:5]), 3] = float("nan")
    found = maxsim(vectors(4, 16), documents, lengths=lengths)
    assert torch.isnan(found).nonzero().tolist() == [[5]]


@IMPLEMENTATIONS
@pytest.mark.parametrize("total", [10, MANY])
def test_an_empty_document_is_named(maxsim: Any, total: int) -> None:
    with pytest.raises(InvalidRequest, match="Document 1 has 0 vectors"):
        maxsim(vectors(3, 8), vectors(total, 8), lengths=[total - 1, 0, 1])


@IMPLEMENTATIONS
@pytest.mark.parametrize(
    ("query", "documents", "lengths", "text"),
    [
        ((3, 8), (4, 9), [4], r"query is \[3, 8\] and documents \[4, 9\]"),
        ((8,), (4, 8), [4], r"query is \[8\]"),
        ((0, 8), (4, 8), [4], "query has no vectors"),
        ((3, 8), (4, 8), [2, 3], "lengths sum to 5, but documents have 4"),
        ((3, 8), (4, 8), [5, -1], "Document 1 has -1 vectors"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    maxsim: Any, query: tuple[int, ...], documents: tuple[int, ...], lengths: list[int], text: str
) -> None:
    with pytest.raises(InvalidRequest, match=text):
        maxsim(torch.ones(query), torch.ones(documents), lengths=lengths)


@IMPLEMENTATIONS
def test_no_documents_have_no_scores(maxsim: Any) -> None:
    assert maxsim(vectors(3, 8), torch.empty(0, 8), lengths=[]).shape == (0,)


def test_the_processor_gets_its_own_backend_and_never_the_one_for_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CENOTE_KERNELS", raising=False)
    assert get_kernel("maxsim", "xpu") is cpu.maxsim  # of the core; on CPUs there may be one of a plugin
    assert get_kernel("maxsim").__module__ != "cenote.kernels.maxsim.triton"


def test_triton_is_imported_by_its_own_backend_only() -> None:
    code = (
        "import sys; import cenote.scoring, cenote.kernels as k; k.get_kernel('maxsim'); print('triton' in sys.modules)"
    )
    assert _run([sys.executable, "-c", code]) == "False\n"


def _run(command: list[str], **environment: str) -> str:
    here = Path(__file__).parent  # a folder without metadata of an old build, which would go before the installed one
    variables = {**os.environ, **environment}
    done = subprocess.run(command, cwd=here, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
