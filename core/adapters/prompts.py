"""Prompts that a checkpoint stores, and which one a request gets."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from cenote.checkpoints import Checkpoint
from cenote.config import Fact
from cenote.errors import InvalidRequest
from cenote.inputs import find_known_prompts
from cenote.types import PoolingParams, Prompt, Role

__all__ = ["StoredPrompts", "choose_prompts"]

_log = logging.getLogger(__name__)

#: Names under which a prompt for a role is looked up, in order.
_ROLE_NAMES: Mapping[str, tuple[str, ...]] = {
    "query": ("query",),
    "document": ("document", "passage", "corpus"),
}


@dataclass(frozen=True, slots=True)
class StoredPrompts:
    """Texts to put in front of inputs, by name.

    Attributes:
        texts: name to text.
        default_name: the one for requests that name none.
        source: where they come from, if not from the checkpoint.
        by_role: prompts named after a role are for its texts. Libraries without roles apply them by name only.

    Source: `encode`, `encode_query` and `encode_document` of sentence-transformers 6.2.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    default_name: str | None = None
    source: str = ""
    by_role: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the prompts."""
        return tuple(self.texts)

    def prefix(self, prompt: Prompt, role: Role | None, params: PoolingParams) -> str:
        """Return the text to put in front: asked for, else by role, else the default, else nothing.

        Token prompts get none, since their tokens are the caller's business.

        Raises:
            InvalidRequest: an unknown name, or a prompt asked for in front of token ids.
        """
        asked = params.prompt if params.prompt is not None else self._named(params.prompt_name)
        if prompt.text is None:
            if asked:
                text = "A prompt can be put in front of text, not of token ids or of a conversation."
                raise InvalidRequest(text, param="prompt")
            return ""
        if asked is not None:
            return asked
        for name in _ROLE_NAMES.get(role or "", ()) if self.by_role else ():
            if name in self.texts:
                return self.texts[name]
        return self.texts.get(self.default_name or "", "")

    def _named(self, name: str | None) -> str | None:
        if name is None:
            return None
        if name not in self.texts:
            known = ", ".join(sorted(self.texts)) or "none"
            raise InvalidRequest(f"Unknown prompt_name {name!r}. Prompts of this model: {known}.", param="prompt_name")
        return self.texts[name]

    def facts(self) -> dict[str, str]:
        """Return what a model's report says of prompts that its checkpoint does not hold."""
        if not self.source:
            return {}
        shown = ", ".join(f"{name}: {text!r}" for name, text in self.texts.items())
        return {"prompts": Fact(dict(self.texts), self.source, text=f"{shown} ({self.source})")}


def choose_prompts(checkpoint: Checkpoint, *, known: bool) -> StoredPrompts:
    """Return the prompts that a checkpoint stores, else those that its model card asks for.

    Args:
        checkpoint: for its files and its name.
        known: the user wants known prompts where none are stored; otherwise they are only offered, in the log.
    """
    files = checkpoint.sentence_transformers
    if files is not None and files.prompts:
        return StoredPrompts(files.prompts, files.default_prompt_name)
    found = find_known_prompts(checkpoint.name)
    if found is None:
        return StoredPrompts()
    if known:
        return StoredPrompts(found.prompts, source=f"known prompts of {found.pattern}")
    _log.info(
        "this checkpoint stores no prompts, but its model card asks for some: known_prompts=True (--known-prompts) "
        "adds %s",
        ", ".join(found.prompts),
    )
    return StoredPrompts()
