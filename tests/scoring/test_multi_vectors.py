"""`cenote.scoring.maxsim`: the forms of vectors that programs have, their types, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cenote.errors import InvalidRequest, WrongType
from cenote.outputs import quantize
from cenote.scoring import INT8_STEP, maxsim, unpack_bits
from cenote.scoring.vector_blocks import vector_blocks

LENGTHS = [5, 1, 17, 300, 8, 8, 2]
#: Enough documents that several blocks are needed.
MANY = LENGTHS * 60


def vectors(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    found = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


QUERY = vectors(6, 16)


def split(whole: Any, lengths: list[int]) -> list[Any]:
    ends = np.cumsum(lengths)
    return [whole[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def expected(query: Any, documents: list[Any]) -> NDArray[np.float64]:
    """Return the formula written out, in float64."""
    return np.array([(np.float64(each) @ np.float64(query).T).max(axis=0).sum() for each in documents])


@pytest.mark.parametrize("lengths", [LENGTHS, MANY], ids=["few", "many"])
def test_all_forms_of_documents_give_the_same_scores(lengths: list[int]) -> None:
    whole = vectors(sum(lengths), 16, seed=1)
    parts = split(whole, lengths)
    padded = np.full((len(lengths), max(lengths), 16), np.nan, dtype=np.float32)
    for row, part in zip(padded, parts, strict=True):
        row[: len(part)] = part
    wanted = expected(QUERY, parts)
    for documents, given in ((parts, None), (whole, lengths), (whole, np.array(lengths)), (padded, lengths)):
        for convert in (np.asarray, torch.as_tensor):
            documents_there = [convert(part) for part in documents] if given is None else convert(documents)
            found = maxsim(convert(QUERY), documents_there, given)
            assert type(found) is type(convert(QUERY))
            assert (found.shape, str(found.dtype).removeprefix("torch.")) == ((len(lengths),), "float32")
            np.testing.assert_allclose(np.asarray(found), wanted, atol=1e-5)


def test_documents_of_one_length_need_no_lengths() -> None:
    documents = vectors(9, 40, 16)
    np.testing.assert_allclose(maxsim(QUERY, documents), expected(QUERY, list(documents)), atol=1e-5)
    part = documents[:, ::2, :8]
    np.testing.assert_allclose(maxsim(QUERY[:, :8], part), expected(QUERY[:, :8], list(part)), atol=1e-5)


@pytest.mark.parametrize("lengths", [LENGTHS, MANY], ids=["few", "many"])
def test_several_queries_give_a_row_each(lengths: list[int]) -> None:
    whole, queries = vectors(sum(lengths), 16, seed=1), [vectors(n, 16, seed=n) for n in (1, 6, 33)]
    wanted = np.stack([expected(query, split(whole, lengths)) for query in queries])
    np.testing.assert_allclose(maxsim(queries, whole, lengths), wanted, atol=1e-5)
    np.testing.assert_allclose(maxsim(queries, split(whole, lengths)), wanted, atol=1e-5)
    same = np.stack([queries[1]] * 2)
    np.testing.assert_allclose(maxsim(same, whole, lengths), wanted[[1, 1]], atol=1e-5)
    assert maxsim(queries[:1], whole, lengths).shape == (1, len(lengths))


def test_the_mean_is_over_the_vectors_of_each_query() -> None:
    queries, documents = [vectors(n, 16, seed=n) for n in (1, 6)], [vectors(9, 16, seed=7)]
    sums = maxsim(queries, documents)
    np.testing.assert_allclose(maxsim(queries, documents, reduce="mean"), sums / np.array([[1], [6]]), atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-5), (np.float16, 2e-3), (torch.bfloat16, 3e-2)], ids=["f64", "f16", "bf16"]
)
def test_other_floats_are_converted(dtype: Any, tolerance: float) -> None:
    whole = vectors(sum(MANY), 16, seed=1)
    if dtype is torch.bfloat16:
        query, documents = torch.from_numpy(QUERY).to(dtype), torch.from_numpy(whole).to(dtype)
    else:
        query, documents = QUERY.astype(dtype), whole.astype(dtype)
    found = maxsim(query, documents, MANY)
    np.testing.assert_allclose(np.asarray(found), expected(QUERY, split(whole, MANY)), atol=tolerance)


def test_int8_vectors_of_the_engine_score_on_the_scale_of_the_floats() -> None:
    whole = torch.from_numpy(vectors(sum(LENGTHS), 128, seed=1))
    query = torch.from_numpy(vectors(6, 128))
    documents, wanted = quantize(whole, "int8"), maxsim(query, whole, LENGTHS)
    raw = maxsim(quantize(query, "int8"), documents, LENGTHS)
    assert torch.equal(raw, raw.round())
    found = maxsim(quantize(query, "int8"), documents, LENGTHS, scale=INT8_STEP**2)
    torch.testing.assert_close(found, wanted, atol=5e-2, rtol=0)
    torch.testing.assert_close(maxsim(query, documents, LENGTHS, scale=INT8_STEP), wanted, atol=3e-2, rtol=0)


@pytest.mark.parametrize("view", [lambda array: array[::-1], lambda array: array[:, ::-1]], ids=["rows", "columns"])
def test_arrays_may_run_backwards(view: Callable[[Any], Any]) -> None:
    documents = view(vectors(9, 16))
    np.testing.assert_allclose(maxsim(QUERY, [documents]), expected(QUERY, [documents]), atol=1e-5)


def test_a_file_mapped_for_reading_is_scored_and_left_as_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", vectors(sum(LENGTHS), 16, seed=1))
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    np.testing.assert_allclose(maxsim(QUERY, mapped, LENGTHS), expected(QUERY, split(mapped, LENGTHS)), atol=1e-5)
    assert not mapped.flags.writeable


def test_tensors_with_gradients_are_scored_without_them() -> None:
    found = maxsim(torch.from_numpy(QUERY), [torch.ones(3, 16, requires_grad=True)])
    assert not found.requires_grad


DOCUMENTS = [vectors(3, 16), vectors(2, 16)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((QUERY, [DOCUMENTS[0], vectors(2, 15)]), r"documents\[1\] has the shape \[2, 15\]"),
        ((QUERY, [DOCUMENTS[0], DOCUMENTS[1][:0]]), r"documents\[1\] has the shape \[0, 16\]"),
        ((QUERY, [DOCUMENTS[0], np.float16(DOCUMENTS[1])]), r"documents\[1\] holds float16, documents\[0\] float32"),
        ((QUERY, [DOCUMENTS[0], [[1.0]]]), r"documents\[1\] must be a numpy array or a torch tensor, not list"),
        ((QUERY, []), "documents is empty"),
        ((QUERY, 5), "documents must be arrays, or one array, not int"),
        ((QUERY, vectors(5, 16)), "need lengths"),
        ((QUERY, vectors(5, 16), [2, 2]), "lengths sum to 4, but documents have 5"),
        ((QUERY, vectors(5, 16), [5, 0]), "Document 1 has 0 vectors"),
        ((QUERY, vectors(5, 16), [2.5, 2.5]), "lengths must be whole numbers"),
        ((QUERY, vectors(2, 4, 16), [2, 5]), "Document 1 has 5 vectors by its length; 1 to 4"),
        ((QUERY, vectors(2, 4, 16), [2]), "There are 1 lengths for 2 documents"),
        ((QUERY, vectors(5, 15), [5]), r"documents have the shape \[5, 15\]"),
        ((QUERY, DOCUMENTS, [3, 2]), "lengths are for documents in one array"),
        ((QUERY[0], DOCUMENTS), r"query has the shape \[16\]"),
        ((QUERY[:0], DOCUMENTS), r"query has the shape \[0, 16\]"),
        ((QUERY[:, :0], vectors(2, 4, 0)), "vectors have no components"),
        (([], DOCUMENTS), "query is empty"),
        ((5, DOCUMENTS), "query must be an array or a list of arrays, not int"),
        ((None, DOCUMENTS), "query must be an array or a list of arrays, not NoneType"),
        ((QUERY, [np.ma.masked_less(DOCUMENTS[0], 0)]), r"documents\[0\] is a masked array"),
        ((QUERY, [np.uint8(DOCUMENTS[0] > 0)]), r"documents\[0\] holds uint8.*unpack_bits"),
        ((QUERY, [np.int8(DOCUMENTS[0][:, :2])]), r"documents\[0\] has the shape \[3, 2\].*unpack_bits"),
        (([QUERY, vectors(2, 15)], DOCUMENTS), r"query\[1\] differs in width"),
        ((np.int32(QUERY), DOCUMENTS), "query holds int32"),
        ((QUERY, [np.array([["a"] * 16])]), r"documents\[0\] holds <U1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments: Any, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        maxsim(*arguments)


def test_a_wrong_type_is_a_type_error_too() -> None:
    with pytest.raises(WrongType):
        maxsim("query", DOCUMENTS)
    with pytest.raises(InvalidRequest, match="reduce must be 'sum' or 'mean'"):
        maxsim(QUERY, DOCUMENTS, reduce="max")  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", ["x", None, float("nan"), float("inf")])
def test_a_scale_that_is_no_number_is_named(scale: Any) -> None:
    with pytest.raises(InvalidRequest, match="scale must be a"):
        maxsim(QUERY, DOCUMENTS, scale=scale)


def test_fields_of_records_and_other_orders_of_bytes_are_scored() -> None:
    records = np.zeros(5, dtype=[("kind", "i1"), ("v", "f4", 16)])
    records["v"] = vectors(5, 16)
    for documents in (records["v"], vectors(5, 16).astype(">f4")):
        np.testing.assert_allclose(maxsim(QUERY, [documents]), expected(QUERY, [documents]), atol=1e-5)


@pytest.mark.parametrize("name", ["binary", "ubinary"])
def test_packed_bits_are_scored_by_their_signs(name: str) -> None:
    whole, query = vectors(sum(LENGTHS), 16, seed=1), vectors(6, 16)
    bits = quantize(torch.from_numpy(whole), name)
    signs = np.where(whole >= 0, 1, -1)
    for found in (unpack_bits(bits), unpack_bits(bits.numpy())):
        np.testing.assert_array_equal(np.asarray(found), signs)
    found = maxsim(query, unpack_bits(bits.numpy()), LENGTHS)
    np.testing.assert_allclose(found, expected(query, split(signs, LENGTHS)), atol=1e-5)
    with pytest.raises(WrongType, match="vectors hold float32; packed bits are"):
        unpack_bits(whole)
    with pytest.raises(WrongType, match="vectors must be a numpy array or a torch tensor, not list"):
        unpack_bits([1])


def test_queries_of_unlike_types_and_very_many_give_a_row_each() -> None:
    queries = [vectors(n % 40 + 1, 16, seed=n).astype(kind) for n in range(60) for kind in ("float32", "float64")]
    found = maxsim(queries, DOCUMENTS)
    np.testing.assert_allclose(found, [expected(query, DOCUMENTS) for query in queries], atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_no_numbers_are_an_error_that_names_the_document(value: float) -> None:
    whole = vectors(sum(LENGTHS), 16)
    whole[sum(LENGTHS[:3]) + 40, 2] = value
    with pytest.raises(InvalidRequest, match=r"score of query 0 with document 3 is (nan|inf)"):
        maxsim(np.abs(QUERY), whole, LENGTHS)


def test_importing_it_loads_neither_torch_nor_numpy() -> None:
    code = "import sys; from cenote.scoring import maxsim; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_documents_that_lie_end_to_end_are_not_copied() -> None:
    whole = torch.from_numpy(vectors(100, 16))
    ((joined, lengths),) = vector_blocks(list(whole[10:].split([20, 30, 40])))
    assert (joined.data_ptr(), lengths) == (whole[10:].data_ptr(), [20, 30, 40])
    assert torch.equal(joined, whole[10:])
    windows = [whole[:20, :8], whole[10:30, :8]]  # the second begins where the first would end without gaps
    for parts in (
        windows,
        [whole[:20], whole[30:50]],
        [whole[:20, :8], whole[20:, :8]],
        [whole[80:], whole[:20].clone()],
    ):
        ((joined, _),) = vector_blocks(parts)
        assert joined.data_ptr() not in {part.data_ptr() for part in parts}
        assert torch.equal(joined, torch.cat(parts))
