"""InternLM2 reward models against their published arithmetic, written out in plain torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from cenote import LLM, PoolingParams
from cenote.errors import CheckpointError, PromptTooLong, UnsupportedTask

Build = Callable[..., Path]
Values = Callable[[Path, list[int]], Tensor]
TEXTS = ["short", "a somewhat longer text, judged whole", "the third", "a"]
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"sharded": True},
    {"safetensors": False},
    {"safetensors": False, "sharded": True},
    {"num_key_value_heads": 4},
    {"num_key_value_heads": 1},
    {"bias": True},
    {"rope_scaling": {"type": "linear", "factor": 2.0}},
    {"rope_scaling": {"type": "dynamic", "factor": 2.0}, "max_position_embeddings": 16},
]


def _reward_id(folder: Path) -> int:
    return int(json.loads((folder / "config.json").read_text())["reward_token_id"])


def _change(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


def _ids(folder: Path, text: str) -> list[int]:
    ids: list[int] = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids
    return ids


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_token_has_the_value_of_the_published_arithmetic(
    layout: dict[str, Any], build_internlm2: Build, plain_values: Values
) -> None:
    folder = build_internlm2(**layout)
    with LLM(str(folder)) as model:
        found = model.encode(TEXTS, pooling_task="token_classify", use_tqdm=False)
    for text, output in zip(TEXTS, found, strict=True):
        ids = [*_ids(folder, text), _reward_id(folder)]
        assert output.prompt_token_ids == ids
        torch.testing.assert_close(output.outputs.data[:, 0], plain_values(folder, ids), atol=3e-5, rtol=3e-5)


def test_the_reward_is_the_raw_value_of_the_reward_token(build_internlm2: Build, plain_values: Values) -> None:
    folder = build_internlm2()
    with LLM(str(folder)) as model:
        for text, output in zip(TEXTS, model.reward(TEXTS, use_tqdm=False), strict=True):
            assert output.outputs.data.shape == (1,)
            expected = plain_values(folder, [*_ids(folder, text), _reward_id(folder)])[-1]
            assert float(output.outputs.data) == pytest.approx(float(expected), abs=3e-5)


def test_the_model_runs_packed(build_internlm2: Build) -> None:
    with LLM(str(build_internlm2())) as model:
        assert model.report()["execution"].startswith("packed")


def test_a_conversation_ends_in_one_reward_token(build_internlm2: Build, plain_values: Values) -> None:
    folder = build_internlm2()
    messages = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "It is a text."}]
    text = "".join(f"<|im_start|>{item['role']}\n{item['content']}<|im_end|>\n" for item in messages)
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(f"<s>{text}<|reward|>", add_special_tokens=False)
    with LLM(str(folder)) as model:
        (output,) = model.reward([{"messages": messages}], use_tqdm=False)
    assert output.prompt_token_ids == ids.ids
    assert output.prompt_token_ids.count(_reward_id(folder)) == output.prompt_token_ids.count(1) == 1
    expected = plain_values(folder, ids.ids)[-1]
    assert float(output.outputs.data) == pytest.approx(float(expected), abs=3e-5)


def test_a_question_and_an_answer_are_a_conversation(build_internlm2: Build) -> None:
    with LLM(str(build_internlm2())) as model:
        pair = {"text": "What is it?", "text_pair": "A text."}
        turns = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A text."}]
        for_pair, for_turns = model.reward([pair, {"messages": turns}], use_tqdm=False)
        assert for_pair.prompt_token_ids == for_turns.prompt_token_ids
        (scored,) = model.score("What is it?", ["A text."], use_tqdm=False)
        assert scored.outputs.score == pytest.approx(float(for_turns.outputs.data))
        best = model.rerank("What is it?", ["A text.", "No idea."], top_n=1, use_tqdm=False)
        assert len(best) == 1


def test_token_prompts_are_taken_as_they_are(build_internlm2: Build, plain_values: Values) -> None:
    folder = build_internlm2()
    with LLM(str(folder)) as model:
        (output,) = model.reward([[1, 9, 8, 7]], use_tqdm=False)
    assert output.prompt_token_ids == [1, 9, 8, 7]
    assert float(output.outputs.data) == pytest.approx(float(plain_values(folder, [1, 9, 8, 7])[-1]), abs=3e-5)


def test_truncation_keeps_room_for_the_reward_token(build_internlm2: Build) -> None:
    folder = build_internlm2(max_position_embeddings=16)
    reward = _reward_id(folder)
    with LLM(str(folder)) as model:
        whole = model.encode("words " * 9, pooling_task="classify", use_tqdm=False, tokenization_kwargs=_cut(-1))[0]
        assert len(whole.prompt_token_ids) == 16
        assert whole.prompt_token_ids[-1] == reward
        part = model.encode("words " * 9, pooling_task="classify", use_tqdm=False, tokenization_kwargs=_cut(5))[0]
        assert part.prompt_token_ids == [*whole.prompt_token_ids[:4], reward]
        assert part.truncated_tokens == whole.truncated_tokens + 11
        with pytest.raises(PromptTooLong, match="16"):
            model.reward("words " * 9, use_tqdm=False)


def test_a_text_that_just_fits_without_the_reward_token_is_refused(build_internlm2: Build) -> None:
    folder = build_internlm2()
    text = "words " * 5
    with LLM(str(folder), max_model_len=len(_ids(folder, text))) as model:
        with pytest.raises(PromptTooLong, match="reward token"):
            model.reward(text, use_tqdm=False)
        (output,) = model.reward(text, use_tqdm=False, tokenization_kwargs=_cut(-1))
        assert output.truncated_tokens == 1


def _cut(tokens: int) -> dict[str, int]:
    return {"truncate_prompt_tokens": tokens}


def test_vllm_gives_a_sigmoid_per_token_and_adds_no_token(build_internlm2: Build, plain_values: Values) -> None:
    folder = build_internlm2()
    with LLM(str(folder), compat="vllm") as model:
        (output,) = model.reward(["a text"], use_tqdm=False)
        assert output.prompt_token_ids == _ids(folder, "a text")
        raw = plain_values(folder, output.prompt_token_ids)
        torch.testing.assert_close(output.outputs.data[:, 0], raw.sigmoid(), atol=3e-5, rtol=3e-5)
        params = PoolingParams(use_activation=False)
        (output,) = model.encode(["a text"], params, pooling_task="token_classify", use_tqdm=False)
        torch.testing.assert_close(output.outputs.data[:, 0], raw, atol=3e-5, rtol=3e-5)


def test_embeddings_are_not_offered(build_internlm2: Build) -> None:
    with LLM(str(build_internlm2())) as model, pytest.raises(UnsupportedTask, match="embed"):
        model.embed(["a text"], use_tqdm=False)


def test_a_missing_tensor_is_an_error(build_internlm2: Build) -> None:
    folder = build_internlm2()
    _change(folder, lambda state: {name: value for name, value in state.items() if name != "v_head.weight"})
    with pytest.raises(CheckpointError, match=r"v_head\.weight"):
        LLM(str(folder))


def test_an_unknown_tensor_is_an_error(build_internlm2: Build) -> None:
    folder = build_internlm2()
    _change(folder, lambda state: state | {"model.layers.0.attention.extra": torch.ones(2)})
    with pytest.raises(CheckpointError, match=r"attention\.extra"):
        LLM(str(folder))


def test_a_fused_projection_of_other_shape_is_an_error(build_internlm2: Build) -> None:
    folder = build_internlm2()
    name = "model.layers.1.attention.wqkv.weight"
    _change(folder, lambda state: state | {name: state[name][:-8].clone()})
    with pytest.raises(CheckpointError, match=r"wqkv.* has 56 rows, the config asks for 64"):
        LLM(str(folder))


def test_more_layers_than_stored_are_an_error(build_internlm2: Build) -> None:
    folder = build_internlm2()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(CheckpointError, match=r"layers\.2"):
        LLM(str(folder))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, "yarn"),
        ({"rope_scaling": {"type": "dynamic"}}, "factor"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"reward_token_id": None}, "reward_token_id"),
        ({"reward_token_id": 10**6}, "reward_token_id"),
    ],
    ids=str,
)
def test_what_llama_cannot_compute_is_refused(changes: dict[str, Any], says: str, build_internlm2: Build) -> None:
    folder = build_internlm2()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(CheckpointError, match=says):
        LLM(str(folder))


def test_sizes_that_do_not_divide_are_refused(build_internlm2: Build) -> None:
    folder = build_internlm2()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_key_value_heads": 3}))
    with pytest.raises(CheckpointError, match="does not divide"):
        LLM(str(folder))
