"""BGE-M3, whose terms are the text's own tokens, and which has a dense vector and a vector per token beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint
from cenote_sparse_terms.labels import term_labels

_TEXTS = ["How deep is the well?", "Bread needs flour, water, salt and time; bread needs flour.", "water"]


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    """The look-alike of BAAI/bge-m3."""
    with LLM(
        str(build_checkpoint("bge_m3_triple", tmp_path_factory.mktemp("m3"))), io_processor_plugin="sparse-terms"
    ) as model:
        yield model


def _ask(llm: LLM, **data: Any) -> list[Any]:
    (output,) = llm.encode({"data": {"texts": _TEXTS, **data}}, pooling_task="plugin")
    return list(output.outputs.data.vectors)


def test_terms_are_named_by_the_tokens_of_the_text(llm: LLM) -> None:
    tokenizer = llm.get_tokenizer()
    names = term_labels(tokenizer.convert_ids_to_tokens(range(tokenizer.vocab_size)))
    for text, vector, wanted in zip(_TEXTS, _ask(llm), llm.sparse_embed(_TEXTS), strict=True):
        assert vector.indices == wanted.outputs.indices
        assert vector.values == pytest.approx(wanted.outputs.values, abs=2e-5)
        assert vector.terms.keys() == {names[index] for index in vector.indices}
        assert set(vector.indices) <= set(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_a_text_without_weights_is_an_empty_vector(llm: LLM) -> None:
    assert _ask(llm, format="qdrant")[2].indices == []


def test_the_heaviest_terms_are_kept(llm: LLM) -> None:
    for whole, kept in zip(_ask(llm), _ask(llm, top_k=2), strict=True):
        assert kept.values == pytest.approx([whole.values[whole.indices.index(index)] for index in kept.indices])
        assert sorted(kept.values) == pytest.approx(sorted(whole.values)[-2:])
