"""The tokens that a model makes of a prompt are those that it runs on, and their places are told only where known."""

from __future__ import annotations

import pytest

from cenote.engine import LLM
from cenote.engine.token_view import view_tokens
from cenote.errors import InvalidRequest, ModelNotFound
from cenote.testing.checkpoints import build_checkpoint, build_static
from cenote.types import PoolingParams, Prompt, TokenizationOptions


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> LLM:
    return LLM(str(build_static("model2vec", tmp_path_factory.mktemp("static"))))


@pytest.fixture(scope="module")
def jina(tmp_path_factory: pytest.TempPathFactory) -> LLM:
    return LLM(str(build_checkpoint("jina_embeddings_v3", tmp_path_factory.mktemp("jina"))))


def test_static_embeddings_have_places_unless_a_token_is_left_out(static: LLM) -> None:
    known = view_tokens(static, Prompt(text="the a"))
    assert known.located is not None
    assert known.located.ids == known.ids == tuple(static.embed("the a", use_tqdm=False)[0].prompt_token_ids)
    mixed = view_tokens(static, Prompt(text="the \U0001f30a a"))
    assert mixed.located is None
    assert mixed.ids == known.ids


def test_an_instruction_of_the_adapter_counts_but_its_place_is_unknown(jina: LLM) -> None:
    text = "what is a cenote"
    plain = view_tokens(jina, Prompt(text=text))
    assert plain.located is not None
    query = view_tokens(jina, Prompt(text=text), role="query")
    assert query.located is None
    assert len(query.ids) > len(plain.ids)
    assert query.ids == tuple(jina.embed(text, role="query", use_tqdm=False)[0].prompt_token_ids)


def test_a_prompt_may_be_longer_than_the_model_takes(jina: LLM) -> None:
    text = "word " * (jina.limits.max_tokens + 10)
    assert len(view_tokens(jina, Prompt(text=text)).ids) > jina.limits.max_tokens


def test_an_empty_text_without_special_tokens_has_none(jina: LLM) -> None:
    options = TokenizationOptions(add_special_tokens=False)
    assert view_tokens(jina, Prompt(text=""), options=options).ids == ()


def test_what_the_model_does_not_know_is_refused(jina: LLM) -> None:
    with pytest.raises(InvalidRequest, match="prompt_name"):
        view_tokens(jina, Prompt(text="a"), params=PoolingParams(prompt_name="nothing"))
    with pytest.raises(ModelNotFound):
        view_tokens(jina, Prompt(text="a"), params=PoolingParams(lora="nothing"))
    with pytest.raises(InvalidRequest, match="surrogate"):
        view_tokens(jina, Prompt(text="\ud800"))
