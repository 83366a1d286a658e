"""What models of text have in common: tokens with their places, prompts by name, and what their report says."""

from __future__ import annotations

from cenote.adapters.prompts import StoredPrompts
from cenote.inputs import Located, TextEncoder
from cenote.types import PoolingParams, Prompt, Role

__all__ = ["TextReader"]


class TextReader:
    """A model that reads text, with the prompts that its checkpoint stores."""

    _encoder: TextEncoder
    _prompts: StoredPrompts
    _facts: dict[str, str]

    def locate(
        self, text: str, role: Role | None, params: PoolingParams, *, add_special_tokens: bool = True
    ) -> Located:
        """Tokenise a whole text, with its prompt in front, and say which characters each token stands for.

        Raises:
            InvalidRequest: the text is not valid Unicode, or the stored prompt asked for is unknown.
        """
        prefix = self._prompts.prefix(Prompt(text=text), role, params)
        return self._encoder.locate(text, add_special_tokens=add_special_tokens, prefix=prefix)

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Return the names of the prompts that are stored with the model."""
        return self._prompts.names

    def report(self) -> dict[str, str]:
        """Say what was resolved, and from where."""
        return dict(self._facts)
