"""Names of stored tensors in the layouts of published files, and what they are called in transformers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cenote.errors import CheckpointError

__all__ = ["HEADS", "StoredNames", "read_names"]

#: Modules that project the hidden state of a token: of transformers' classes, and of colpali-engine's.
HEADS = ("embedding_proj_layer", "custom_text_proj")
#: What a merged model of peft and a class around the backbone put in front.
_WRAPPERS = r"^(?:base_model\.model\.)?(?:vlm\.)?(?:model\.)?"


@dataclass(frozen=True, slots=True)
class StoredNames:
    """The tensors of a checkpoint by what they are for.

    Attributes:
        head: `weight` and `bias` of the projection, to their stored names.
        unused: stored names of tensors that no vector comes from.
        renames: regular expressions of the beginnings of names, and what transformers has in their place.
    """

    head: dict[str, str]
    unused: tuple[str, ...]
    renames: dict[str, str]


def read_names(names: Iterable[str], model: str, parts: Mapping[str, str], unused: Sequence[str]) -> StoredNames:
    """Sort the stored names.

    Args:
        names: of all tensors.
        model: name of the checkpoint, for messages.
        parts: regular expressions of the beginnings of names, without what wraps a backbone, and what transformers
            has in their place.
        unused: regular expressions of names, as above, of tensors that no vector comes from.

    Raises:
        CheckpointError: a tensor belongs to no part of such a model, or two names mean the same one.
    """
    renames = {_WRAPPERS + pattern: target for pattern, target in parts.items()}
    skipped = [re.compile(_WRAPPERS + pattern) for pattern in unused]
    projection = re.compile(_WRAPPERS + rf"(?:{'|'.join(HEADS)})\.(weight|bias)$")
    owners: dict[str, str] = {}
    head: dict[str, str] = {}
    ignored: list[str] = []
    unknown: list[str] = []
    for name in sorted(names):
        found = projection.match(name)
        pattern = next((pattern for pattern in renames if re.match(pattern, name)), None)
        if found is not None:
            _take(head, found[1], name, model)
        elif any(part.match(name) for part in skipped):
            ignored.append(name)
        elif pattern is not None:
            _take(owners, re.sub(pattern, renames[pattern], name), name, model)
        else:
            unknown.append(name)
    if unknown:
        raise CheckpointError(_strange(unknown, model))
    return StoredNames(head, tuple(ignored), renames)


def _take(found: dict[str, str], key: str, name: str, model: str) -> None:
    if key in found:
        raise CheckpointError(f"{model!r} stores one tensor twice: as {found[key]} and as {name}. Keep one of them.")
    found[key] = name


def _strange(unknown: list[str], model: str) -> str:
    shown = ", ".join(unknown[:5]) + (", …" if len(unknown) > 5 else "")
    hint = "The files belong to another architecture."
    if any(".lora_" in name for name in unknown):
        hint = "These are low-rank updates that were never merged; merge them with peft, or load them as an adapter."
    return f"{model!r} has {len(unknown)} tensors that are part of no model of this kind: {shown}. {hint}"
