"""`LLM`: the blocking face, for offline work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack, cast, overload

from cenote.engine.call_options import CallOptions, Prompts
from cenote.engine.late import LateChunking
from cenote.engine.offline_forms import OfflineForms, check_precision, with_precision
from cenote.engine.offline_processing import OfflineProcessing, is_for_processor
from cenote.engine.offline_scoring import OfflineScoring
from cenote.engine.prompts import Params, check_pooling_params
from cenote.errors import InvalidRequest, UnsupportedTask
from cenote.outputs import (
    ClassificationRequestOutput,
    EmbeddingRequestOutput,
    FormsRequestOutput,
    OutputDtype,
    PoolingRequestOutput,
)
from cenote.types import DataPrompt, PoolingParams

__all__ = ["LLM"]


class LLM(OfflineScoring, LateChunking, OfflineForms, OfflineProcessing):
    """A pooling model for offline use.

    Over-long prompts raise; pass `tokenization_kwargs={"truncate_prompt_tokens": -1}` to cut them instead. Wrong
    prompts and parameters raise before anything is returned; where the model itself fails with a prompt, that
    prompt's output has an `error` and an empty result.

    The arguments that all methods share:

    * `prompts`: a text, a list of token ids, `{"prompt": text}`, `{"prompt_token_ids": ids}`, a pair
      `{"text": a, "text_pair": b}`, a conversation `{"messages": [...]}`, or a list of these. For models that read
      images, `{"multi_modal_data": {"image": image}}`, also with `prompt` or `prompt_token_ids`, and messages with
      parts such as `{"type": "image_url", "image_url": {"url": ...}}`. `allowed_media_domains` and
      `allowed_local_media_path` of the model say which addresses are loaded.
    * `pooling_params`: one for all prompts, or one per prompt.
    * `use_tqdm`: show a progress bar; a callable builds it.
    * `lora_request`: run with a low-rank adapter; one for all, or one per prompt. `lora` names a loaded one.
    * `tokenization_kwargs`: `truncate_prompt_tokens`, `truncation_side`, `add_special_tokens`, or `truncation` and
      `max_length`.
    * `chat`: how conversations are turned into text.
    * `role`: `query` or `document`: adds the prompt that the model stores for it.
    * `prompt_name`, `prompt`: adds the stored prompt of this name, or this text.
    * `pool_factor`: merges the vectors of a document's tokens to about one in so many (`token_embed` only).

    Example:
        >>> llm = LLM("sentence-transformers/all-MiniLM-L6-v2")  # doctest: +SKIP
        >>> llm.embed(["a text", "another"])[0].outputs.hidden_size  # doctest: +SKIP
        384
    """

    @overload
    def encode(
        self,
        prompts: Prompts | DataPrompt,
        pooling_params: Params = None,
        *,
        pooling_task: str | None = None,
        outputs: None = None,
        output_dtype: OutputDtype | None = None,
        io_processor: str | None = None,
        **options: Unpack[CallOptions],
    ) -> list[PoolingRequestOutput]: ...
    @overload
    def encode(
        self,
        prompts: Prompts,
        pooling_params: Params = None,
        *,
        pooling_task: None = None,
        outputs: Sequence[str],
        output_dtype: OutputDtype | None = None,
        **options: Unpack[CallOptions],
    ) -> list[FormsRequestOutput]: ...
    def encode(
        self,
        prompts: Prompts | DataPrompt,
        pooling_params: Params = None,
        *,
        pooling_task: str | None = None,
        outputs: Sequence[str] | None = None,
        output_dtype: OutputDtype | None = None,
        io_processor: str | None = None,
        **options: Unpack[CallOptions],
    ) -> list[PoolingRequestOutput] | list[FormsRequestOutput]:
        """Return the raw result of one task per prompt, or several forms of its embedding from one pass, in order.

        Args:
            prompts: as the class says.
            pooling_params: parameters.
            pooling_task: `embed` ([dim] each), `token_embed` ([tokens, dim]), `classify` ([labels]), `token_classify`
                ([tokens, labels]), `sparse_embed` (a sparse row), `score` ([1]) or `plugin`. Required, unless
                `outputs` is given.
            io_processor: with `plugin` and `{"data": value}` as prompts, which of `io_processors` answers; None is the
                first. The list then has one output, whose `outputs.data` is the processor's answer.
            outputs: in place of a task, some of `dense`, `sparse` and `multi`, as far as the model has them.
            output_dtype: precision of vectors; the default is float32. `int8`, `uint8`, `binary` and `ubinary` are
                described at `cenote.outputs.quantize`.
            **options: `use_tqdm`, `lora_request`, `tokenization_kwargs`, `chat`, `role`, `prompt_name`, `prompt`,
                `lora` and `pool_factor`, as the class says.

        Raises:
            UnsupportedTask: no task was named, or the model cannot do it.
            InvalidRequest: a prompt or parameter is wrong; nothing is returned.
            ModelNotFound: no such low-rank adapter.
            ProcessorError: the IO processor refused the data (also a ValueError), or failed.
        """
        if is_for_processor(prompts, pooling_task) and outputs is None:
            data = cast("DataPrompt", prompts)["data"]
            return self._process(data, pooling_params, io_processor, output_dtype, **options)
        prompts = cast("Prompts", prompts)
        self._refuse_processor(prompts, pooling_task, io_processor)
        if outputs is not None and pooling_task is not None:
            text = f"outputs and pooling_task={pooling_task!r} both say what to return; give one of them."
            raise InvalidRequest(text, param="outputs")
        if outputs is not None:
            return self._forms(prompts, pooling_params, outputs, output_dtype, **options)
        if pooling_task is not None:
            check_precision((pooling_task,), output_dtype)
        results = self._encode(prompts, pooling_params, pooling_task, **options)
        with_precision(results, pooling_task or "", output_dtype)
        return results

    def embed(
        self,
        prompts: Prompts,
        *,
        pooling_params: Params = None,
        output_dtype: OutputDtype | None = None,
        **options: Unpack[CallOptions],
    ) -> list[EmbeddingRequestOutput]:
        """Return one embedding per prompt, in order.

        Args:
            prompts: as the class says.
            pooling_params: as the class says.
            output_dtype: precision of the vectors, as for `encode`.
            **options: those of `encode`, without `pooling_task`.

        Raises:
            InvalidRequest: a prompt or parameter is wrong; nothing is returned.
        """
        outputs = self.encode(prompts, pooling_params, pooling_task="embed", output_dtype=output_dtype, **options)
        return [EmbeddingRequestOutput.from_base(output) for output in outputs]

    def classify(
        self, prompts: Prompts, *, pooling_params: Params = None, **options: Unpack[CallOptions]
    ) -> list[ClassificationRequestOutput]:
        """Return one value per label for each prompt, in order.

        Args:
            prompts: as the class says.
            pooling_params: as the class says; `use_activation=False` gives logits.
            **options: those of `encode`, without `pooling_task`.

        Raises:
            InvalidRequest: a prompt or parameter is wrong; nothing is returned.
        """
        outputs = self.encode(prompts, pooling_params, pooling_task="classify", **options)
        return [ClassificationRequestOutput.from_base(output) for output in outputs]

    def reward(
        self, prompts: Prompts, /, *, pooling_params: Params = None, **options: Unpack[CallOptions]
    ) -> list[PoolingRequestOutput]:
        """Return the reward of each prompt, raw unless `use_activation=True` asks for the model's activation.

        A process reward model gives one row per step, any other [1]; with `compat="vllm"` the task is always
        `token_classify`, with the model's activation.

        Args:
            prompts: as the class says; mostly conversations.
            pooling_params: as the class says.
            **options: those of `encode`, without `pooling_task`.

        Raises:
            UnsupportedTask: it is no reward model.
            InvalidRequest: a prompt or parameter is wrong; nothing is returned.
        """
        task = self._reward_task()
        raw = task == "classify"
        return self.encode(prompts, _raw(pooling_params) if raw else pooling_params, pooling_task=task, **options)

    def _reward_task(self) -> str:
        if self.limits.token_pooling == "STEP" or self.config.compat == "vllm":
            return "token_classify"
        adapter = self._loaded.adapter
        is_reward = adapter is not None and "Reward" in adapter.architecture
        if "classify" in self.supported_tasks and (is_reward or self.limits.num_labels == 1):
            return "classify"
        if is_reward:
            return "token_classify"
        raise UnsupportedTask(
            "This is no reward model: it needs a sequence classifier with one label, a reward model's own class, or "
            f"STEP pooling. It can do: {', '.join(self.supported_tasks)}.",
            param="pooling_task",
        )


def _raw(params: Params) -> Params:
    """Switch the activation off where the caller did not say."""
    if params is None or isinstance(params, PoolingParams):
        params = params or PoolingParams()
        return params if params.use_activation is not None else replace(params, use_activation=False)
    checked = check_pooling_params(params)
    assert isinstance(checked, Sequence)
    return [item if item.use_activation is not None else replace(item, use_activation=False) for item in checked]
