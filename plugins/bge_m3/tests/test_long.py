"""Inputs of the published length, 8192 tokens, for which there are 8194 positions: the first two are unused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cenote import LLM
from cenote.errors import PromptTooLong
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close
from cenote.testing.texts import training_lines

_TOKENS = 8192
_POSITIONS = "embeddings.position_embeddings.weight"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The look-alike with as many positions as published."""
    folder = build_checkpoint("bge_m3_triple", tmp_path_factory.mktemp("long"), max_seq_length=_TOKENS)
    tensors = torch.load(folder / "pytorch_model.bin")
    generator = torch.Generator().manual_seed(3)
    tensors[_POSITIONS] = torch.randn(_TOKENS + 2, 32, generator=generator)
    torch.save(tensors, folder / "pytorch_model.bin")
    for name, key, value in (
        ("config.json", "max_position_embeddings", _TOKENS + 2),
        ("tokenizer_config.json", "model_max_length", _TOKENS),
    ):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | {key: value}))
    return folder


def test_texts_of_8192_tokens_have_the_right_positions(long: Path, reference_of: Callable[[Path], Any]) -> None:
    text = " ".join(training_lines() * 20)
    plain = reference_of(long)(text, _TOKENS)
    assert len(plain.ids) == _TOKENS
    with LLM(str(long)) as llm:
        assert llm.limits.max_tokens == _TOKENS
        with pytest.raises(PromptTooLong):
            llm.embed(text)
        # A short text in the same batch must not move the positions of the long one.
        found, short = llm.encode(
            [text, "water"], outputs=["dense", "sparse", "multi"], tokenization_kwargs={"truncate_prompt_tokens": -1}
        )
        (alone,) = llm.encode("water", outputs=["dense"])
    assert found.prompt_token_ids == plain.ids.tolist()
    assert_close(found.outputs.dense, torch.nn.functional.normalize(plain.dense, dim=0), tolerance=5e-5)
    assert_close(found.outputs.multi, torch.nn.functional.normalize(plain.vectors, dim=-1), tolerance=5e-5)
    assert_close(short.outputs.dense, alone.outputs.dense, tolerance=2e-5)
    ids, numbers = plain.ids[1:-1].tolist(), plain.numbers.tolist()
    wanted: dict[int, float] = {}
    for each, number in zip(ids, numbers, strict=True):
        if number > 0 and each != 3:
            wanted[each] = max(wanted.get(each, 0.0), number)
    assert found.outputs.sparse.indices == sorted(wanted)
    np.testing.assert_allclose(found.outputs.sparse.values, [wanted[each] for each in sorted(wanted)], atol=5e-5)
