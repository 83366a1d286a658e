"""What all offline methods need: numbers for their results, and prompts run in the calling thread."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from cenote.engine.bulk import BulkRun, prompt_size
from cenote.engine.call_options import Bar, Lora, Prompts
from cenote.engine.face import EngineFace, to_output
from cenote.engine.progress import TokenProgress
from cenote.engine.prompts import Params, params_per_prompt
from cenote.engine.request import RequestOptions
from cenote.engine.tokenization import tokenization_options
from cenote.engine.worker import Outcome
from cenote.errors import InvalidRequest
from cenote.inputs import parse_prompts
from cenote.outputs import PoolingRequestOutput
from cenote.outputs.shelf import Shelf
from cenote.outputs.token_ids import SharedIds
from cenote.types import ChatOptions, PreparedInput, Prompt, Role, TokenizationOptions

__all__ = ["OfflineFace"]

#: Prompts from which on results among the batches would cost more memory than it takes time to put them aside.
_MANY = 500


class OfflineFace(EngineFace):
    """A model that its caller runs."""

    def __init__(self, model: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__(model, **options)
        self._ids = itertools.count()

    def _run(self, prompts: list[Prompt], options: Sequence[RequestOptions], bar: Bar) -> list[PoolingRequestOutput]:
        """Run prompts, which leave the list as they are prepared, and return their raw results in order."""
        progress = TokenProgress(bar, sum(map(prompt_size, prompts)))
        names = [str(next(self._ids)) for _ in prompts]
        shared, shelf = SharedIds(), Shelf()
        are_many = len(prompts) >= _MANY

        def made(place: int, prepared: PreparedInput, outcome: Outcome) -> PoolingRequestOutput:
            output = to_output(names[place], prepared, outcome, options[place].task, shared.listed)
            if are_many:
                shelf.take(output.outputs)
            return output

        outputs = BulkRun(self.engine, prompts, options, progress, made).run()
        shelf.give_back()
        return outputs

    def _encode(
        self,
        prompts: Prompts,
        params: Params,
        task: str | None,
        also: tuple[str, ...] = (),
        *,
        use_tqdm: Bar = True,
        lora_request: Lora = None,
        tokenization_kwargs: Mapping[str, Any] | None = None,
        chat: ChatOptions | None = None,
        role: Role | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        lora: str | None = None,
        pool_factor: int | None = None,
    ) -> list[PoolingRequestOutput]:
        """Return the raw results of a task and of further ones that the same pass answers; `LLM` says the rest."""
        _refuse_data(prompts, task)
        tokenization = tokenization_options(tokenization_kwargs, chat)
        parsed = parse_prompts(prompts)
        _refuse_limits_of_pairs(parsed, tokenization)
        loras = self._loras(lora_request, lora, len(parsed))
        merged = params_per_prompt(params, loras, prompt_name, prompt, pool_factor)
        checked = {item: self.request_options(task, item, tokenization, role, also=also) for item in set(merged)}
        return self._run(parsed, [checked[item] for item in merged], use_tqdm)

    def _loras(self, request: Lora, name: str | None, count: int) -> list[str | None]:
        if not isinstance(request, Sequence) or isinstance(request, str):
            return [self.lora_name(request, name)] * count
        if len(request) != count:
            raise InvalidRequest(f"lora_request has {len(request)} entries for {count} prompts.", param="lora_request")
        return [self.lora_name(item, name) for item in request]

    def shutdown(self) -> None:
        """Stop the engine. Idempotent."""
        self.engine.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()


def _refuse_data(prompts: Any, task: str | None) -> None:
    """Refuse what only an IO processor understands."""
    items = prompts if isinstance(prompts, list | tuple) else [prompts]
    if task != "plugin" and any(isinstance(item, Mapping) and "data" in item for item in items):
        text = f"A prompt with 'data' goes to an IO processor: pooling_task must be 'plugin', not {task!r}."
        raise InvalidRequest(text, param="pooling_task")


def _refuse_limits_of_pairs(prompts: Sequence[Prompt], options: TokenizationOptions) -> None:
    """Refuse limits of the two sides of a pair where a prompt has no sides."""
    for name in ("max_tokens_per_query", "max_tokens_per_doc"):
        if getattr(options, name) is not None and any(prompt.text_pair is None for prompt in prompts):
            text = f"{name} cuts one side of a pair; cut a single text with truncate_prompt_tokens."
            raise InvalidRequest(text, param=name)
