"""Stored prompts: whose texts they stand in front of."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.errors import InvalidRequest
from cenote.types import PoolingParams

_SETTINGS = "config_sentence_transformers.json"
_PROMPTS = {"prompts": {"query": "find: ", "document": "text: "}}
_TEXT = "what is it"


def _ids(encode: Any, model: LLM, text: str, role: str, **params: Any) -> list[int]:
    (output,) = encode(model, [text], role, PoolingParams(**params))
    found: list[int] = output.prompt_token_ids
    return found


@pytest.mark.parametrize("family", ["gte_moderncolbert", "colbert_v2"])
def test_prompts_named_after_roles_wait_to_be_asked_for(
    edited: Any, loaded: Callable[[str], LLM], encode: Any, family: str
) -> None:
    """Source: `ColBERT.encode` of PyLate 1.6, which applies a prompt by its name or as the default, never by role."""
    bare = loaded(family)
    with LLM(str(edited(family, {_SETTINGS: _PROMPTS}))) as model:
        for role, prompt in (("query", "find: "), ("document", "text: ")):
            whole = _ids(encode, bare, prompt + _TEXT, role)
            assert _ids(encode, model, _TEXT, role) == _ids(encode, bare, _TEXT, role)
            assert _ids(encode, model, _TEXT, role, prompt_name=role) == whole  # behind the marker
            assert model.score(_TEXT, _TEXT, use_tqdm=False)[0].outputs.score == pytest.approx(
                bare.score(_TEXT, _TEXT, use_tqdm=False)[0].outputs.score, abs=1e-4
            )
        with pytest.raises(InvalidRequest, match="other"):
            _ids(encode, model, _TEXT, "query", prompt_name="other")


def test_a_default_prompt_stands_in_front_of_every_text(edited: Any, loaded: Callable[[str], LLM], encode: Any) -> None:
    bare, family = loaded("gte_moderncolbert"), "gte_moderncolbert"
    with LLM(str(edited(family, {_SETTINGS: {**_PROMPTS, "default_prompt_name": "query"}}))) as model:
        for role in ("query", "document"):
            assert _ids(encode, model, _TEXT, role) == _ids(encode, bare, f"find: {_TEXT}", role)
            assert _ids(encode, model, _TEXT, role, prompt="") == _ids(encode, bare, _TEXT, role)


def test_folders_of_sentence_transformers_give_each_role_its_prompt(
    edited: Any, loaded: Callable[[str], LLM], encode: Any
) -> None:
    """Source: `encode_query` and `encode_document` of sentence-transformers 6.2."""
    with LLM(str(edited("multi_vector_encoder", {_SETTINGS: _PROMPTS}))) as model:
        for role, prompt in (("query", "find: "), ("document", "text: ")):
            whole = _ids(encode, loaded("multi_vector_encoder"), prompt + _TEXT, role, prompt="")
            assert _ids(encode, model, _TEXT, role) == whole


def test_prompts_of_a_model_card_that_the_user_wants_go_by_role(
    folder_of: Callable[[str], Path], tmp_path: Path, loaded: Callable[[str], LLM], encode: Any, edited: Any
) -> None:
    folder = tmp_path / "e5-small"
    shutil.copytree(edited("gte_moderncolbert", {_SETTINGS: {"prompts": {}}}), folder)
    with LLM(str(folder), known_prompts=True) as model:
        for role, prompt in (("query", "query: "), ("document", "passage: ")):
            assert _ids(encode, model, _TEXT, role) == _ids(encode, loaded("gte_moderncolbert"), prompt + _TEXT, role)
