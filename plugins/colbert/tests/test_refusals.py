"""Files and options that would be computed wrongly are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cenote import LLM
from cenote.errors import CheckpointError, InvalidRequest

_SETTINGS = "config_sentence_transformers.json"
_TRANSFORMER = "sentence_bert_config.json"
_POOLED = dict.fromkeys(("module_input_name", "module_output_name"), "sentence_embedding")
_HUGE = {"strategy": "fixed", "length": 10**12}
_MASK = "2_MultiVectorMask/config.json"


@pytest.mark.parametrize(
    ("family", "file", "changes", "message"),
    [
        ("colbert_v2", "artifact.metadata", {"similarity": "dot"}, "similarity is 'dot'"),
        ("colbert_v2", "artifact.metadata", {"interaction": "flipr"}, "interaction is 'flipr'"),
        ("colbert_v2", "artifact.metadata", {"query_maxlen": "32"}, "query_maxlen must be a positive whole number"),
        ("colbert_v2", "artifact.metadata", {"query_token_id": "[Q]"}, "query marker '\\[Q\\]' is not in"),
        ("colbert_v2", "artifact.metadata", {"dim": 128}, "dim is 128, but linear.weight gives vectors of size 16"),
        ("colbert_v2", "artifact.metadata", {"query_maxlen": 500}, "filled up to 500 tokens, but the backbone takes"),
        ("colbert_v2", "config.json", {"colbert_dim": 96}, "colbert_dim is 96"),
        ("jina_colbert_v2", "config.json", {"position_embedding_type": "alibi"}, "position_embedding_type = 'alibi'"),
        ("jina_colbert_v2", "config.json", {"rotary_emb_base": 0}, "rotary_emb_base must be"),
        ("jina_colbert_v2", "config.json", {"rotary_emb_base": float("inf")}, "rotary_emb_base must be"),
        ("gte_moderncolbert", _SETTINGS, {"similarity_fn_name": "meanmaxsim"}, "PyLate compares by MaxSim only"),
        ("gte_moderncolbert", _SETTINGS, {"query_length": -1}, "query_length must be a positive whole number"),
        ("gte_moderncolbert", _SETTINGS, {"query_length": 10**9}, "filled up to 1000000000 tokens, but the backbone"),
        ("gte_moderncolbert", _SETTINGS, {"query_length": 3}, "query_length is 3, which leaves no token for a text"),
        ("gte_moderncolbert", _SETTINGS, {"document_length": 1}, "document_length is 1, which leaves no token"),
        ("gte_moderncolbert", _SETTINGS, {"do_query_expansion": 1}, "do_query_expansion must be true or false"),
        ("gte_moderncolbert", "1_Dense/config.json", {"out_features": 12}, "needed \\[12, 32\\]"),
        (
            "gte_moderncolbert",
            "tokenizer_config.json",
            {"padding_side": "left"},
            "as published Qwen and Gemma tokenizers",
        ),
        ("multi_vector_encoder", _SETTINGS, {"similarity_fn_name": "cosine"}, "known: maxsim, meanmaxsim"),
        ("multi_vector_encoder", _SETTINGS, {"query_prefix": "[Q] "}, "does not have: query_prefix"),
        ("multi_vector_encoder", _TRANSFORMER, {"query_expansion": {"strategy": "max", "length": 9}}, "fixed, min"),
        ("multi_vector_encoder", _TRANSFORMER, {"query_expansion": {"other": 1}}, "query_expansion must have the keys"),
        ("multi_vector_encoder", _TRANSFORMER, {"query_length": 8}, "below the length of the expansion"),
        ("multi_vector_encoder", _TRANSFORMER, {"transformer_task": "fill-mask"}, "transformer_task must say"),
        ("multi_vector_encoder", _TRANSFORMER, {"processing_kwargs": {"text": {"padding": 1}}}, "processing_kwargs"),
        ("multi_vector_encoder", _MASK, {"skiplist_words": "!"}, "skiplist_words must be a list"),
        ("multi_vector_encoder", _TRANSFORMER, {"query_expansion": _HUGE}, "filled up to 1000000000000 tokens"),
        ("multi_vector_encoder", _SETTINGS, {"similarity_fn_name": ["maxsim"]}, "known: maxsim, meanmaxsim"),
        ("multi_vector_encoder", _MASK, {"keep_only_token_ids": 5}, "keep_only_token_ids must be a list of token ids"),
        ("multi_vector_encoder", _MASK, {"keep_only_token_ids": [-1]}, "keep_only_token_ids must be a list of token"),
        ("multi_vector_encoder", _MASK, {"skiplist_tasks": 7}, "skiplist_tasks must be query, document"),
        ("multi_vector_encoder", _MASK, {"skiplist_tasks": ["nope"]}, "skiplist_tasks must be query, document"),
        ("multi_vector_encoder", "1_Dense/config.json", _POOLED, "nothing pools tokens"),
    ],
)
def test_settings_that_are_not_understood_are_refused(
    edited: Any, family: str, file: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(edited(family, {file: changes})))


@pytest.mark.parametrize(
    ("family", "file", "values", "message"),
    [
        ("colbert_v2", "model.safetensors", torch.full((16, 32), torch.nan), "holds NaN or infinity"),
        ("gte_moderncolbert", "1_Dense/model.safetensors", torch.full((16, 32), torch.inf), "holds NaN or infinity"),
        ("colbert_v2", "model.safetensors", torch.ones(16, 32, dtype=torch.int8), "quantised projections"),
    ],
)
def test_projections_that_are_no_numbers_are_refused(
    edited: Any, family: str, file: str, values: torch.Tensor, message: str
) -> None:
    folder = edited(family, {})
    tensors = load_file(folder / file)
    save_file({**tensors, "linear.weight": values}, folder / file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=message):
        LLM(str(folder))


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("sentence_transformers.models.LayerNorm", {"dimension": 16}, "PyLate's models are a Transformer and Dense"),
        ("my.own.Module", {}, "PyLate's models are a Transformer and Dense"),
    ],
)
def test_modules_that_pylate_leaves_out_are_refused(edited: Any, kind: str, config: Any, message: str) -> None:
    folder = edited("gte_moderncolbert", {"2_Extra/config.json": config})
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 2, "name": "2", "path": "2_Extra", "type": kind})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match=message):
        LLM(str(folder))


@pytest.mark.parametrize(("factor", "refused"), [(1.0, False), (2.0, True)])
def test_stored_pooling_of_tokens_is_refused(edited: Any, factor: float, refused: bool) -> None:
    config = {"pool_factor": factor, "num_protected_tokens": 1, "tasks": ["document"]}
    folder = edited("multi_vector_encoder", {"4_Pooling/config.json": config})
    modules = json.loads((folder / "modules.json").read_text())
    kind = "sentence_transformers.multi_vector_encoder.modules.token_pooling.HierarchicalTokenPooling"
    modules.append({"idx": 4, "name": "4", "path": "4_Pooling", "type": kind})
    (folder / "modules.json").write_text(json.dumps(modules))
    if not refused:
        with LLM(str(folder)) as model:
            assert model.report()["normalize"] == "True (model_default)"
        return
    with pytest.raises(CheckpointError, match="ask for pool_factor in requests"):
        LLM(str(folder))


def test_left_padding_is_taken_where_the_user_says_how_the_model_was_trained(edited: Any) -> None:
    folder = edited("gte_moderncolbert", {"tokenizer_config.json": {"padding_side": "left"}})
    with LLM(str(folder), hf_overrides={"late_interaction": {"query_expansion": True}}) as model:
        assert model.report()["query expansion"] == "to 32 tokens, not attended to (user)"


@pytest.mark.parametrize(
    "options",
    [
        {"seq_pooling_type": "CLS"},
        {"tok_pooling_type": "STEP"},
        {"step_tag_id": 3},
        {"returned_token_ids": (1,)},
        {"enable_chunked_processing": True},
        {"dimensions": 8},
    ],
    ids=lambda options: next(iter(options)),
)
def test_pooling_options_that_mean_nothing_are_refused(
    folder_of: Callable[[str], Path], options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        LLM(str(folder_of("colbert_v2")), pooler_config=options)
    assert caught.value.param == next(iter(options))
