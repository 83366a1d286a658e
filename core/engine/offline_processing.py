"""`LLM.encode({"data": ...}, pooling_task="plugin")`: an IO processor around a blocking engine."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from cenote.engine.call_options import Bar, Lora
from cenote.engine.offline import OfflineFace
from cenote.engine.prompts import Params, params_per_prompt
from cenote.engine.tokenization import tokenization_options
from cenote.errors import CenoteError, EngineClosed, InvalidRequest, WrongType
from cenote.io_processors.calls import BlockingCalls, PrivateLoop, drive
from cenote.io_processors.context import Encoding, RequestContext
from cenote.io_processors.host import unique_id
from cenote.io_processors.loaded import LoadedProcessor
from cenote.io_processors.output import ProcessedOutput
from cenote.io_processors.runner import ProcessorRun
from cenote.io_processors.work import Work
from cenote.outputs import OutputDtype, PoolingRequestOutput, check_output_dtype
from cenote.types import ChatOptions, Role, TokenizationOptions

__all__ = ["OfflineProcessing", "is_for_processor"]


def is_for_processor(prompts: Any, task: str | None) -> bool:
    """Tell whether a call of `encode` is for an IO processor.

    Raises:
        InvalidRequest: there are several values of `data`, or none.
    """
    if task != "plugin":
        return False
    if isinstance(prompts, Mapping) and "data" in prompts:
        unknown = [str(key) for key in prompts if key not in ("data", "data_format")]
        if prompts["data"] is None or unknown:
            what = "'data' is None" if not unknown else f"there is {unknown[0]!r} beside 'data'"
            raise InvalidRequest(f"An IO processor takes {{'data': value}}; {what}.", param="data")
        return True
    if isinstance(prompts, list | tuple) and any(isinstance(item, Mapping) and "data" in item for item in prompts):
        raise InvalidRequest("An IO processor takes one {'data': value} in a call, and no list of them.", param="data")
    return False


class OfflineProcessing(OfflineFace):
    """What `LLM` can do with IO processors."""

    def __init__(self, model: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__(model, **options)
        self._hook_loop = PrivateLoop()
        weakref.finalize(self, self._hook_loop.close)

    def _process(
        self,
        data: Any,
        params: Params,
        name: str | None,
        output_dtype: OutputDtype | None,
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
        """Return the answer of a processor, in a list with one output; `LLM` says the rest."""
        who = self.processor(name)
        if not self.is_healthy:
            raise EngineClosed("The engine was shut down.")
        tokenization = tokenization_options(tokenization_kwargs, chat)
        (merged,) = params_per_prompt(params, self._loras(lora_request, lora, 1), prompt_name, prompt, pool_factor)
        precision = None if output_dtype is None else check_output_dtype(output_dtype)
        context = RequestContext(
            request_id=unique_id(""),
            params=merged,
            role=role,
            encoding=Encoding(output_dtype=precision),
            in_thread=who.in_thread,
            count_tokens=self._counter(who, merged, role, tokenization),
        )
        run = ProcessorRun(who, context, BlockingCalls(self._hook_loop))
        work = drive(run.begin(data))
        with run.running(work):
            outputs = self._run_work(who, work, tokenization, use_tqdm)
        answer = drive(run.end(outputs)).value
        cached = getattr(answer, "num_cached_tokens", 0)  # of a processor made for vLLM
        return [
            PoolingRequestOutput(
                request_id="",
                outputs=ProcessedOutput(answer),
                prompt_token_ids=[],
                num_cached_tokens=cached if isinstance(cached, int) else 0,
            )
        ]

    def _run_work(
        self, who: LoadedProcessor, work: Work, tokenization: TokenizationOptions, bar: Bar
    ) -> Sequence[PoolingRequestOutput]:
        """Run a processor's prompts in the calling thread."""
        if not work.prompts:
            return []
        options = self.request_options(work.task, work.params, tokenization, work.role, also=work.also)
        outputs = self._run(list(work.prompts), [options] * len(work.prompts), bar)
        for place, output in enumerate(outputs):
            if output.error is not None:  # an answer with a hole would be wrong
                text = f"{who.subject}, running its prompts: Prompt {place}: {output.error.message}"
                raise (output.error.kind or CenoteError)(text)
        return outputs

    def _refuse_processor(self, prompts: Any, task: str | None, name: str | None) -> None:
        """Refuse a processor's name, or its task, where there is nothing for it."""
        if name is not None:
            text = f"io_processor={name!r:.80} goes with pooling_task='plugin' and {{'data': value}}."
            raise InvalidRequest(text, param="io_processor")
        if task == "plugin" and self.io_processors and "plugin" not in self.supported_tasks:
            names = ", ".join(self.io_processors)
            text = f"pooling_task='plugin' takes {{'data': value}}, for one of the IO processors: {names}."
            raise WrongType(f"{text} Given: {type(prompts).__name__}.", param="data")

    def shutdown(self) -> None:
        """Stop the engine, and close the IO processors. Idempotent."""
        super().shutdown()
        self._close_processors()
        self._hook_loop.close(seconds=10)
