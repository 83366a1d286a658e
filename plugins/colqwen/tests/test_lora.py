"""Low-rank adapters: a request with one gives what peft's merged model gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from cenote import LLM, PoolingParams
from cenote.errors import CheckpointError, ModelNotFound
from cenote.testing.loras import build_lora, merge_lora

#: Under which names of transformers' classes the tensors of a family are stored.
_CLASSES: Mapping[str, str] = {
    "nemotron_colembed": "Qwen3VLForConditionalGeneration",
    "ops_colqwen3": "Qwen3VLModel",
    "colqwen3_5": "Qwen3_5Model",
}
_TARGETS: Mapping[str, str] = {
    "nemotron_colembed": r".*language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)",
    "ops_colqwen3": r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj",
    "colqwen3_5": r".*language_model\.layers\.\d+\.(self_attn\.q_proj|linear_attn\.out_proj|mlp\.up_proj)",
}


@pytest.fixture
def adapted(edited: Any, tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Write an adapter for a family, and the family with the adapter merged into its weights by peft."""

    def make(family: str, targets: str = "", name: str = "a") -> tuple[Path, Path]:
        model_class = _CLASSES[family]
        native = "qwen3_5" if family == "colqwen3_5" else "qwen3_vl"
        files = {"config.json": {"model_type": native, "auto_map": None, "architectures": [model_class]}}
        plain = edited(family, files, rename=lambda stored: None if stored.startswith("mtp.") else stored)
        folder = build_lora(
            plain,
            tmp_path / f"lora_{name}",
            targets=targets or _TARGETS[family],
            name=name,
            model_class=model_class,
            r=4,
        )
        merged = edited(family)
        state = merge_lora(plain, folder, model_class).state_dict()
        weights = load_file(merged / "model.safetensors")
        assert sum(key in weights for key in state) > 100
        changed = {key: state.get(key, value).contiguous() for key, value in weights.items()}
        save_file(changed, merged / "model.safetensors", {"format": "pt"})
        return folder, merged

    return make


@pytest.mark.parametrize("family", _CLASSES)
def test_a_request_with_an_adapter_gives_what_the_merged_model_gives(
    family: str, adapted: Any, folder_of: Any, loaded: Any, encode: Any, picture: Any
) -> None:
    lora, merged = adapted(family)
    prompts = [
        "a word",
        {"multi_modal_data": {"image": picture()}},
        {"prompt": "x", "multi_modal_data": {"image": picture(64, 64)}},
    ]
    with LLM(str(merged)) as model:
        expected = encode(model, prompts, "query")
    plain = encode(loaded(family), prompts, "query")
    with LLM(str(folder_of(family)), lora_modules={"a": str(lora)}) as model:
        params = [PoolingParams(lora=name) for name in ("a", "a", "a", None, None, None)]
        mixed = encode(model, [*prompts, *prompts], "query", pooling_params=params)
        with pytest.raises(ModelNotFound, match="'b'"):
            encode(model, prompts, pooling_params=PoolingParams(lora="b"))
    for found, wanted in zip(mixed, [*expected, *plain], strict=True):
        np.testing.assert_allclose(found.outputs.data.numpy(), wanted.outputs.data.numpy(), atol=1e-5)
    assert np.abs(expected[0].outputs.data.numpy() - plain[0].outputs.data.numpy()).max() > 1e-2


@pytest.mark.parametrize("targets", [r".*visual\.blocks\.0\.attn\.qkv", r".*(visual\.blocks\.0\.attn\.proj|q_proj)"])
def test_an_adapter_of_the_vision_tower_is_refused(targets: str, adapted: Any, folder_of: Any) -> None:
    lora, _ = adapted("nemotron_colembed", targets)
    with pytest.raises(CheckpointError, match=r"'a' has model\.visual\.\S+, which is outside the language model"):
        LLM(str(folder_of("nemotron_colembed")), lora_modules={"a": str(lora)})
