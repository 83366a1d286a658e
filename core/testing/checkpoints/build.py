"""Put a look-alike checkpoint together and write it."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.testing.checkpoints.decoders import DECODERS
from cenote.testing.checkpoints.encoders import ENCODERS
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.side_files import SentenceTransformersLayout, side_files
from cenote.testing.checkpoints.weights import fill_parameters, random_tensor, write_weights

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

__all__ = ["FAMILIES", "build_backbone", "build_checkpoint", "family"]

_BY_NAME: Mapping[str, Family] = {entry.name: entry for entry in (*ENCODERS, *DECODERS)}
#: Names of all families, in a fixed order.
FAMILIES = tuple(_BY_NAME)
_IDENTITY = "torch.nn.modules.linear.Identity"


def family(name: str) -> Family:
    """Return the description of a family.

    Raises:
        KeyError: there is none of this name.
    """
    if name not in _BY_NAME:
        raise KeyError(f"No family {name!r}. Known: {', '.join(FAMILIES)}.")
    return _BY_NAME[name]


def build_backbone(name: str) -> PreTrainedModel:
    """Return the family's model with the same weights as `build_checkpoint` writes, in evaluation mode.

    It is the reference for layouts that transformers cannot read by itself (nomic, gte).
    """
    import torch
    import transformers

    chosen = family(name)
    model_class: Any = getattr(transformers, chosen.model_class)
    config = model_class.config_class(**chosen.native(chosen.config(chosen.tokenizer())))
    with torch.random.fork_rng(devices=[]):  # construction draws numbers; the caller's stream stays as it was
        model = model_class(config).eval()
    fill_parameters(model, name, gain=chosen.gain, embedding_std=chosen.embedding_std)
    if chosen.ntk_factor is not None:
        _scale_rotary(model, chosen.ntk_factor)
    return model  # type: ignore[no-any-return]


def build_checkpoint(
    name: str,
    folder: str | Path,
    *,
    sentence_transformers: bool = True,
    pooling: str | Sequence[str] | None = None,
    normalize: bool = True,
    dense: Sequence[int | tuple[int, str]] | None = None,
    prompts: Mapping[str, str] | None = None,
    default_prompt_name: str | None = None,
    include_prompt: bool = True,
    max_seq_length: int | None = 128,
    do_lower_case: bool = False,
    pooling_style: str = "flags",
    config: Mapping[str, Any] | None = None,
    dtype: str = "float32",
    sharded: bool = False,
    safetensors: bool = True,
) -> Path:
    """Write a tiny checkpoint in the published layout of a family; the same arguments give the same bytes.

    Args:
        name: one of `FAMILIES`.
        folder: where to; created if missing.
        sentence_transformers: write `modules.json` and what belongs to it. Without, the options up to
            `pooling_style` have no effect.
        pooling: method or methods in the words of sentence-transformers; None is the family's own.
        normalize: end with a Normalize module.
        dense: output sizes of Dense modules, each optionally with a dotted torch activation; None is the family's own.
        prompts: stored prompts; None is the family's own.
        default_prompt_name: prompt that sentence-transformers applies where none is named.
        include_prompt: whether prompt tokens take part in pooling.
        max_seq_length: longest input in tokens, or None to leave it to the model.
        do_lower_case: sentence-transformers lower-cases texts.
        pooling_style: `flags` (old) or `mode` (sentence-transformers 6).
        config: entries that replace or extend those of `config.json`.
        dtype: torch dtype of the stored weights.
        sharded: store them in two files with an index.
        safetensors: store them in this format, else as pickles.

    Returns:
        The folder.

    Raises:
        KeyError: no such family.
    """
    chosen = family(name)
    folder = Path(folder)
    tokenizer = chosen.tokenizer()
    published = {"architectures": [chosen.architecture], **chosen.config(tokenizer), **(config or {})}
    model = build_backbone(name)
    layout = SentenceTransformersLayout(
        pooling=_methods(pooling, chosen),
        pooling_size=int(model.config.hidden_size),
        dense=[(entry, _IDENTITY) if isinstance(entry, int) else entry for entry in _first(dense, chosen.dense)],
        normalize=normalize,
        max_seq_length=max_seq_length,
        do_lower_case=do_lower_case,
        prompts=_first(prompts, chosen.prompts),
        default_prompt_name=default_prompt_name,
        include_prompt=include_prompt,
        pooling_style=pooling_style,
    )
    files = {"config.json": published, **tokenizer.files(_tokenizer_limit(published))}
    if sentence_transformers:
        files |= side_files(layout)
    _write_json(files, folder)
    write_weights(_published_tensors(chosen, model, dtype), folder, sharded=sharded, safetensors=safetensors)
    if sentence_transformers:
        _write_dense(layout, folder, name)
    return folder


def _first(given: Any, default: Any) -> Any:
    return default if given is None else given


def _methods(pooling: str | Sequence[str] | None, chosen: Family) -> tuple[str, ...]:
    methods = _first(pooling, chosen.pooling)
    return (methods,) if isinstance(methods, str) else tuple(methods)


def _tokenizer_limit(config: Mapping[str, Any]) -> int:
    """Return `model_max_length`: the usable positions, which in RoBERTa's family are two less than the table's rows."""
    positions = int(config.get("max_position_embeddings") or config["n_positions"])
    return positions - 2 if config["model_type"] in {"roberta", "xlm-roberta", "mpnet"} else positions


def _write_json(files: Mapping[str, Any], folder: Path) -> None:
    for relative, content in files.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _published_tensors(chosen: Family, model: PreTrainedModel, dtype: str) -> dict[str, Tensor]:
    import torch

    saved = dict(model.named_parameters()) if chosen.native_layout else _saved_names(model)
    tensors = {chosen.rename(name): value.detach().to(getattr(torch, dtype)) for name, value in saved.items()}
    for name, shape in chosen.extra_tensors.items():
        counting = name.endswith("position_ids")
        tensors[name] = torch.arange(shape[-1]).reshape(shape) if counting else random_tensor(name, shape, 1.0)
    return tensors


def _saved_names(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return the weights as transformers saves them: under the names of the remote code, some of them fused."""
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory() as scratch:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            model.save_pretrained(scratch)
        return load_file(Path(scratch) / "model.safetensors")


def _write_dense(layout: SentenceTransformersLayout, folder: Path, name: str) -> None:
    size = layout.pooling_size * len(layout.pooling)
    for relative, (outputs, _) in zip(layout.dense_folders, layout.dense, strict=True):
        weight = random_tensor(f"{name}/{relative}", (outputs, size), size**-0.5)
        write_weights({"linear.weight": weight}, folder / relative, sharded=False, safetensors=True)
        size = outputs


def _scale_rotary(model: PreTrainedModel, factor: float) -> None:
    """Set the rotary frequencies of Alibaba's `ntk` scaling, the same for all lengths.

    Source: text-embeddings-inference and vLLM 0.32: inv_freq[k] = (base * s)^(-2k/d) / s^(2/d).
    """
    import torch

    config = model.config
    size = config.hidden_size // config.num_attention_heads
    base = config.rope_parameters["rope_theta"] * factor
    exponent = torch.arange(0, size, 2, dtype=torch.float32) / size
    for module in model.modules():
        if hasattr(module, "inv_freq"):
            rotary: Any = module
            rotary.inv_freq.copy_(base**-exponent / factor ** (2 / size))
