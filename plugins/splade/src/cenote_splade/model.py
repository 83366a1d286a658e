"""A loaded sparse encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from cenote.adapters import reentrant
from cenote.adapters.packing import select
from cenote.adapters.text import TextPoolingModel
from cenote.errors import InvalidRequest
from cenote.inputs import Located
from cenote.types import PackedBatch, PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions
from cenote_splade.routes import StoredTerms
from cenote_splade.settings import SparseSettings

__all__ = ["SpladeModel"]


class SpladeModel(TextPoolingModel):
    """A text model whose texts go different ways by their role, where its files say so."""

    def __init__(
        self,
        *arguments: Any,
        settings: SparseSettings,
        stored: Mapping[str, StoredTerms],
        score_type: str | None,
        similarity: str | None,
        **options: Any,
    ) -> None:
        """Put a loaded backbone and a pooler together.

        Args:
            *arguments: as `TextPoolingModel` takes them.
            settings: the routes.
            stored: those of them that no network runs for.
            score_type: how texts are scored where nobody says; None is the cosine of their dense forms.
            similarity: of two sparse vectors, by sentence-transformers' name; None is the dot product.
            **options: as `TextPoolingModel` takes them.
        """
        super().__init__(*arguments, **options)
        self._settings = settings
        self._stored = dict(stored)
        # A part of the vocabulary is no smaller embedding, whatever a config says.
        limits = replace(self.limits, is_matryoshka=False, matryoshka_dimensions=())
        self.limits = replace(limits, score_type=score_type, similarity=similarity)

    def check_tasks(self, tasks: Sequence[str], role: Role | None) -> None:
        """Refuse what the side of a role does not give.

        Raises:
            InvalidRequest: vectors of tokens that no network reads.
        """
        if "token_embed" in tasks and self._settings.route(role) in self._stored:
            text = "Queries of this model are not read by its network, so that their tokens have no vectors."
            raise InvalidRequest(text, param="task")

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a prompt as its side does.

        Raises:
            InvalidRequest: the prompt cannot be answered as asked, or must say what it is for.
        """
        route = self._settings.route(role)
        if route is None:
            text = "This model reads queries otherwise than documents; say with input_type (role) which a text is."
            raise InvalidRequest(text, param="input_type")
        if route in self._stored:
            self.loras.check(params.lora)
            return self._stored[route].prepare(prompt, tokenization, self._prompts.prefix(prompt, role, params))
        return super().prepare(prompt, role, params, tokenization)

    def locate(
        self, text: str, role: Role | None, params: PoolingParams, *, add_special_tokens: bool = True
    ) -> Located:
        """Tokenise a whole text as its side does, and say which characters each token stands for.

        Raises:
            InvalidRequest: the text is not valid Unicode, or the stored prompt asked for is unknown.
        """
        stored = self._stored.get(self._settings.route(role) or "")
        if stored is None:
            return super().locate(text, role, params, add_special_tokens=add_special_tokens)
        prefix = self._prompts.prefix(Prompt(text=text), role, params)
        return stored.encoder.locate(text, add_special_tokens=False, prefix=prefix)

    @reentrant
    def forward(self, batch: PackedBatch) -> Tensor:
        """Run the backbone over what it must read: [T, hidden_size], zeros for texts with stored weights."""
        roles = batch.roles or (None,) * len(batch.lengths)
        read = [at for at, role in enumerate(roles) if self._settings.route(role) not in self._stored]
        if len(read) == len(roles):
            return super().forward(batch)
        hidden = torch.zeros(len(batch.input_ids), self.limits.hidden_size, device=batch.input_ids.device)
        if read:
            part = select(batch, read)
            parts = hidden.split_with_sizes(list(batch.lengths))
            for at, rows in zip(read, super().forward(part).split_with_sizes(list(part.lengths)), strict=True):
                parts[at].copy_(rows)
        return hidden
