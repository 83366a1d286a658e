"""A loaded BGE-M3."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cenote.adapters.text import TextPoolingModel
from cenote.types import PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions
from cenote_bge_m3.weights import Ends

__all__ = ["BgeM3Model"]


class BgeM3Model(TextPoolingModel):
    """A text model whose first token has no vector among those of the tokens."""

    def __init__(self, *arguments: Any, ends: Ends, **options: Any) -> None:
        """Put a loaded backbone and a pooler together.

        Args:
            *arguments: as `TextPoolingModel` takes them.
            ends: the tokens around a text.
            **options: as `TextPoolingModel` takes them.
        """
        super().__init__(*arguments, **options)
        self._ends = ends
        # FlagEmbedding divides the sum of the best matches by the number of the query's vectors.
        self.limits = replace(self.limits, similarity="meanmaxsim")

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a prompt; all tokens but `<s>` have a vector, `</s>` among them.

        Source: FlagEmbedding 1.4.2, which leaves the first vector out, and vLLM 0.32, which does so where it is `<s>`.
        """
        prepared = super().prepare(prompt, role, params, tokenization)
        start, _ = self._ends.inner(prepared.token_ids)
        return replace(prepared, kept=tuple(range(start, len(prepared)))) if start else prepared
