"""`AsyncLLM`: the awaiting face, for servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from cenote.engine.async_calls import Caller, CallPart, OnError
from cenote.engine.async_face import AsyncFace
from cenote.engine.async_processing import process
from cenote.engine.observer import CallClock
from cenote.engine.prompts import with_lora, with_pool_factor
from cenote.engine.scoring import plan_scores
from cenote.engine.tokenization import tokenization_options
from cenote.errors import InvalidRequest, WrongType
from cenote.inputs import parse_prompts
from cenote.io_processors import Encoding
from cenote.io_processors.runner import Observe
from cenote.io_processors.work import Work
from cenote.lora import LoRARequest
from cenote.outputs import PoolingRequestOutput, ScoringRequestOutput
from cenote.scoring.texts import ScoreSide
from cenote.types import PoolingParams, PromptType, Role, TokenizationOptions

__all__ = ["AsyncLLM", "OnError"]

#: Tasks of `encode` where none is named. Source: vLLM 0.32, AsyncLLMEngine.encode.
_RAW_TASKS = ("token_embed", "token_classify", "plugin")
#: Numbers from which scores are made without holding up the event loop, or starting threads in it.
_FEW = 16_384


class AsyncLLM(AsyncFace):
    """A pooling model for asynchronous use. All methods are safe to call from one event loop."""

    async def score(
        self,
        queries: ScoreSide,
        documents: ScoreSide,
        *,
        params: PoolingParams | None = None,
        tokenization: TokenizationOptions | None = None,
        score_type: str | None = None,
        use_prompts: bool = False,
        weights: Sequence[float] | None = None,
        lora: str | None = None,
        request_id: str = "",
        priority: int = 0,
        on_error: OnError = "raise",
        names: tuple[str, str] = ("queries", "documents"),
        clock: CallClock | None = None,
    ) -> list[ScoringRequestOutput]:
        """Return one score per pair; the arguments are those of `LLM.score` and `run`.

        `names` are those of the two sides in messages, as the caller knows them.

        Raises:
            UnsupportedTask: the model cannot score, or not this way.
            InvalidRequest: the numbers of texts do not fit, or a parameter is wrong; nothing ran.
            QueueFull: the operator's limits are reached; nothing ran.
        """
        plan = plan_scores(
            self,
            queries,
            documents,
            params=params,
            tokenization=tokenization or TokenizationOptions(),
            score_type=score_type,
            use_prompts=use_prompts,
            weights=weights,
            lora=lora,
            priority=priority,
            names=names,
        )
        parts = [
            CallPart(
                [item.prompt for item in plan.inputs[start:end]],
                plan.options[start],
                partial(plan.blame, names=names, first=start),
            )
            for start, end in plan.parts()
        ]
        answers = await self._run(parts, Caller(request_id, on_error, clock))
        try:
            if sum(each.numel() for answer in answers for each in answer.outputs.by_task.values()) < _FEW:
                return plan.outputs(answers, self.limits.pad_token_id)
            # Not in any other thread: torch would start a further team of OpenMP threads there.
            return await asyncio.wrap_future(self._loop.call(plan.outputs, answers, self.limits.pad_token_id))
        except InvalidRequest as exc:
            plan.blame(exc, names)
            raise

    async def process(
        self,
        data: Any,
        *,
        processor: str | None = None,
        params: PoolingParams | None = None,
        tokenization: TokenizationOptions | None = None,
        role: Role | None = None,
        encoding: Encoding | None = None,
        request_id: str = "",
        priority: int = 0,
        deadline: float | None = None,
        clock: CallClock | None = None,
        observe: Observe | None = None,
        outputs_seen: Callable[[Sequence[PoolingRequestOutput]], None] | None = None,
        max_items: int | None = None,
    ) -> Any:
        """Return what an IO processor makes of `data`, validated and as JSON can hold it.

        Blocking hooks run in threads of the processor. Cancelling the call, or the deadline, cancels what waits.

        Args:
            data: any value; the processor says which.
            processor: its name; None is the first of `io_processors`.
            params: handed to the processor, which may change them.
            tokenization: how the processor's texts become tokens.
            role: what the inputs are for; None is the processor's own `role`.
            encoding: how the caller wants numbers.
            request_id: id of the answer.
            priority: lower runs sooner.
            deadline: time of `time.monotonic` after which nobody waits.
            clock: takes note of the stages of the model's part.
            observe: hears how long `parse`, `pre`, `run` and `post` took.
            outputs_seen: hears of the results that the processor makes its answer of.
            max_items: elements of a list in `data`, and prompts that the processor makes of it; None is any number.

        Raises:
            InvalidRequest: there is no such processor, or the model cannot do what the processor asked for.
            ProcessorError: the processor refused the data or failed; `status` says which.
            QueueFull: the operator's limits are reached.
        """

        async def run_model(work: Work) -> list[PoolingRequestOutput]:
            outputs = await self.run(
                work.prompts,
                task=work.task,
                also=work.also,
                params=work.params,
                tokenization=tokenization,
                role=work.role,
                request_id=request_id,
                priority=priority,
                clock=clock,
            )
            if outputs_seen is not None:
                outputs_seen(outputs)
            return outputs

        who, wishes = self.processor(processor), params or PoolingParams()
        return await process(
            who,
            data,
            run_model,
            params=wishes,
            role=role,
            encoding=encoding,
            request_id=request_id,
            deadline=deadline,
            count_tokens=self._counter(who, wishes, role, tokenization or TokenizationOptions()),
            observe=observe,
            max_items=max_items,
        )

    async def encode(
        self,
        prompt: PromptType,
        pooling_params: PoolingParams | None = None,
        request_id: str = "",
        lora_request: LoRARequest | None = None,
        trace_headers: Mapping[str, str] | None = None,
        priority: int = 0,
        tokenization_kwargs: Mapping[str, Any] | None = None,
        *,
        role: Role | None = None,
        pool_factor: int | None = None,
    ) -> AsyncIterator[PoolingRequestOutput]:
        """Yield the one result of a prompt.

        The task is that of the parameters, else the first of `token_embed`, `token_classify`, `plugin` that the model
        can do, as in vLLM. `pool_factor` counts where the parameters have none.

        Raises:
            InvalidRequest: the prompt or a parameter is wrong.
        """
        del trace_headers  # accepted for compatibility: nothing is traced
        if pooling_params is not None and not isinstance(pooling_params, PoolingParams):
            text = f"pooling_params must be PoolingParams, not {type(pooling_params).__name__}."
            raise WrongType(text, param="pooling_params")
        params = with_pool_factor(pooling_params or PoolingParams(), pool_factor)
        if lora_request is not None:
            params = with_lora(params, await asyncio.to_thread(self.lora_name, lora_request))
        outputs = await self.run(
            parse_prompts(prompt),
            task=params.task or next((name for name in _RAW_TASKS if name in self.supported_tasks), self.default_task),
            params=params,
            tokenization=tokenization_options(tokenization_kwargs),
            role=role,
            request_id=request_id,
            priority=priority,
        )
        for output in outputs:
            yield output

    async def shutdown(self, drain_seconds: float = 0.0) -> None:
        """Stop the engine; what is queued may finish within `drain_seconds`."""
        await asyncio.to_thread(self.engine.shutdown, drain_seconds)
        await asyncio.to_thread(self._close_processors)
