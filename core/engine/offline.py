"""What all offline methods need: numbers for their results, and prompts run in the calling thread."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from cenote.engine.bulk import BulkRun, prompt_size
from cenote.engine.call_options import Bar, Lora
from cenote.engine.face import EngineFace, to_output
from cenote.engine.progress import TokenProgress
from cenote.engine.request import RequestOptions
from cenote.errors import InvalidRequest
from cenote.outputs import PoolingRequestOutput
from cenote.types import Prompt

__all__ = ["OfflineFace"]


class OfflineFace(EngineFace):
    """A model that its caller runs."""

    def __init__(self, model: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__(model, **options)
        self._ids = itertools.count()

    def _run(
        self, prompts: Sequence[Prompt], options: Sequence[RequestOptions], bar: Bar
    ) -> list[PoolingRequestOutput]:
        progress = TokenProgress(bar, sum(map(prompt_size, prompts)))
        answers = BulkRun(self.engine, prompts, options, progress).run()
        return [
            to_output(str(next(self._ids)), prepared, result, wanted.task)
            for (prepared, result), wanted in zip(answers, options, strict=True)
        ]

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
