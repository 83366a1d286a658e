"""What a golden row says: which checkpoint, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cenote.testing.checkpoints import STATIC, build_checkpoint, build_static
from cenote.testing.loras import build_lora

__all__ = ["Call", "GoldenRow"]

#: Layers that adapters are mostly trained for, in the names of BERT and of Llama's relatives.
_TARGETS = ("query", "value", "q_proj", "v_proj")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a method on one list of inputs.

    Attributes:
        method: `embed`, `sparse_embed`, `token_embed`, `classify`, `token_classify`, `score` or `reward`.
        inputs: name of the inputs in `INPUTS`.
        options: arguments of the method, as JSON values; `use_activation` and `dimensions` are pooling parameters.
    """

    method: str
    inputs: str = "texts"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GoldenRow:
    """One family of checkpoints with numbers from its reference library.

    Attributes:
        name: also of the file with the numbers.
        title: what kind of model it is, for people.
        stands_for: published checkpoints of this layout.
        reference: who computed the numbers: `sentence-transformers`, `transformers` and others that
            `scripts/goldens.py` knows.
        family: look-alike family, or layout of static embeddings.
        folder: name of the folder, where a model is recognised by its published name.
        layout: arguments of `build_checkpoint` or `build_static`.
        options: arguments of `LLM`.
        adapters: names of low-rank adapters that are built beside the checkpoint and loaded with it.
        calls: what is compared.
        tolerance: largest difference allowed.
    """

    name: str
    title: str
    stands_for: str
    reference: str
    family: str
    calls: tuple[Call, ...]
    folder: str = "model"
    layout: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    adapters: tuple[str, ...] = ()
    tolerance: float = 2e-5

    def build(self, root: Path) -> Path:
        """Write the checkpoint and its adapters into folders below `root`, and return the checkpoint's."""
        folder = root / self.folder
        if self.family in STATIC:
            return build_static(self.family, folder, **self.layout)
        build_checkpoint(self.family, folder, **self.layout)
        for name in self.adapters:
            build_lora(folder, root / name, targets=_TARGETS, name=name, r=4, lora_alpha=8)
        return folder
