"""`LLM`: the blocking face, for offline work."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from cenote.engine.bulk import BulkRun, prompt_size
from cenote.engine.face import EngineFace, to_output, tokenization_options
from cenote.engine.progress import TokenProgress
from cenote.errors import InvalidRequest
from cenote.inputs import parse_prompts
from cenote.outputs import EmbeddingRequestOutput, PoolingRequestOutput
from cenote.types import PoolingParams, PromptType, Role

__all__ = ["LLM"]

Prompts = PromptType | Sequence[PromptType]
Params = PoolingParams | Sequence[PoolingParams] | None


class LLM(EngineFace):
    """A pooling model for offline use.

    Over-long prompts raise; pass `tokenization_kwargs={"truncate_prompt_tokens": -1}` to cut them instead.

    Example:
        >>> llm = LLM("sentence-transformers/all-MiniLM-L6-v2")  # doctest: +SKIP
        >>> llm.embed(["a text", "another"])[0].outputs.hidden_size  # doctest: +SKIP
        384
    """

    def __init__(self, model: str | None = None, **options: Any) -> None:
        super().__init__(model, **options)
        self._ids = itertools.count()

    def embed(
        self,
        prompts: Prompts,
        *,
        use_tqdm: bool | Callable[..., Any] = True,
        pooling_params: Params = None,
        tokenization_kwargs: Mapping[str, Any] | None = None,
        role: Role | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
    ) -> list[EmbeddingRequestOutput]:
        """Return one embedding per prompt, in order.

        Args:
            prompts: a text, a list of token ids, a mapping, or a list of these.
            use_tqdm: show a progress bar; a callable builds it.
            pooling_params: one for all, or one per prompt.
            tokenization_kwargs: `truncate_prompt_tokens`, `truncation_side`, `add_special_tokens`, or
                `truncation` and `max_length`.
            role: `query` or `document`: adds the prompt that the model stores for it.
            prompt_name: adds the stored prompt of this name.
            prompt: adds this text in front.

        Raises:
            InvalidRequest: a prompt or parameter is wrong; nothing is returned.
        """
        outputs = self.encode(
            prompts,
            pooling_params,
            use_tqdm=use_tqdm,
            pooling_task="embed",
            tokenization_kwargs=tokenization_kwargs,
            role=role,
            prompt_name=prompt_name,
            prompt=prompt,
        )
        return [EmbeddingRequestOutput.from_base(output) for output in outputs]

    def encode(
        self,
        prompts: Prompts,
        pooling_params: Params = None,
        *,
        use_tqdm: bool | Callable[..., Any] = True,
        pooling_task: str | None = None,
        tokenization_kwargs: Mapping[str, Any] | None = None,
        role: Role | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
    ) -> list[PoolingRequestOutput]:
        """Return the raw result of one task per prompt, in order.

        Args:
            prompts: as for `embed`.
            pooling_params: as for `embed`.
            use_tqdm: as for `embed`.
            pooling_task: `embed` ([dim] each) or `token_embed` ([tokens, dim] each); required.
            tokenization_kwargs: as for `embed`.
            role: as for `embed`.
            prompt_name: as for `embed`.
            prompt: as for `embed`.

        Raises:
            UnsupportedTask: no task was named, or the model cannot do it.
            InvalidRequest: a prompt or parameter is wrong; nothing is returned.
        """
        tokenization = tokenization_options(tokenization_kwargs)
        parsed = parse_prompts(prompts)
        merged = _with_prompt(_per_prompt(pooling_params, len(parsed)), prompt_name, prompt)
        checked = {params: self.request_options(pooling_task, params, tokenization, role) for params in set(merged)}
        progress = TokenProgress(use_tqdm, sum(map(prompt_size, parsed)))
        answers = BulkRun(self.engine, parsed, [checked[params] for params in merged], progress).run()
        task = checked[merged[0]].task
        return [to_output(str(next(self._ids)), prepared, result, task) for prepared, result in answers]

    def shutdown(self) -> None:
        """Stop the engine. Idempotent."""
        self.engine.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()


def _per_prompt(params: Params, count: int) -> list[PoolingParams]:
    if params is None or isinstance(params, PoolingParams):
        return [params or PoolingParams()] * count
    if len(params) != count:
        raise InvalidRequest(f"pooling_params has {len(params)} entries for {count} prompts.", param="pooling_params")
    return list(params)


def _with_prompt(params: list[PoolingParams], prompt_name: str | None, prompt: str | None) -> list[PoolingParams]:
    """Add the call's prompt to parameters that name none."""
    if prompt_name is None and prompt is None:
        return params
    return [
        item
        if item.prompt is not None or item.prompt_name is not None
        else replace(item, prompt_name=prompt_name, prompt=prompt)
        for item in params
    ]
