"""Low-rank adapters on the language model of a Qwen-VL model, per prompt, with images in between."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import peft
import pytest
import torch

from cenote.errors import CheckpointError
from cenote.testing.checkpoints.weights import random_tensor
from cenote.testing.compare import assert_close

Folders = Callable[[str], Path]
TARGETS = ["q_proj", "v_proj", "down_proj"]


def _adapter(twin: Any, folder: Path, name: str, targets: list[str] | str, head: str = "") -> Path:
    """Write an adapter that peft made for a twin, and merge it into the twin's weights."""
    model: Any = twin.model
    for part in reversed([part for part in head.split(".") if part]):
        outer = torch.nn.Module()
        outer.add_module(part, model)
        model = outer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft asks transformers for something that will have another name
        wrapped = peft.get_peft_model(model, peft.LoraConfig(r=4, lora_alpha=16, target_modules=targets))
        for key, parameter in wrapped.named_parameters():
            if "lora_" in key:
                shape = tuple(parameter.shape)
                parameter.data.copy_(random_tensor(f"{name}/{key}", shape, 0.5 * shape[-1] ** -0.5))
        wrapped.save_pretrained(str(folder))
        wrapped.merge_and_unload()
    return folder


@pytest.mark.parametrize("name", ["colqwen3", "colqwen3_5", "nemotron_colembed"])
def test_each_prompt_has_its_own_adapter_equal_to_the_merged_model(
    tiny: ModuleType, folders: Folders, tmp_path: Path, name: str
) -> None:
    twins = {lora: tiny.build_twin(folders(name)) for lora in (None, "a", "b")}
    _adapter(twins["a"], tmp_path / "a", "a", TARGETS)
    _adapter(twins["b"], tmp_path / "b", "b", r".*language_model.layers.*\.(k_proj|up_proj)")
    stack = tiny.load(folders(name), lora_modules=(("a", str(tmp_path / "a")), ("b", str(tmp_path / "b"))))
    given = tiny.requests(stack)
    for index, request in enumerate(given):
        request.lora = (None, "a", "b")[index % 3]
    given += [tiny.Request(request.ids, request.pictures, lora) for request in given[:3] for lora in ("a", "b", None)]
    expected = [twins[request.lora].hidden(request) for request in given]
    plain = [twins[None].hidden(request) for request in given]
    for request, found, wanted, other in zip(given, tiny.run(stack, given), expected, plain, strict=True):
        assert_close(found, wanted, tolerance=1e-4)
        if request.lora:
            assert float((found - other).abs().max()) > 1e-2


@pytest.mark.parametrize("head", ["", "model.", "vlm.model."])
def test_adapters_made_for_larger_classes_fit(tiny: ModuleType, folders: Folders, tmp_path: Path, head: str) -> None:
    twin = tiny.build_twin(folders("colqwen3"))
    targets = rf"{head}language_model\.layers\.[01]\.self_attn\.q_proj".replace("vlm.model.", r"vlm\.model\.")
    _adapter(twin, tmp_path / "a", "a", targets, head)
    stack = tiny.load(folders("colqwen3"), lora_modules=(("a", str(tmp_path / "a")),))
    request = tiny.requests(stack)[2]
    request.lora = "a"
    assert_close(tiny.run(stack, [request])[0], twin.hidden(request), tolerance=1e-5)


def test_an_adapter_of_the_embedding_table_acts_on_words_alone(
    tiny: ModuleType, folders: Folders, tmp_path: Path
) -> None:
    twin = tiny.build_twin(folders("colqwen3"))
    _adapter(twin, tmp_path / "a", "a", ["embed_tokens"])
    stack = tiny.load(folders("colqwen3"), lora_modules=(("a", str(tmp_path / "a")),))
    given = tiny.requests(stack)
    for index, request in enumerate(given):
        request.lora = "a" if index % 2 == 0 else None
    plain = tiny.build_twin(folders("colqwen3"))
    for request, found in zip(given, tiny.run(stack, given), strict=True):
        assert_close(found, (twin if request.lora else plain).hidden(request), tolerance=1e-5)


def test_padded_rows_are_run_by_adapter(tiny: ModuleType, folders: Folders, tmp_path: Path) -> None:
    twin, plain = tiny.build_twin(folders("colqwen3")), tiny.build_twin(folders("colqwen3"))
    _adapter(twin, tmp_path / "a", "a", ["q_proj"])
    stack = tiny.load(folders("colqwen3"), execution="padded", lora_modules=(("a", str(tmp_path / "a")),))
    given = tiny.requests(stack)
    for index, request in enumerate(given):
        request.lora = "a" if index % 2 else None
    for request, found in zip(given, tiny.run(stack, given), strict=True):
        assert_close(found, (twin if request.lora else plain).hidden(request), tolerance=1e-5)


def test_an_adapter_of_the_vision_tower_is_refused(tiny: ModuleType, folders: Folders, tmp_path: Path) -> None:
    _adapter(tiny.build_twin(folders("colqwen3")), tmp_path / "a", "a", ["q_proj", "qkv"])
    with pytest.raises(CheckpointError, match=r"has visual\..*outside the language model"):
        tiny.load(folders("colqwen3"), lora_modules=(("a", str(tmp_path / "a")),))
