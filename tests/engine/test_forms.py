"""Several forms of an embedding from one pass, sparse embeddings, and embeddings of other precisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cenote import LLM
from cenote.checkpoints import find_default_model
from cenote.errors import InvalidRequest, UnsupportedTask, WrongType
from cenote.outputs import quantize
from cenote.testing.checkpoints import build_checkpoint

TEXTS = ["one text", "another, longer text", "a third"]


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    with LLM(find_default_model().source) as made:
        yield made


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    folder: Path = build_checkpoint("splade", tmp_path_factory.mktemp("splade"))
    with LLM(str(folder)) as made:
        yield made


def _rows(outputs: list[Any]) -> list[torch.Tensor]:
    return [output.outputs.data for output in outputs]


def test_several_forms_come_from_one_pass(llm: LLM) -> None:
    before = llm.stats().forwards
    found = llm.encode(TEXTS, outputs=["dense", "multi"], use_tqdm=False)
    assert llm.stats().forwards == before + 1
    dense = _rows(llm.encode(TEXTS, pooling_task="embed", use_tqdm=False))
    multi = _rows(llm.encode(TEXTS, pooling_task="token_embed", use_tqdm=False))
    for output, vector, rows in zip(found, dense, multi, strict=True):
        assert output.outputs.dense is not None
        assert output.outputs.multi is not None
        assert output.outputs.sparse is None
        torch.testing.assert_close(output.outputs.dense, vector, atol=1e-6, rtol=0)
        torch.testing.assert_close(output.outputs.multi, rows, atol=1e-5, rtol=0)


def test_a_single_form_is_found_under_its_name(llm: LLM) -> None:
    (output,) = llm.encode("a text", outputs=["multi"], use_tqdm=False)
    assert output.outputs.dense is None
    assert output.outputs.multi is not None
    assert len(output.outputs.multi) == len(output.prompt_token_ids)


def test_terms_have_their_texts(sparse: LLM) -> None:
    outputs = sparse.sparse_embed(TEXTS, use_tqdm=False)
    raw = _rows(sparse.encode(TEXTS, pooling_task="sparse_embed", use_tqdm=False))
    for output, row in zip(outputs, raw, strict=True):
        terms = output.outputs
        assert terms.indices == row.indices()[0].tolist()
        assert terms.values == pytest.approx(row.values().tolist(), abs=1e-6)
        assert terms.tokens == sparse.token_texts(terms.indices)
        assert terms.tokens == sparse.get_tokenizer().convert_ids_to_tokens(terms.indices)
        assert len(terms) > 0
    (form,) = sparse.encode(TEXTS[0], outputs=["sparse"], use_tqdm=False)
    assert form.outputs.sparse == outputs[0].outputs


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "binary", "ubinary"])
def test_vectors_come_in_the_precision_asked_for(llm: LLM, dtype: Any) -> None:
    (vector,) = _rows(llm.encode(TEXTS[0], pooling_task="embed", use_tqdm=False))
    (rows,) = _rows(llm.encode(TEXTS[0], pooling_task="token_embed", use_tqdm=False))
    expected = quantize(vector, dtype)
    (raw,) = llm.encode(TEXTS[0], pooling_task="embed", output_dtype=dtype, use_tqdm=False)
    assert raw.outputs.data.dtype == expected.dtype
    assert raw.outputs.data.equal(expected)
    (embedding,) = llm.embed(TEXTS[0], output_dtype=dtype, use_tqdm=False)
    assert embedding.outputs.embedding == expected.tolist()
    (forms,) = llm.encode(TEXTS[0], outputs=["dense", "multi"], output_dtype=dtype, use_tqdm=False)
    assert forms.outputs.dense is not None
    assert forms.outputs.dense.equal(expected)
    assert forms.outputs.multi is not None
    assert forms.outputs.multi.shape == quantize(rows, dtype).shape


@pytest.mark.parametrize(
    ("options", "error", "param"),
    [
        ({"outputs": ["dense"], "pooling_task": "embed"}, InvalidRequest, "outputs"),
        ({"outputs": []}, InvalidRequest, "outputs"),
        ({"outputs": "dense"}, WrongType, "outputs"),
        ({"outputs": ["dense", "sparse"]}, UnsupportedTask, "task"),
        ({"pooling_task": "embed", "output_dtype": "int4"}, InvalidRequest, "output_dtype"),
        ({"output_dtype": "int8"}, UnsupportedTask, "pooling_task"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    llm: LLM, options: dict[str, Any], error: type[InvalidRequest], param: str
) -> None:
    with pytest.raises(error) as caught:
        llm.encode("a text", use_tqdm=False, **options)
    assert caught.value.param == param


def test_terms_have_no_precision(sparse: LLM) -> None:
    with pytest.raises(InvalidRequest, match="'sparse_embed' gives none") as caught:
        sparse.encode("a text", outputs=["sparse"], output_dtype="int8", use_tqdm=False)
    assert caught.value.param == "output_dtype"
