"""`LLM`: the blocking face, for offline work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from cenote.engine.call_options import Bar, CallOptions, Lora, Prompts
from cenote.engine.late import LateChunking
from cenote.engine.offline_scoring import OfflineScoring
from cenote.engine.prompts import Params, check_pooling_params, params_per_prompt
from cenote.engine.tokenization import tokenization_options
from cenote.errors import InvalidRequest, UnsupportedTask
from cenote.inputs import parse_prompts
from cenote.outputs import ClassificationRequestOutput, EmbeddingRequestOutput, PoolingRequestOutput
from cenote.types import ChatOptions, PoolingParams, Prompt, Role, TokenizationOptions

__all__ = ["LLM"]


class LLM(OfflineScoring, LateChunking):
    """A pooling model for offline use.

    Over-long prompts raise; pass `tokenization_kwargs={"truncate_prompt_tokens": -1}` to cut them instead. Wrong
    prompts and parameters raise before anything is returned; where the model itself fails with a prompt, that
    prompt's output has an `error` and an empty result.

    The arguments that all methods share:

    * `prompts`: a text, a list of token ids, `{"prompt": text}`, `{"prompt_token_ids": ids}`, a pair
      `{"text": a, "text_pair": b}`, a conversation `{"messages": [...]}`, or a list of these.
    * `pooling_params`: one for all prompts, or one per prompt.
    * `use_tqdm`: show a progress bar; a callable builds it.
    * `lora_request`: run with a low-rank adapter; one for all, or one per prompt. `lora` names a loaded one.
    * `tokenization_kwargs`: `truncate_prompt_tokens`, `truncation_side`, `add_special_tokens`, or `truncation` and
      `max_length`.
    * `chat`: how conversations are turned into text.
    * `role`: `query` or `document`: adds the prompt that the model stores for it.
    * `prompt_name`, `prompt`: adds the stored prompt of this name, or this text.

    Example:
        >>> llm = LLM("sentence-transformers/all-MiniLM-L6-v2")  # doctest: +SKIP
        >>> llm.embed(["a text", "another"])[0].outputs.hidden_size  # doctest: +SKIP
        384
    """

    def encode(
        self,
        prompts: Prompts,
        pooling_params: Params = None,
        *,
        use_tqdm: Bar = True,
        lora_request: Lora = None,
        pooling_task: str | None = None,
        tokenization_kwargs: Mapping[str, Any] | None = None,
        chat: ChatOptions | None = None,
        role: Role | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        lora: str | None = None,
    ) -> list[PoolingRequestOutput]:
        """Return the raw result of one task per prompt, in order.

        Args:
            prompts: as the class says, like all that follow.
            pooling_params: parameters.
            use_tqdm: progress bar.
            lora_request: low-rank adapter.
            pooling_task: required: `embed` ([dim] each), `token_embed` ([tokens, dim]), `classify` ([labels]),
                `token_classify` ([tokens, labels]), `score` ([1]) or `plugin`.
            tokenization_kwargs: tokenisation.
            chat: conversations.
            role: what the texts are for.
            prompt_name: stored prompt.
            prompt: text in front.
            lora: name of a loaded low-rank adapter.

        Raises:
            UnsupportedTask: no task was named, or the model cannot do it.
            InvalidRequest: a prompt or parameter is wrong; nothing is returned.
            ModelNotFound: no such low-rank adapter.
        """
        _refuse_data(prompts, pooling_task)
        tokenization = tokenization_options(tokenization_kwargs, chat)
        parsed = parse_prompts(prompts)
        _refuse_limits_of_pairs(parsed, tokenization)
        loras = self._loras(lora_request, lora, len(parsed))
        merged = params_per_prompt(pooling_params, loras, prompt_name, prompt)
        checked = {params: self.request_options(pooling_task, params, tokenization, role) for params in set(merged)}
        return self._run(parsed, [checked[params] for params in merged], use_tqdm)

    def embed(
        self, prompts: Prompts, *, pooling_params: Params = None, **options: Unpack[CallOptions]
    ) -> list[EmbeddingRequestOutput]:
        """Return one embedding per prompt, in order.

        Args:
            prompts: as the class says.
            pooling_params: as the class says.
            **options: those of `encode`, without `pooling_task`.

        Raises:
            InvalidRequest: a prompt or parameter is wrong; nothing is returned.
        """
        outputs = self.encode(prompts, pooling_params, pooling_task="embed", **options)
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


def _raw(params: Params) -> Params:
    """Switch the activation off where the caller did not say."""
    if params is None or isinstance(params, PoolingParams):
        params = params or PoolingParams()
        return params if params.use_activation is not None else replace(params, use_activation=False)
    checked = check_pooling_params(params)
    assert isinstance(checked, Sequence)
    return [item if item.use_activation is not None else replace(item, use_activation=False) for item in checked]
