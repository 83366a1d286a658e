"""Prompts that a checkpoint stores, and which one a request gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cenote.errors import InvalidRequest
from cenote.types import PoolingParams, Prompt, Role

__all__ = ["StoredPrompts"]

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

    Source: `encode`, `encode_query` and `encode_document` of sentence-transformers 6.2.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    default_name: str | None = None

    def prefix(self, prompt: Prompt, role: Role | None, params: PoolingParams) -> str:
        """Return the text to put in front: asked for, else by role, else the default, else nothing.

        Token prompts get none, since their tokens are the caller's business.

        Raises:
            InvalidRequest: an unknown name, or a prompt asked for in front of token ids.
        """
        asked = params.prompt if params.prompt is not None else self._named(params.prompt_name)
        if prompt.text is None:
            if asked:
                raise InvalidRequest("A prompt can be put in front of text, not of token ids.", param="prompt")
            return ""
        if asked is not None:
            return asked
        for name in _ROLE_NAMES.get(role or "", ()):
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
