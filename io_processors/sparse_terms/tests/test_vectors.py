"""What each form holds, and that it is what `sparse_embed` gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.errors import CenoteError, UnsupportedTask
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.texts import sample_texts
from cenote_sparse_terms.vectors import keep, most_terms

TEXTS = ["How deep is the well?", "Salt water lies below the fresh water."]


def ask(llm: LLM, **data: Any) -> list[Any]:
    """Return the vectors of a request, as JSON."""
    (output,) = llm.encode({"data": {"texts": TEXTS, **data}}, pooling_task="plugin", use_tqdm=False)
    vectors: list[Any] = json.loads(output.outputs.data.model_dump_json())["vectors"]
    return vectors


def rows(llm: LLM, **options: Any) -> list[dict[int, float]]:
    """Return the weights by id that the task itself gives."""
    outputs = llm.sparse_embed(TEXTS, use_tqdm=False, **options)
    return [dict(zip(item.outputs.indices, item.outputs.values, strict=True)) for item in outputs]


def test_terms_come_with_their_ids_and_the_heaviest_first(llm: LLM) -> None:
    for vector, expected in zip(ask(llm), rows(llm), strict=True):
        assert dict(zip(vector["indices"], vector["values"], strict=True)) == pytest.approx(expected, abs=1e-5)
        assert vector["indices"] == sorted(vector["indices"])
        weights = list(vector["terms"].values())
        assert weights == sorted(weights, reverse=True)
        assert sorted(weights) == sorted(vector["values"])
        names = llm.token_texts(vector["indices"])
        assert {vector["terms"][name] for name in names} == set(vector["values"])


@pytest.mark.parametrize("form", ["indices", "qdrant", "pinecone"])
def test_forms_of_two_lists_are_those_lists(form: str, llm: LLM) -> None:
    for vector, whole in zip(ask(llm, format=form), ask(llm), strict=True):
        assert vector == {"indices": whole["indices"], "values": whole["values"]}


def test_milvus_gets_a_member_per_id(llm: LLM) -> None:
    for vector, whole in zip(ask(llm, format="milvus"), ask(llm), strict=True):
        assert vector == {str(key): value for key, value in zip(whole["indices"], whole["values"], strict=True)}


def test_vespa_gets_cells_by_term(llm: LLM) -> None:
    for vector, whole in zip(ask(llm, format="vespa"), ask(llm), strict=True):
        assert vector == {"cells": whole["terms"]}


def test_the_heaviest_terms_are_kept(llm: LLM) -> None:
    for vector, whole in zip(ask(llm, top_k=3), ask(llm), strict=True):
        assert vector["terms"] == dict(list(whole["terms"].items())[:3])
    assert all(len(vector["indices"]) == 1 for vector in ask(llm, top_k=1))


def test_light_terms_are_left_out(llm: LLM) -> None:
    whole = ask(llm)
    limit = sorted(whole[0]["values"])[-4]
    kept = ask(llm, min_weight=limit)
    assert kept[0]["terms"] == dict(list(whole[0]["terms"].items())[:4])
    assert ask(llm, min_weight=1e9, format="qdrant") == [{"indices": [], "values": []}] * 2


def test_a_single_text_is_a_list_of_one(llm: LLM) -> None:
    assert ask(llm, texts=TEXTS[0]) == ask(llm)[:1]


def test_vectors_come_in_the_order_of_the_texts(llm: LLM) -> None:
    texts = [text for text in sample_texts() if len(text) < 200]
    together = ask(llm, texts=texts, top_k=4)
    assert len(together) == len(texts)
    for vector, text in zip(together, texts, strict=True):
        (alone,) = ask(llm, texts=text, top_k=4)
        assert vector["indices"] == alone["indices"]
        assert vector["values"] == pytest.approx(alone["values"], abs=1e-5)


@pytest.mark.parametrize(
    ("data", "param"),
    [
        ({"texts": []}, "data.texts"),
        ({"texts": 3}, "data.texts"),
        ({"texts": ["a", 1]}, "data.texts.1"),
        ({"texts": "a", "top_k": True}, "data.top_k"),
        ({"texts": "a", "min_weight": False}, "data.min_weight"),
    ],
)
def test_refusals_name_the_field_once(llm: LLM, data: dict[str, Any], param: str) -> None:
    with pytest.raises(CenoteError) as refused:
        llm.encode({"data": data}, pooling_task="plugin")
    assert refused.value.param == param
    assert str(refused.value).count("data.") == 1


def test_no_more_terms_are_kept_than_pinecone_takes() -> None:
    ids, weights = list(range(3000)), [float(number) for number in range(1, 3001)]
    kept, _ = keep(ids, weights, top_k=most_terms("pinecone", None), min_weight=None)
    assert kept == ids[-2048:]
    assert (most_terms("pinecone", 2048), most_terms("qdrant", 5000), most_terms("milvus", None)) == (2048, 5000, None)
    with pytest.raises(ValueError, match=r"top_k=2049 is asked for; the format 'pinecone' has at most 2048 terms"):
        most_terms("pinecone", 2049)


def test_a_role_decides_which_side_of_a_router_reads_a_text(tmp_path: Path) -> None:
    folder = build_checkpoint("splade_doc", tmp_path)
    with LLM(str(folder), io_processor_plugin="sparse-terms") as llm:
        for role in ("query", "document"):
            (output,) = llm.encode({"data": {"texts": TEXTS}}, pooling_task="plugin", role=role, use_tqdm=False)
            found = [dict(zip(v.indices, v.values, strict=True)) for v in output.outputs.data.vectors]
            for vector, expected in zip(found, rows(llm, role=role), strict=True):
                assert vector == pytest.approx(expected, abs=1e-5)


def test_a_model_without_sparse_vectors_is_refused(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path)
    with pytest.raises(UnsupportedTask, match="'sparse-terms' works with a model that can do sparse_embed"):
        LLM(str(folder), io_processor_plugin="sparse-terms")


def test_the_operator_bounds_the_texts_of_a_request(splade: Path) -> None:
    settings = {"sparse-terms": {"max_texts": 1}}
    with LLM(str(splade), io_processor_plugin="sparse-terms", io_processor_settings=settings) as llm:
        assert len(ask(llm, texts=TEXTS[:1])) == 1
        with pytest.raises(CenoteError, match="texts has 2 entries; this server takes 1 in one request"):
            ask(llm)
