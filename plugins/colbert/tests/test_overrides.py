"""The user's word over that of the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.errors import CheckpointError


def test_every_value_can_be_given(folder_of: Callable[[str], Path], encode: Any) -> None:
    wanted = {
        "query_length": 20,
        "document_length": 10,
        "query_marker": "[D] ",
        "document_marker": "",
        "attend_to_expansion_tokens": True,
        "expansion_token": "[PAD]",
        "skiplist_words": ["?"],
    }
    with LLM(str(folder_of("gte_moderncolbert")), hf_overrides={"late_interaction": wanted}) as model:
        report, words = model.report(), model.get_tokenizer()
        (query,), (document,) = (encode(model, ["what is, it?"], role) for role in ("query", "document"))
        assert model.limits.max_tokens == 10
    assert report["query length"] == "20 (user)"
    assert report["document marker"] == "none (user)"
    assert "attended to" in report["query expansion"]
    assert len(query.prompt_token_ids) == 20
    assert query.prompt_token_ids[1] == words.convert_tokens_to_ids("[D] ")
    assert query.prompt_token_ids[-1] == words.convert_tokens_to_ids("[PAD]")
    assert document.prompt_token_ids == words.encode("what is, it?")
    assert len(document.outputs.data) == len(document.prompt_token_ids) - 1


def test_queries_need_not_be_filled(folder_of: Callable[[str], Path], encode: Any) -> None:
    with LLM(str(folder_of("colbert_v2")), hf_overrides={"late_interaction": {"query_expansion": False}}) as model:
        (query,) = encode(model, ["what is it"], "query")
        assert model.report()["query expansion"] == "off (user)"
    assert len(query.prompt_token_ids) < 32


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"query_size": 3}, "known keys are query_length"),
        ("long", "must be a mapping"),
        ({"query_length": 0}, "query_length must be a positive whole number"),
        ({"query_length": True}, "query_length must be a positive whole number"),
        ({"query_expansion": "yes"}, "query_expansion must be true or false"),
        ({"skiplist_words": "!?"}, "skiplist_words must be a list of texts"),
        ({"query_marker": "[none such]"}, "query marker '\\[none such\\]' is not in the tokenizer's vocabulary"),
        ({"expansion_token": "[none such]"}, "expansion token"),
    ],
)
def test_what_is_unknown_or_of_another_kind_is_refused(
    folder_of: Callable[[str], Path], wanted: Any, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(folder_of("gte_moderncolbert")), hf_overrides={"late_interaction": wanted})


def test_lengths_that_the_backbone_has_no_positions_for_are_refused(folder_of: Callable[[str], Path]) -> None:
    for wanted in ({"document_length": 161}, {"query_length": 161, "query_expansion": False}):
        with pytest.raises(CheckpointError, match=f"says {next(iter(wanted))} 161, but the backbone takes 160"):
            LLM(str(folder_of("colbert_v2")), hf_overrides={"late_interaction": wanted})


def test_markers_of_prompts_are_not_doubled(folder_of: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match="marks texts by its prompts"):
        LLM(str(folder_of("multi_vector_encoder")), hf_overrides={"late_interaction": {"query_marker": "[Q] "}})
