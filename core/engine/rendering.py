"""Tokenisation in threads, in front of the queue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

from cenote.adapters.base import PoolingModel
from cenote.config import EngineConfig
from cenote.engine.chunks import longest_prompt
from cenote.engine.request import RequestOptions
from cenote.errors import EngineClosed, InvalidRequest
from cenote.inputs.media import check_modalities
from cenote.inputs.padding import pad_to
from cenote.threads import DaemonThreads
from cenote.types import PreparedInput, Prompt

__all__ = ["Renderer"]


class Renderer:
    """Tokenises prompts for one engine. Thread safe."""

    def __init__(self, model: PoolingModel, config: EngineConfig) -> None:
        self._model = model
        self._config = config
        self._threads = DaemonThreads(config.renderer_num_workers, "cenote-render")

    def max_tokens(self, task: str) -> int:
        """Return how many tokens a prompt for a task may have, all parts of a chunked one together."""
        return longest_prompt(task, self._model.limits, self._config.pooler_config)

    def prepare(
        self, prompts: Sequence[Prompt], options: RequestOptions, first: int | None
    ) -> Future[list[PreparedInput]]:
        """Tokenise prompts in a thread; the future raises the first prompt's error."""
        return self._threads.submit(self._prepare, prompts, options, first)

    def prepare_each(
        self, prompts: Sequence[Prompt], options: RequestOptions, first: int | None
    ) -> Future[list[PreparedInput | InvalidRequest]]:
        """Tokenise prompts in a thread; a prompt that cannot be is an error in the list."""
        return self._threads.submit(lambda: list(self._each(prompts, options, first)))

    def shutdown(self) -> None:
        """Fail what has not begun with `EngineClosed`; the threads end."""
        self._threads.shutdown(lambda: EngineClosed("The engine was shut down before this request ran."))

    def _prepare(self, prompts: Sequence[Prompt], options: RequestOptions, first: int | None) -> list[PreparedInput]:
        prepared: list[PreparedInput] = []
        for item in self._each(prompts, options, first):
            if isinstance(item, InvalidRequest):
                raise item
            prepared.append(item)
        return prepared

    def _each(
        self, prompts: Sequence[Prompt], options: RequestOptions, first: int | None
    ) -> Iterator[PreparedInput | InvalidRequest]:
        tokenization, longest = options.tokenization, min(map(self.max_tokens, (options.task, *options.also)))
        limits = self._model.limits
        if longest != limits.max_tokens:
            tokenization = replace(tokenization, max_tokens=longest)
        for index, prompt in enumerate(prompts):
            try:
                check_modalities(prompt, limits.modalities)
                prepared = self._model.prepare(prompt, options.role, options.params, tokenization)
                yield (
                    pad_to(prepared, limits.max_tokens, limits.pad_token_id) if tokenization.pad_to_limit else prepared
                )
            except InvalidRequest as exc:
                if first is not None:
                    exc.locate(first + index)
                yield exc
