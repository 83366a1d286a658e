"""Embedders whose own code puts words in front of texts, by what they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.adapters.prompts import StoredPrompts
from cenote.adapters.text import TextPoolingModel
from cenote.config import Fact

__all__ = ["PrefixedModel"]


class PrefixedModel(TextPoolingModel):
    """A text that is neither query nor document gets nothing in front."""

    def __init__(self, *arguments: Any, prefixes: Mapping[str, str], **options: Any) -> None:
        """Put a loaded model and a pooler together.

        Args:
            *arguments: as `TextPoolingModel` takes them.
            prefixes: what stands in front of a text, by what it is for; beside other prompts of the files.
            **options: as `TextPoolingModel` takes them.
        """
        super().__init__(*arguments, **options)
        if prefixes:
            texts = {**self._prompts.texts, **prefixes}
            self._prompts = StoredPrompts(texts, self._prompts.default_name, source="the model's code")
            shown = ", ".join(f"{name}: {text!r}" for name, text in prefixes.items())
            self._facts["prompts"] = Fact(dict(prefixes), "the model's code", f"{shown} (the model's code)")
