"""Names of stored tensors in the layouts of published files, and what they are called in transformers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from cenote.errors import CheckpointError

__all__ = ["HEADS", "StoredNames", "read_names"]

#: Modules that project the hidden state of a token, by whoever trained the model.
HEADS = ("embedding_proj_layer", "custom_text_proj")
#: What wrappers of a model put in front, outermost first; each at most once.
_WRAPPERS = ("base_model.model.", "vlm.")
_ROOTS = ("visual.", "language_model.")
#: Parts of a language model that stood right below `model.` in early files.
_BARE = ("layers.", "embed_tokens.", "norm.")
#: Output layers and the part that drafts tokens, which no vector comes from.
_UNUSED = ("lm_head.", "language_model.lm_head.", "mtp.")
#: Buffers that early versions of transformers stored and later ones compute.
_COMPUTED = ".rotary_emb.inv_freq"


@dataclass(frozen=True, slots=True)
class StoredNames:
    """The tensors of a checkpoint by what they are for.

    Attributes:
        renames: regular expressions of the beginnings of names, and what transformers has in their place; no name
            matches two, and none makes a name that another one matches.
        backbone: names in transformers of the tensors of the vision tower and the language model.
        head: `weight` and `bias` of the projection, to their stored names; empty where there is none.
        unused: stored names of tensors that no vector comes from.
    """

    renames: dict[str, str] = field(default_factory=dict)
    backbone: frozenset[str] = frozenset()
    head: dict[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


def read_names(names: Iterable[str], model: str) -> StoredNames:
    """Sort the stored names.

    Args:
        names: of all tensors.
        model: name of the checkpoint, for messages.

    Raises:
        CheckpointError: a tensor belongs to no part of such a model, or two names mean the same one.

    Source: the names that Tomoro's, OpenSearch's, NVIDIA's and colpali-engine's own classes read and write.
    """
    prefixes: dict[str, str] = {}
    backbone: dict[str, str] = {}
    head: dict[str, str] = {}
    unused: list[str] = []
    unknown: list[str] = []
    for name in sorted(names):
        inner = _unwrap(name)
        part = _head_part(inner)
        if name.endswith(_COMPUTED) or inner.removeprefix("model.").startswith(_UNUSED):
            unused.append(name)
        elif part is not None:
            _take(head, part, name, model)
        elif (found := _backbone_prefix(inner)) is not None:
            own, target = found
            prefixes[name[: len(name) - len(inner)] + own] = target
            _take(backbone, target + inner.removeprefix(own), name, model)
        else:
            unknown.append(name)
    if unknown:
        raise CheckpointError(_strange(unknown, model))
    renames = {f"^{re.escape(old)}": new for old, new in sorted(prefixes.items()) if old != new}
    return StoredNames(renames, frozenset(backbone), head, tuple(unused))


def _unwrap(name: str) -> str:
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def _head_part(inner: str) -> str | None:
    module, _, part = inner.removeprefix("model.").rpartition(".")
    return part if module in HEADS and part in ("weight", "bias") else None


def _backbone_prefix(inner: str) -> tuple[str, str] | None:
    """Return the beginning of a name and what transformers has in its place, or None for another part."""
    if inner.startswith(tuple(f"model.{part}" for part in _BARE)):
        part = next(part for part in _BARE if inner.startswith(f"model.{part}"))
        return f"model.{part}", f"language_model.{part}"
    own = "model." if inner.startswith(tuple(f"model.{root}" for root in _ROOTS)) else ""
    root = next((root for root in _ROOTS if inner.startswith(own + root)), None)
    if root is None:
        return None
    if inner.startswith(f"{own}language_model.model."):
        return f"{own}language_model.model.", root
    return own + root, root


def _take(found: dict[str, str], key: str, name: str, model: str) -> None:
    if key in found:
        raise CheckpointError(f"{model!r} stores one tensor twice: as {found[key]} and as {name}.")
    found[key] = name


def _strange(unknown: list[str], model: str) -> str:
    shown = ", ".join(unknown[:5]) + (", …" if len(unknown) > 5 else "")
    hint = "The files belong to another architecture."
    if any(".lora_" in name for name in unknown):
        hint = "These are low-rank updates that were never merged; merge them with peft, or load them as an adapter."
    return f"{model!r} has {len(unknown)} tensors that are part of no ColQwen model: {shown}. {hint}"
