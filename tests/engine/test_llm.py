"""`LLM` as a user meets it, on the real all-MiniLM-L6-v2."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import torch

from cenote import LLM, PoolerConfig, PoolingParams
from cenote.checkpoints import find_default_model
from cenote.errors import CheckpointError, InvalidRequest, PromptTooLong, UnsupportedTask

CUT = {"truncate_prompt_tokens": -1}


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    with LLM(find_default_model().source, served_model_name="all-MiniLM-L6-v2") as made:
        yield made


def test_one_text_gives_a_list_of_one_unit_vector(llm: LLM) -> None:
    (output,) = llm.embed("a single text", use_tqdm=False)
    assert output.outputs.hidden_size == 384
    assert sum(x * x for x in output.outputs.embedding) == pytest.approx(1.0, abs=1e-5)
    assert output.prompt_token_ids[0] == 101
    assert output.finished
    assert "embedding" not in repr(output.outputs)


def test_every_prompt_form_gives_the_same_vector(llm: LLM) -> None:
    ids = llm.embed("same words", use_tqdm=False)[0].prompt_token_ids
    forms = ["same words", {"prompt": "same words"}, ids, {"prompt_token_ids": ids}]
    for output in llm.embed(forms, use_tqdm=False):  # type: ignore[arg-type]
        assert output.prompt_token_ids == ids
    vectors = torch.tensor([output.outputs.embedding for output in llm.embed(forms, use_tqdm=False)])  # type: ignore[arg-type]
    assert (vectors - vectors[0]).abs().max() < 1e-6


def test_request_ids_never_repeat(llm: LLM) -> None:
    ids = [output.request_id for _ in range(3) for output in llm.embed(["a", "b"], use_tqdm=False)]
    assert len(set(ids)) == 6


def test_token_embed_gives_a_row_per_token(llm: LLM) -> None:
    (output,) = llm.encode("three more words", pooling_task="token_embed", use_tqdm=False)
    assert output.outputs.data.shape == (len(output.prompt_token_ids), 384)
    assert output.outputs.data.dtype == torch.float32


def test_results_are_numbers_that_autograd_takes(llm: LLM) -> None:
    for task in ("embed", "token_embed"):
        (output,) = llm.encode("a well", pooling_task=task)
        found = output.outputs.data
        assert output.outputs.by_task[task] is found
        weight = torch.ones(found.shape[-1], requires_grad=True)
        (gradient,) = torch.autograd.grad((found @ weight).sum(), weight)
        assert torch.equal(gradient, found.reshape(-1, found.shape[-1]).sum(0))


def test_activation_off_keeps_the_mean_as_it_is(llm: LLM) -> None:
    raw = PoolingParams(use_activation=False)
    tokens = llm.encode("some words", raw, pooling_task="token_embed", use_tqdm=False)[0].outputs.data
    mean = llm.encode("some words", raw, pooling_task="embed", use_tqdm=False)[0].outputs.data
    torch.testing.assert_close(tokens.mean(dim=0), mean, atol=1e-5, rtol=1e-5)


def test_parameters_may_differ_per_prompt(llm: LLM) -> None:
    raw, unit = llm.embed(
        ["x", "x"], pooling_params=[PoolingParams(use_activation=False), PoolingParams()], use_tqdm=False
    )
    norm = sum(value * value for value in raw.outputs.embedding) ** 0.5
    assert norm != pytest.approx(1.0, abs=1e-3)
    assert [value / norm for value in raw.outputs.embedding] == pytest.approx(unit.outputs.embedding, abs=1e-5)


def test_over_long_text_raises_and_can_be_cut_and_counted(llm: LLM) -> None:
    text = "word " * 5000
    with pytest.raises(PromptTooLong, match="at most 256"):
        llm.embed(text, use_tqdm=False)
    (output,) = llm.embed(text, tokenization_kwargs=CUT, use_tqdm=False)
    assert len(output.prompt_token_ids) == 256
    assert output.truncated_tokens > 0


def test_a_wrong_prompt_raises_and_the_model_keeps_answering(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match=r"Prompt 1: .*out of vocabulary") as caught:
        llm.embed([[101, 102], [101, 30522, 102]], use_tqdm=False)
    assert caught.value.index == 1
    assert len(llm.embed(["fine"], use_tqdm=False)) == 1


@pytest.mark.parametrize("prompts", [[], [[]], None, 5, [1, "a"], [True], [["a"]], {"texts": "x"}, b"bytes"])
def test_what_is_no_prompt_is_refused(llm: LLM, prompts: object) -> None:
    with pytest.raises(InvalidRequest):
        llm.embed(prompts, use_tqdm=False)  # type: ignore[arg-type]


def test_dimensions_are_refused_on_a_plain_model(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match='Model "all-MiniLM-L6-v2" does not support matryoshka representation'):
        llm.embed("x", pooling_params=PoolingParams(dimensions=64), use_tqdm=False)


def test_encode_needs_a_task_that_the_model_can_do(llm: LLM) -> None:
    with pytest.raises(UnsupportedTask, match="No task was named"):
        llm.encode("x", use_tqdm=False)
    with pytest.raises(UnsupportedTask, match="cannot do task 'classify'"):
        llm.encode("x", pooling_task="classify", use_tqdm=False)


def test_as_many_parameters_as_prompts_are_needed(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match="2 entries for 1 prompts"):
        llm.embed(["x"], pooling_params=[PoolingParams(), PoolingParams()], use_tqdm=False)


@pytest.mark.parametrize(
    "kwargs", [{"padding": "longest"}, {"truncate_prompt_tokens": "5"}, {"truncation_side": "up"}, {"max_length": 5}]
)
def test_wrong_tokenization_arguments_are_refused(llm: LLM, kwargs: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        llm.embed("x", tokenization_kwargs=kwargs, use_tqdm=False)


def test_tokenization_arguments_of_other_engines_are_ignored_with_a_warning(
    llm: LLM, caplog: pytest.LogCaptureFixture
) -> None:
    plain = llm.embed("x", use_tqdm=False)[0].outputs
    assert llm.embed("x", tokenization_kwargs={"return_tensors": "pt"}, use_tqdm=False)[0].outputs == plain
    assert "'return_tensors'; it is ignored" in caplog.text


def test_an_unknown_role_is_refused(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match="role must be"):
        llm.embed("x", role="answer", use_tqdm=False)  # type: ignore[arg-type]


def test_the_user_wins_over_the_files_and_the_report_says_so() -> None:
    config = PoolerConfig(pooling_type="CLS", use_activation=False)
    with LLM(find_default_model().source, pooler_config=config, max_model_len=64) as llm:
        assert llm.report()["pooling"] == "CLS (user)"
        assert llm.report()["max tokens"] == "64 (user)"
        tokens = llm.encode("some words", pooling_task="token_embed", use_tqdm=False)[0].outputs.data
        vector = llm.encode("some words", pooling_task="embed", use_tqdm=False)[0].outputs.data
        torch.testing.assert_close(vector, tokens[0])


def test_a_forgotten_model_stops_its_threads_and_frees_its_memory() -> None:
    llm = LLM(find_default_model().source)
    llm.embed("x", use_tqdm=False)
    engine, model = llm.engine, weakref.ref(llm.engine.model)
    del llm
    gc.collect()
    assert not engine.is_healthy
    del engine
    gc.collect()
    assert model() is None


def test_a_missing_model_is_one_clear_error(tmp_path: object) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        LLM(f"{tmp_path}/nowhere")


def test_unknown_options_name_their_neighbours() -> None:
    with pytest.raises(InvalidRequest, match="Did you mean max_model_len"):
        LLM(find_default_model().source, max_modle_len=5)


def test_padding_on_request_fills_a_prompt_up_to_the_limit_with_ids_that_count(llm: LLM) -> None:
    (padded,) = llm.embed("a cenote", tokenization_kwargs={"padding": "max_length"}, use_tqdm=False)
    ids = llm.get_tokenizer()("a cenote", padding="max_length", max_length=256)["input_ids"]
    assert padded.prompt_token_ids == ids
    (same,) = llm.embed(ids, use_tqdm=False)
    assert padded.outputs.embedding == same.outputs.embedding
