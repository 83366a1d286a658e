"""How a request to jina-embeddings-v3 becomes tokens and a task adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cenote.adapters.text import TextPoolingModel
from cenote.types import PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions

__all__ = ["JinaModel"]

#: The task that a role asks for, where a request names no adapter itself.
_TASK_OF_ROLE: Mapping[str, str] = {"query": "retrieval.query", "document": "retrieval.passage"}


class JinaModel(TextPoolingModel):
    """A text model whose adapters are tasks, some of which put an instruction in front.

    Source: `encode` of the model's own code: with a task, its adapter runs and its instruction comes first and takes
    part in pooling; without one, neither. Its module for sentence-transformers strips the texts.
    """

    def __init__(self, *arguments: Any, instructions: Mapping[str, str], **options: Any) -> None:
        """Put a loaded backbone and a pooler together.

        Args:
            *arguments: as `TextPoolingModel` takes them.
            instructions: text that each task puts in front.
            **options: as `TextPoolingModel` takes them.
        """
        super().__init__(*arguments, **options)
        self._instructions = dict(instructions)

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a prompt with the instruction of its task, and say which adapter it runs with."""
        task = params.lora
        if task is None and role is not None:
            task = _TASK_OF_ROLE[role] if _TASK_OF_ROLE[role] in self._instructions else None
        if prompt.text is not None and not prompt.chunk_ends:  # the ends of chunks count from the start of the text
            prompt = replace(prompt, text=prompt.text.strip())
        if prompt.text is not None and task in self._instructions and params.prompt is None:
            if params.prompt_name is None:
                params = replace(params, prompt=self._instructions[task])
        return replace(super().prepare(prompt, role, params, tokenization), lora=task)
