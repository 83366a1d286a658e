"""What all reward models share: they judge conversations."""

from __future__ import annotations

from dataclasses import replace

from cenote.adapters.text import TextPoolingModel
from cenote.types import PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions

__all__ = ["RewardModel"]


class RewardModel(TextPoolingModel):
    """Reads a pair as a conversation: the first text is the user's, the second the assistant's answer."""

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a prompt.

        Raises:
            InvalidRequest: the prompt cannot be answered as asked.
        """
        if prompt.text is not None and prompt.text_pair is not None:
            turns = {"user": prompt.text, "assistant": prompt.text_pair}
            messages = tuple({"role": name, "content": text} for name, text in turns.items())
            prompt = replace(prompt, text=None, text_pair=None, messages=messages)
        return super().prepare(prompt, role, params, tokenization)
