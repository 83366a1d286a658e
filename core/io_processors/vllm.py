"""The names that an IO processor written for vLLM imports: change its import line to this module, and it runs here.

Source of names and signatures: vLLM 0.32, `vllm.plugins.io_processors.interface` and `vllm.PoolingParams`.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Sequence
from typing import Any, Generic, TypeVar

from cenote.outputs import PoolingRequestOutput

__all__ = ["IOProcessor", "PoolingParams", "PoolingRequestOutput"]

In = TypeVar("In")
Out = TypeVar("Out")


class PoolingParams:
    """Parameters that can be changed in place, as those of vLLM.

    Fields that cenote has no use for, such as `skip_reading_prefix_cache`, may be set and change nothing.
    """

    def __init__(
        self,
        *,
        task: str | None = None,
        dimensions: int | None = None,
        use_activation: bool | None = None,
        step_tag_id: int | None = None,
        returned_token_ids: Sequence[int] | None = None,
        extra_kwargs: dict[str, Any] | None = None,
        **others: Any,
    ) -> None:
        self.task = task
        self.dimensions = dimensions
        self.use_activation = use_activation
        self.step_tag_id = step_tag_id
        self.returned_token_ids = returned_token_ids
        self.extra_kwargs = extra_kwargs
        for name, value in others.items():
            setattr(self, name, value)

    def clone(self) -> PoolingParams:
        """Return a copy that shares nothing that can be changed."""
        return copy.deepcopy(self)


class IOProcessor(Generic[In, Out]):
    """A processor with the hooks of vLLM; new ones are better off with `cenote.io_processors.IOProcessor`.

    Differences to vLLM: the async hooks are called where a class overrides them, the others run in threads, the task
    `plugin` of a model that has none means the model's default task, and where tasks are joined by `&`, `outputs.data`
    is the result of the first and `outputs.by_task` has all of them.
    """

    def __init__(self, vllm_config: Any, renderer: Any = None) -> None:
        """Keep the facts of the model.

        Args:
            vllm_config: has `model_config` with `model`, `hf_config`, `hf_text_config`, `max_model_len` and
                `served_model_name`, to be read.
            renderer: has `get_tokenizer()`.
        """
        self.vllm_config = vllm_config

    def parse_data(self, data: object) -> In:
        """Return what `pre_process` takes; raise ValueError to refuse."""
        raise NotImplementedError(f"{type(self).__name__} has no parse_data.")

    def merge_pooling_params(self, params: Any = None) -> Any:
        """Return the parameters of the prompts."""
        return params or PoolingParams(task="plugin")

    def pre_process(self, prompt: In, request_id: str | None = None, **kwargs: Any) -> Any:
        """Return one prompt, or several."""
        raise NotImplementedError(f"{type(self).__name__} has no pre_process.")

    async def pre_process_async(self, prompt: In, request_id: str | None = None, **kwargs: Any) -> Any:
        """Return the same."""
        return self.pre_process(prompt, request_id=request_id, **kwargs)

    def post_process(
        self, model_output: Sequence[PoolingRequestOutput], request_id: str | None = None, **kwargs: Any
    ) -> Out:
        """Return the answer from the results, which are in the order of the prompts."""
        raise NotImplementedError(f"{type(self).__name__} has no post_process.")

    async def post_process_async(
        self,
        model_output: AsyncIterator[tuple[int, PoolingRequestOutput]],
        request_id: str | None = None,
        **kwargs: Any,
    ) -> Out:
        """Return the same from pairs of the number of a prompt and its result."""
        pairs = sorted([pair async for pair in model_output], key=lambda pair: pair[0])
        return self.post_process([output for _, output in pairs], request_id=request_id, **kwargs)
