"""Chunked long inputs on the real all-MiniLM-L6-v2, against single embeds of the chunks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from cenote import LLM, PoolerConfig, PoolingParams
from cenote.checkpoints import find_default_model
from cenote.errors import InvalidRequest, PromptTooLong

LIMIT = 256
TEXT = " ".join(f"Sentence {number} tells of a cave that the sea has washed out of the rock." for number in range(60))


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    config = PoolerConfig(enable_chunked_processing=True, max_embed_len=2000)
    with LLM(find_default_model().source, pooler_config=config, served_model_name="all-MiniLM-L6-v2") as made:
        yield made


def _by_hand(llm: LLM, ids: list[int], use_activation: bool | None = None) -> Tensor:
    chunks = [ids[start : start + LIMIT] for start in range(0, len(ids), LIMIT)]
    params = PoolingParams(use_activation=use_activation)
    rows = torch.tensor([out.outputs.embedding for out in llm.embed(chunks, pooling_params=params, use_tqdm=False)])
    weights = torch.tensor([len(chunk) for chunk in chunks], dtype=torch.float32)
    mean = (rows * weights[:, None]).sum(0) / weights.sum()
    return mean if use_activation is False else mean / mean.norm()


@pytest.mark.parametrize("use_activation", [None, False])
def test_a_long_text_gives_the_weighted_mean_of_its_chunks(llm: LLM, use_activation: bool | None) -> None:
    params = PoolingParams(use_activation=use_activation)
    (output,) = llm.embed(TEXT, pooling_params=params, use_tqdm=False)
    assert 3 * LIMIT < len(output.prompt_token_ids) < 2000
    assert (output.prompt_token_ids[0], output.prompt_token_ids.count(101), output.prompt_token_ids[-1]) == (
        101,
        1,
        102,
    )
    expected = _by_hand(llm, output.prompt_token_ids, use_activation)
    torch.testing.assert_close(torch.tensor(output.outputs.embedding), expected, atol=2e-6, rtol=1e-5)


def test_short_texts_beside_a_long_one_stay_as_they_are(llm: LLM) -> None:
    texts = ["a short text", TEXT, "another one", TEXT[:5000]]
    together = [torch.tensor(output.outputs.embedding) for output in llm.embed(texts, use_tqdm=False)]
    for text, vector in zip(texts, together, strict=True):
        alone = torch.tensor(llm.embed(text, use_tqdm=False)[0].outputs.embedding)
        torch.testing.assert_close(vector, alone, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize(("kept", "side"), [(700, "right"), (300, "left"), (100, None)])
def test_truncation_comes_before_cutting(llm: LLM, kept: int, side: str | None) -> None:
    whole = llm.embed(TEXT, use_tqdm=False)[0].prompt_token_ids
    wanted = {"truncate_prompt_tokens": kept, "truncation_side": side}
    (output,) = llm.embed(TEXT, tokenization_kwargs=wanted, use_tqdm=False)
    expected = {"right": whole[:kept], "left": whole[-kept:], None: [*whole[: kept - 1], 102]}[side]
    assert output.prompt_token_ids == expected
    torch.testing.assert_close(
        torch.tensor(output.outputs.embedding), _by_hand(llm, output.prompt_token_ids), atol=2e-6, rtol=1e-5
    )


def test_minus_one_truncates_to_the_longest_input_and_more_is_refused(llm: LLM) -> None:
    (output,) = llm.embed(TEXT * 3, tokenization_kwargs={"truncate_prompt_tokens": -1}, use_tqdm=False)
    assert len(output.prompt_token_ids) == 2000
    assert output.truncated_tokens > 0
    with pytest.raises(InvalidRequest, match="has 1 to 2000 tokens"):
        llm.embed(TEXT, tokenization_kwargs={"truncate_prompt_tokens": 2001}, use_tqdm=False)


def test_beyond_the_upper_bound_a_text_is_too_long(llm: LLM) -> None:
    with pytest.raises(PromptTooLong, match="at most 2000"):
        llm.embed(TEXT * 3, use_tqdm=False)
    assert len(llm.embed("fine", use_tqdm=False)) == 1


def test_other_tasks_keep_the_models_limit(llm: LLM) -> None:
    with pytest.raises(PromptTooLong, match="at most 256"):
        llm.encode(TEXT, pooling_task="token_embed", use_tqdm=False)


def test_token_ids_may_be_long_too_and_without_an_upper_bound_any_length_goes() -> None:
    config = PoolerConfig(enable_chunked_processing=True)
    with LLM(find_default_model().source, pooler_config=config) as llm:
        ids = [101, *range(2000, 5000), 102]
        (output,) = llm.embed([ids], tokenization_kwargs={"truncate_prompt_tokens": -1}, use_tqdm=False)
        assert output.prompt_token_ids == ids
        torch.testing.assert_close(torch.tensor(output.outputs.embedding), _by_hand(llm, ids), atol=2e-6, rtol=1e-5)
