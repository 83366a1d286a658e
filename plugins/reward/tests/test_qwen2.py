"""Qwen2.5-Math's reward models against transformers' Qwen2Model with the head written out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen2Config, Qwen2Model

from cenote import LLM, PoolerConfig, PoolingParams
from cenote.checkpoints import build_config, load_backbone, open_checkpoint
from cenote.errors import CheckpointError, InvalidRequest
from cenote.testing.checkpoints import build_checkpoint
from cenote_reward.classes import Qwen2ProcessReward

Build = Callable[..., Path]
NAMES = {1: "qwen_math_rm", 2: "qwen_math_prm"}
SYSTEM = "<|im_start|>system\nPlease reason step by step, and put your final answer within \\boxed{}.<|im_end|>\n"
TEXTS = ["short", "a somewhat longer text that is judged whole", "the third"]
STEPS = [
    "First add both.<extra_0>Then halve it.<extra_0>",
    "One step.<extra_0>",
    "Three<extra_0>of<extra_0>them<extra_0>",
]


def logits(folder: Path, ids: list[int]) -> Tensor:
    """Return [n, outputs] of every token, by transformers and two products."""
    weights = load_file(folder / "model.safetensors")
    backbone = Qwen2Model(Qwen2Config.from_pretrained(folder)).eval()
    stored = {name.removeprefix("model."): value for name, value in weights.items() if name.startswith("model.")}
    backbone.load_state_dict(stored, strict=True)
    with torch.no_grad():
        rows = backbone(torch.tensor([ids])).last_hidden_state[0]
        inner = torch.relu(rows @ weights["score.0.weight"].T + weights["score.0.bias"])
        result: Tensor = inner @ weights["score.2.weight"].T + weights["score.2.bias"]
    return result


@pytest.fixture
def build_qwen(tmp_path: Path) -> Build:
    """Write a tiny Qwen2.5-Math-RM (1 output) or PRM (2 outputs); keywords change `config.json`."""

    def build(outputs: int, *, drop: tuple[str, ...] = (), **changes: Any) -> Path:
        folder = build_checkpoint(NAMES[outputs], tmp_path, config=changes)
        weights = load_file(folder / "model.safetensors")
        save_file({name: value for name, value in weights.items() if name not in drop}, folder / "model.safetensors")
        return folder

    return build


def ids_of(folder: Path, text: str) -> list[int]:
    ids: list[int] = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids
    return ids


def step_id(folder: Path) -> int:
    return int(Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id("<extra_0>"))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=3e-5, rtol=3e-5)


def test_the_reward_is_the_raw_value_of_the_last_token(build_qwen: Build) -> None:
    folder = build_qwen(1)
    with LLM(str(folder)) as model:
        assert model.report()["execution"].startswith("packed")
        for text, output in zip(TEXTS, model.reward(TEXTS, use_tqdm=False), strict=True):
            close(output.outputs.data, logits(folder, ids_of(folder, text))[-1])
        for text, output in zip(TEXTS, model.encode(TEXTS, pooling_task="token_classify", use_tqdm=False), strict=True):
            close(output.outputs.data, logits(folder, ids_of(folder, text)))


def test_conversations_are_templated_without_further_tokens(build_qwen: Build) -> None:
    folder = build_qwen(1)
    messages = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}]
    text = f"{SYSTEM}<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n"
    with LLM(str(folder)) as model:
        (output,) = model.reward([{"messages": messages}], use_tqdm=False)
    assert output.prompt_token_ids == ids_of(folder, text)
    close(output.outputs.data, logits(folder, ids_of(folder, text))[-1])


def test_an_activation_is_applied_on_request_only(build_qwen: Build) -> None:
    folder = build_qwen(1)
    raw = logits(folder, ids_of(folder, TEXTS[0]))
    for options in ({}, {"compat": "vllm"}):
        with LLM(str(folder), **options) as model:
            (output,) = model.encode(TEXTS[:1], pooling_task="token_classify", use_tqdm=False)
            close(output.outputs.data, raw)
            params = PoolingParams(use_activation=True)
            (output,) = model.encode(TEXTS[:1], params, pooling_task="token_classify", use_tqdm=False)
            close(output.outputs.data, raw.sigmoid())


def test_each_step_has_the_probability_that_it_is_right(build_qwen: Build) -> None:
    folder = build_qwen(2)
    tag = step_id(folder)
    with LLM(str(folder)) as model:
        assert model.report()["step tag"] == f"{tag} (model_default)"
        for text, output in zip(STEPS, model.reward(STEPS, use_tqdm=False), strict=True):
            ids = ids_of(folder, text)
            rows = logits(folder, ids)[torch.tensor(ids) == tag]
            assert len(rows) == text.count("<extra_0>")
            close(output.outputs.data, rows.softmax(-1)[:, 1:])


def test_a_text_without_steps_has_no_rewards(build_qwen: Build) -> None:
    with LLM(str(build_qwen(2))) as model:
        assert model.reward(["no step"], use_tqdm=False)[0].outputs.data.shape == (0, 1)


def test_vllm_gives_both_columns(build_qwen: Build) -> None:
    folder = build_qwen(2)
    ids = ids_of(folder, STEPS[0])
    with LLM(str(folder), compat="vllm") as model:
        (output,) = model.reward(STEPS[:1], use_tqdm=False)
    close(output.outputs.data, logits(folder, ids)[torch.tensor(ids) == step_id(folder)].softmax(-1))


def test_requests_choose_step_and_columns(build_qwen: Build) -> None:
    folder = build_qwen(2)
    ids = ids_of(folder, STEPS[0])
    every, at = logits(folder, ids), torch.tensor(ids)
    steps = every[at == step_id(folder)]
    cases = [
        (PoolingParams(use_activation=False), steps),
        (PoolingParams(returned_token_ids=(0, 1)), steps.softmax(-1)),
        (PoolingParams(returned_token_ids=(1,)), steps[:, 1:].sigmoid()),
        (PoolingParams(step_tag_id=ids[0]), every[at == ids[0]].softmax(-1)[:, 1:]),
    ]
    with LLM(str(folder)) as model:
        for params, expected in cases:
            (output,) = model.reward(STEPS[:1], pooling_params=params, use_tqdm=False)
            close(output.outputs.data, expected)
        with pytest.raises(InvalidRequest, match="columns 0 to 1"):
            model.reward(STEPS[:1], pooling_params=PoolingParams(returned_token_ids=(2,)), use_tqdm=False)


def test_the_pooler_config_chooses_the_step_tag_or_all_tokens(build_qwen: Build) -> None:
    folder = build_qwen(2)
    ids = ids_of(folder, STEPS[0])
    every = logits(folder, ids).softmax(-1)[:, 1:]
    with LLM(str(folder), pooler_config=PoolerConfig(step_tag_id=ids[0])) as model:
        (output,) = model.encode(STEPS[:1], pooling_task="token_classify", use_tqdm=False)
        close(output.outputs.data, every[torch.tensor(ids) == ids[0]])
    with LLM(str(folder), pooler_config=PoolerConfig(tok_pooling_type="ALL")) as model:
        (output,) = model.encode(STEPS[:1], pooling_task="token_classify", use_tqdm=False)
        close(output.outputs.data, every)


def test_two_outputs_are_built_whatever_the_config_says(build_qwen: Build) -> None:
    folder = build_qwen(2, num_labels=1)
    with LLM(str(folder)) as model:
        assert model.reward(STEPS[:1], use_tqdm=False)[0].outputs.data.shape == (2, 1)


def test_the_output_layer_of_the_language_model_is_not_used(build_qwen: Build) -> None:
    folder = build_qwen(2)
    assert "lm_head.weight" in load_file(folder / "model.safetensors")
    with LLM(str(folder)) as model:
        (output,) = model.reward(STEPS[:1], use_tqdm=False)
    folder = build_qwen(2, drop=("lm_head.weight",))
    with LLM(str(folder)) as model:
        (again,) = model.reward(STEPS[:1], use_tqdm=False)
    assert torch.equal(output.outputs.data, again.outputs.data)


@pytest.mark.parametrize("name", ["score.0.bias", "score.2.weight", "model.layers.1.mlp.up_proj.weight"])
def test_a_missing_tensor_is_an_error(name: str, build_qwen: Build) -> None:
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        LLM(str(build_qwen(1, drop=(name,))))


def test_a_head_of_another_width_is_an_error(build_qwen: Build) -> None:
    folder = build_qwen(2)
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"score.2.weight": weights["score.2.weight"][:1].clone()}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"score\.2\.weight"):
        LLM(str(folder))


def test_a_head_of_a_model_in_bfloat16_keeps_its_stored_weights(build_qwen: Build) -> None:
    folder = build_qwen(2)
    checkpoint = open_checkpoint(str(folder))
    settings: dict[str, Any] = {"device": "cpu", "attn_implementation": None, "model_class": Qwen2ProcessReward}
    model: Any = load_backbone(checkpoint, build_config(checkpoint), dtype=torch.bfloat16, **settings)
    assert model.model.norm.weight.dtype == torch.bfloat16
    assert torch.equal(model.score[0].weight, load_file(folder / "model.safetensors")["score.0.weight"])
