"""Rotary frequencies that depend on length: neighbours and history change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from cenote import LLM, PoolingParams
from cenote.testing.checkpoints import build_checkpoint

ORIGINAL = 16
KINDS: dict[str, dict[str, Any]] = {
    "dynamic": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0},
    "longrope": {
        "rope_type": "longrope",
        "factor": 4.0,
        "short_factor": [1.0, 1.1, 1.2, 1.3],
        "long_factor": [2.0, 3.0, 4.0, 5.0],
        "original_max_position_embeddings": ORIGINAL,
        "rope_theta": 10000.0,
    },
}


def _folder(kind: str, tmp_path: Path) -> Path:
    config = {"rope_parameters": KINDS[kind], "max_position_embeddings": ORIGINAL if kind == "dynamic" else 64}
    return build_checkpoint("llama", tmp_path / kind, config=config, max_seq_length=64, pooling="mean", normalize=False)


@pytest.mark.parametrize("execution", ["packed", "padded"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_all_lengths_equals_a_fresh_model_per_sequence(kind: str, execution: str, tmp_path: Path) -> None:
    folder = _folder(kind, tmp_path)
    generator = torch.Generator().manual_seed(3)
    lengths = (50, 5, ORIGINAL, 33, ORIGINAL + 1, 50, 12)
    prompts = [torch.randint(10, 200, (length,), generator=generator).tolist() for length in lengths]
    expected = []
    for ids in prompts:
        model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.no_grad():
            expected.append(model(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(dim=0))
    with LLM(str(folder), execution=execution) as llm:
        for _ in range(2):  # the second round meets what the first left behind
            outputs = llm.encode(prompts, PoolingParams(), pooling_task="embed", use_tqdm=False)
            found = torch.stack([output.outputs.data for output in outputs])
            torch.testing.assert_close(found, torch.stack(expected), atol=2e-5, rtol=2e-5)
