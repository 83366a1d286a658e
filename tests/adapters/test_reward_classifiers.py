"""Reward models that are one-label classifiers of transformers: the raw logit of the templated conversation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint

CHATS = [
    [{"role": "user", "content": "What is a cenote?"}, {"role": "assistant", "content": "A pit with water in it."}],
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, how can I help you today?"}],
    [
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "Sure?"},
    ],
]


@pytest.mark.parametrize("name", ["skywork_reward", "skywork_reward_v2"])
def test_the_reward_is_the_raw_logit_of_transformers(name: str, tmp_path: Path) -> None:
    folder = build_checkpoint(name, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    reference = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with LLM(str(folder)) as model:
        found = model.reward([{"messages": chat} for chat in CHATS], use_tqdm=False)
    for chat, output in zip(CHATS, found, strict=True):
        text = tokenizer.apply_chat_template(chat, tokenize=False)
        # The template writes the token that begins a text, as the model's card says; the tokenizer adds no second one.
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.no_grad():
            expected = reference(ids).logits[0]
        assert output.prompt_token_ids == ids[0].tolist()
        assert output.prompt_token_ids.count(tokenizer.bos_token_id or -1) <= 1
        torch.testing.assert_close(output.outputs.data, expected, atol=3e-5, rtol=3e-5)


def test_vllm_gives_a_sigmoid_of_it(tmp_path: Path) -> None:
    folder = build_checkpoint("skywork_reward", tmp_path)
    with LLM(str(folder)) as model:
        (raw,) = model.reward([{"messages": CHATS[0]}], use_tqdm=False)
    with LLM(str(folder), compat="vllm") as model:
        (output,) = model.encode([{"messages": CHATS[0]}], pooling_task="classify", use_tqdm=False)
    torch.testing.assert_close(output.outputs.data, raw.outputs.data.sigmoid(), atol=1e-5, rtol=1e-5)
