"""Tiny low-rank adapters in peft's folder format, and the merged models that they must equal."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.testing.checkpoints.weights import random_tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["build_lora", "merge_lora"]


def build_lora(
    checkpoint: str | Path,
    folder: str | Path,
    *,
    targets: Sequence[str] | str,
    name: str = "lora",
    model_class: str = "AutoModel",
    **settings: Any,
) -> Path:
    """Write an adapter for a checkpoint that transformers can load; the same arguments give the same numbers.

    Args:
        checkpoint: folder of the base model.
        folder: where to; created if missing.
        targets: peft's `target_modules`.
        name: seeds the numbers, so that adapters of different names differ.
        model_class: the transformers class that the adapter was made for.
        **settings: further fields of peft's `LoraConfig`, such as `r` and `lora_alpha`.

    Returns:
        The folder.
    """
    import peft

    wanted = targets if isinstance(targets, str) else list(targets)
    with _quiet():
        model = peft.get_peft_model(_load(checkpoint, model_class), peft.LoraConfig(target_modules=wanted, **settings))
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                shape = tuple(parameter.shape)
                parameter.data.copy_(random_tensor(f"{name}/{key}", shape, 0.5 * shape[-1] ** -0.5))
        model.save_pretrained(str(folder))
    return Path(folder)


def merge_lora(checkpoint: str | Path, folder: str | Path, model_class: str = "AutoModel") -> PreTrainedModel:
    """Return a model of this class with an adapter merged into its weights by peft: the reference."""
    import peft

    with _quiet():
        merged: Any = peft.PeftModel.from_pretrained(_load(checkpoint, model_class), str(folder)).merge_and_unload()
    return merged.eval()  # type: ignore[no-any-return]


def _load(checkpoint: str | Path, model_class: str) -> Any:
    import torch
    import transformers

    return getattr(transformers, model_class).from_pretrained(checkpoint, dtype=torch.float32).eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what peft says about the model cards it cannot write and the embeddings it stores along."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
