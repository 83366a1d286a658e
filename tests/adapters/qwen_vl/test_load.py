"""Loading: names of every published layout, nothing dropped in silence, and what the self-check finds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cenote.adapters.qwen_vl import load
from cenote.errors import CheckpointError
from cenote.testing.compare import assert_close

Folders = Callable[[str], Path]


@pytest.fixture
def changed(folders: Folders, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies a look-alike with other tensors, from their names and values to the same."""

    def change(name: str, tensors: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
        folder = tmp_path / name
        shutil.copytree(folders(name), folder)
        stored = load_file(folder / "model.safetensors")
        save_file({key: value.clone() for key, value in tensors(stored).items()}, folder / "model.safetensors")
        return folder

    return change


@pytest.mark.parametrize(
    ("vision", "words"),
    [
        ("visual.", "language_model."),
        ("model.visual.", "model.language_model."),
        ("vlm.model.visual.", "vlm.model.language_model."),
        ("base_model.model.model.visual.", "base_model.model.model.language_model."),
        ("base_model.model.vlm.model.visual.", "base_model.model.vlm.model.language_model."),
        ("model.visual.", "language_model.model."),
    ],
)
def test_every_layout_of_names_gives_the_same_model(
    tiny: ModuleType, folders: Folders, changed: Callable[..., Path], vision: str, words: str
) -> None:
    def renamed(stored: dict[str, Any]) -> dict[str, Any]:
        names = {"visual.": vision, "language_model.": words}
        return {
            next((new + key.removeprefix(old) for old, new in names.items() if key.startswith(old)), key): value
            for key, value in stored.items()
        }

    stack = tiny.load(changed("ops_colqwen3", renamed))
    twin = tiny.build_twin(folders("ops_colqwen3"))
    request = tiny.requests(stack)[2]
    assert_close(tiny.run(stack, [request])[0], twin.hidden(request), tolerance=1e-5)


def test_a_stored_tensor_without_a_place_is_an_error(tiny: ModuleType, changed: Callable[..., Path]) -> None:
    folder = changed(
        "ops_colqwen3", lambda stored: {**stored, "language_model.layers.0.self_attn.gate.weight": torch.ones(2)}
    )
    with pytest.raises(CheckpointError, match=r"1 stored tensors have no place .*layers\.0\.self_attn\.gate\.weight"):
        tiny.load(folder)


def test_a_head_that_nobody_reads_is_an_error(tiny: ModuleType, folders: Folders) -> None:
    with pytest.raises(CheckpointError, match="2 stored tensors have no place in the model: custom_text_proj"):
        tiny.load(folders("ops_colqwen3"), heads=())


@pytest.mark.parametrize("name", ["visual.blocks.2.attn.proj.bias", "language_model.norm.weight"])
def test_a_missing_tensor_is_an_error(tiny: ModuleType, changed: Callable[..., Path], name: str) -> None:
    folder = changed("ops_colqwen3", lambda stored: {key: value for key, value in stored.items() if key != name})
    with pytest.raises(CheckpointError, match=f"1 of .* tensors are not in the weight files: {name}"):
        tiny.load(folder)


def test_a_tensor_that_is_stored_under_two_names_is_an_error(tiny: ModuleType, changed: Callable[..., Path]) -> None:
    name = "language_model.norm.weight"
    folder = changed("ops_colqwen3", lambda stored: {**stored, f"model.{name}": 2 * stored[name]})
    with pytest.raises(CheckpointError, match=f"stores {name} and model.{name}, which are both"):
        tiny.load(folder)


def test_broken_weights_are_an_error(tiny: ModuleType, changed: Callable[..., Path]) -> None:
    name = "visual.deepstack_merger_list.1.norm.weight"
    folder = changed("ops_colqwen3", lambda stored: {**stored, name: stored[name] * float("nan")})
    with pytest.raises(CheckpointError, match="NaN or infinity for a prompt with an image"):
        tiny.load(folder)


def test_a_placeholder_outside_the_vocabulary_is_an_error(tiny: ModuleType, changed: Callable[..., Path]) -> None:
    folder = changed("ops_colqwen3", dict)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "image_token_id": 100000}))
    with pytest.raises(CheckpointError, match="has image_token_id 100000, but the language model knows"):
        tiny.load(folder)


def test_an_image_processor_for_other_patches_is_an_error(tiny: ModuleType, changed: Callable[..., Path]) -> None:
    folder = changed("ops_colqwen3", dict)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "temporal_patch_size": 1}))
    with pytest.raises(CheckpointError, match="temporal_patch_size"):
        tiny.load(folder)


def test_a_final_norm_that_is_skipped_may_be_anything(tiny: ModuleType, changed: Callable[..., Path]) -> None:
    name = "model.language_model.norm.weight"
    folder = changed("nemotron_colembed", lambda stored: {**stored, name: 7 * stored[name]})
    request = tiny.Request((5, 6, 7, 8))
    scaled = tiny.run(tiny.load(folder), [request])[0]
    normed = tiny.run(tiny.load(folder, skip_final_norm=False), [request])[0]
    plain = tiny.build_twin(folder).hidden(request)
    assert_close(scaled, plain, tolerance=1e-5)
    assert float((normed - plain).abs().max()) > 0.1


def test_the_same_weights_may_look_ahead_or_not(tiny: ModuleType, folders: Folders) -> None:
    ahead, behind = (tiny.load(folders("nemotron_colembed"), bidirectional=value) for value in (True, False))
    assert ahead.facts()["attention"] == "bidirectional"
    assert behind.facts()["attention"] == "causal"
    request, longer = tiny.Request((5, 6, 7)), tiny.Request((5, 6, 7, 8))
    for stack, least, most in ((ahead, 1e-3, 1e9), (behind, 0.0, 1e-5)):
        (short,), (long,) = tiny.run(stack, [request]), tiny.run(stack, [longer])
        assert least <= float((short - long[:3]).abs().max()) <= most


class _Leaking:
    """Mixes a bit of the whole row into each token where images are in it; in batches only, or always."""

    def __init__(self, alone: bool) -> None:
        self._alone = alone

    def __call__(self, _: Any, __: Any, given: dict[str, Any], output: Any) -> Any:
        lengths = given.get("packed_lengths", ())
        if given.get("visual_pos_masks") is not None and (len(lengths) > 1 or (self._alone and lengths)):
            output.last_hidden_state = output.last_hidden_state + 0.1 * output.last_hidden_state.mean(dim=1)
        return output


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Return a function that lets models leak that are loaded afterwards."""

    def leak(alone: bool) -> None:
        def load_leaking(*args: Any, **kwargs: Any) -> Any:
            model: Any = original(*args, **kwargs)
            model.language_model.register_forward_hook(_Leaking(alone), with_kwargs=True)
            return model

        original = load.load_backbone
        monkeypatch.setattr(load, "load_backbone", load_leaking)

    return leak


def test_a_model_that_leaks_only_beside_images_runs_prompt_by_prompt(
    tiny: ModuleType, folders: Folders, leaking: Callable[[bool], None]
) -> None:
    leaking(False)
    stack = tiny.load(folders("colqwen3"))
    assert not stack.together
    assert stack.facts()["prompts with images"].startswith("one prompt at a time, since together they gave other")
    twin = tiny.build_twin(folders("colqwen3"))
    given = tiny.requests(stack)
    for request, found in zip(given, tiny.run(stack, given), strict=True):
        assert_close(found, twin.hidden(request), tolerance=1e-5)


def test_a_model_that_is_never_exact_is_refused(
    tiny: ModuleType, folders: Folders, leaking: Callable[[bool], None]
) -> None:
    leaking(True)
    with pytest.raises(CheckpointError, match="even one by one"):
        tiny.load(folders("colqwen3"))
