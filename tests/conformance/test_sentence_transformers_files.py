"""Prompts, lower-casing and length limits of the side files act as in sentence-transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from cenote.engine import LLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_all_close, largest_difference
from cenote.testing.texts import sample_texts

_TOLERANCE = 2e-5
_CUT = {"truncate_prompt_tokens": -1}
_PROMPTS = {"query": "search for this: ", "document": "title: none | text: "}
#: One of each kind of tokenizer, causal and not, packed and padded.
_SOME = ("bert", "xlm_roberta", "modernbert", "deberta_v2", "qwen3", "llama", "embeddinggemma")


def _compare(folder: Path, ours: dict[str, Any], theirs: dict[str, Any], method: str = "encode") -> None:
    """Compare the vectors, and the length at which texts are cut."""
    texts = sample_texts()
    reference = SentenceTransformer(str(folder), device="cpu")
    expected = getattr(reference, method)(texts, **theirs)
    with LLM(str(folder)) as model:
        assert model.limits.max_tokens == reference.max_seq_length
        outputs = model.embed(list(texts), use_tqdm=False, tokenization_kwargs=_CUT, **ours)
    assert_all_close([output.outputs.embedding for output in outputs], list(expected), tolerance=_TOLERANCE)


@pytest.mark.parametrize("name", _SOME)
def test_a_named_prompt_goes_in_front(name: str, tmp_path: Path) -> None:
    folder = build_checkpoint(name, tmp_path, prompts=_PROMPTS)
    _compare(folder, {"prompt_name": "query"}, {"prompt_name": "query"})


@pytest.mark.parametrize("role", ["query", "document"])
def test_a_role_uses_the_prompt_stored_for_it(role: str, tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3", tmp_path, prompts=_PROMPTS)
    _compare(folder, {"role": role}, {}, method=f"encode_{role}")


def test_a_free_prompt_goes_in_front(tmp_path: Path) -> None:
    folder = build_checkpoint("roberta", tmp_path)
    _compare(folder, {"prompt": "clustering: "}, {"prompt": "clustering: "})


@pytest.mark.parametrize("name", _SOME)
def test_the_default_prompt_is_used_where_none_is_named(name: str, tmp_path: Path) -> None:
    folder = build_checkpoint(name, tmp_path, prompts=_PROMPTS, default_prompt_name="query")
    _compare(folder, {}, {})


@pytest.mark.parametrize("pooling", ["mean", "max", "weightedmean", "lasttoken", "mean_sqrt_len_tokens"])
def test_a_prompt_can_be_left_out_of_pooling(pooling: str, tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path, prompts=_PROMPTS, include_prompt=False, pooling=pooling)
    _compare(folder, {"prompt_name": "query"}, {"prompt_name": "query"})


@pytest.mark.parametrize("name", _SOME)
def test_a_prompt_can_be_left_out_of_the_mean(name: str, tmp_path: Path) -> None:
    folder = build_checkpoint(name, tmp_path, prompts=_PROMPTS, include_prompt=False, pooling="mean")
    _compare(folder, {"prompt_name": "query"}, {"prompt_name": "query"})


@pytest.mark.parametrize("name", _SOME)
def test_texts_are_lower_cased_when_the_files_say_so(name: str, tmp_path: Path) -> None:
    folder = build_checkpoint(name, tmp_path, prompts={"query": "SEARCH: "}, do_lower_case=True)
    _compare(folder, {"prompt_name": "query"}, {"prompt_name": "query"})


@pytest.mark.parametrize("length", [None, 12])
@pytest.mark.parametrize("name", _SOME)
def test_the_length_limit_is_the_files(name: str, length: int | None, tmp_path: Path) -> None:
    _compare(build_checkpoint(name, tmp_path, max_seq_length=length), {}, {})


@pytest.mark.parametrize("name", ["bert", "roberta", "modernbert", "mpnet"])
def test_without_files_an_encoder_is_pooled_as_sentence_transformers_does(name: str, tmp_path: Path) -> None:
    folder = build_checkpoint(name, tmp_path, sentence_transformers=False)
    _compare(folder, {"pooling_params": None}, {"normalize_embeddings": True})


def test_a_checkpoint_in_half_precision_equals_the_reference_within_its_rounding(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3", tmp_path, dtype="bfloat16", config={"torch_dtype": "bfloat16"})
    expected = SentenceTransformer(str(folder), device="cpu").encode(sample_texts())
    with LLM(str(folder)) as model:
        outputs = model.embed(list(sample_texts()), use_tqdm=False, tokenization_kwargs=_CUT)
    found = np.array([output.outputs.embedding for output in outputs])
    assert largest_difference(found, expected) < 4e-2  # bfloat16 keeps 8 bits
