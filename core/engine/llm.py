"""`LLM`: the blocking face, for offline work."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeAlias, TypedDict, Unpack

from cenote.engine.bulk import BulkRun, prompt_size
from cenote.engine.face import to_output
from cenote.engine.late import LateChunking
from cenote.engine.progress import TokenProgress
from cenote.engine.prompts import Params, params_per_prompt
from cenote.engine.request import RequestOptions
from cenote.engine.scoring import plan_scores, ranking
from cenote.engine.tokenization import tokenization_options
from cenote.errors import InvalidRequest
from cenote.inputs import parse_prompts
from cenote.lora import LoRARequest
from cenote.outputs import (
    ClassificationRequestOutput,
    EmbeddingRequestOutput,
    PoolingRequestOutput,
    RerankResult,
    ScoringRequestOutput,
)
from cenote.scoring.texts import ScoreSide
from cenote.types import ChatOptions, PoolingParams, Prompt, PromptType, Role

__all__ = ["LLM"]

Prompts: TypeAlias = PromptType | Sequence[PromptType]
Bar: TypeAlias = bool | Callable[..., Any]
Lora: TypeAlias = LoRARequest | Sequence[LoRARequest | None] | None


class CallOptions(TypedDict, total=False):
    """What `embed`, `classify` and `reward` take beside prompts and parameters; `LLM` says what each means."""

    use_tqdm: Bar
    lora_request: Lora
    tokenization_kwargs: Mapping[str, Any] | None
    chat: ChatOptions | None
    role: Role | None
    prompt_name: str | None
    prompt: str | None
    lora: str | None


class ScoreOptions(TypedDict, total=False):
    """What `rerank` takes beside the texts; `LLM.score` says what each means."""

    use_tqdm: Bar
    pooling_params: Params
    lora_request: LoRARequest | None
    tokenization_kwargs: Mapping[str, Any] | None
    chat_template: str | None
    instruction: str | None
    score_type: str | None
    use_prompts: bool
    lora: str | None


class LLM(LateChunking):
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

    def __init__(self, model: str | None = None, **options: Any) -> None:
        super().__init__(model, **options)
        self._ids = itertools.count()

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
            InvalidRequest: a prompt or parameter is wrong; nothing is returned.
        """
        task = self._reward_task()
        raw = task == "classify"
        return self.encode(prompts, _raw(pooling_params) if raw else pooling_params, pooling_task=task, **options)

    def score(
        self,
        data_1: ScoreSide,
        data_2: ScoreSide,
        /,
        *,
        use_tqdm: Bar = True,
        pooling_params: Params = None,
        lora_request: LoRARequest | None = None,
        tokenization_kwargs: Mapping[str, Any] | None = None,
        chat_template: str | None = None,
        instruction: str | None = None,
        score_type: str | None = None,
        use_prompts: bool = False,
        lora: str | None = None,
    ) -> list[ScoringRequestOutput]:
        """Return one score per pair: one query with each document, or queries and documents one by one.

        Args:
            data_1: a text or texts, the queries.
            data_2: a text or texts, the documents.
            use_tqdm: progress bar.
            pooling_params: one for all, or for cross-encoders one per pair.
            lora_request: low-rank adapter.
            tokenization_kwargs: as for `encode`, and `max_tokens_per_query`, `max_tokens_per_doc`.
            chat_template: Jinja text that lays out a pair from messages of the roles `query` and `document`.
            instruction: what a reranker shall judge by.
            score_type: `cross-encoder`, `dense` (cosine) or `colbert` (MaxSim); None is the model's own way.
            use_prompts: put the model's stored query and document prompts in front, where each text is read alone.
            lora: name of a loaded low-rank adapter.

        Raises:
            UnsupportedTask: the model cannot score, or not this way.
            InvalidRequest: the numbers of texts do not fit, or a parameter is wrong.
        """
        name = self.lora_name(lora_request) or lora
        plan = plan_scores(
            self,
            data_1,
            data_2,
            params=_with_lora(pooling_params, name),
            tokenization=tokenization_options(tokenization_kwargs, _pair_chat(chat_template, instruction)),
            score_type=score_type,
            use_prompts=use_prompts,
        )
        answers = self._run([item.prompt for item in plan.inputs], plan.options, use_tqdm)
        return plan.outputs(answers, self.limits.pad_token_id)

    def rerank(
        self,
        query: str | Mapping[str, Any],
        documents: ScoreSide,
        *,
        top_n: int | None = None,
        **options: Unpack[ScoreOptions],
    ) -> list[RerankResult]:
        """Return documents with their scores, best first.

        Args:
            query: a text.
            documents: a text or texts.
            top_n: return so many at most; None returns all.
            **options: those of `score`.

        Raises:
            UnsupportedTask: the model cannot score.
            InvalidRequest: a text or parameter is wrong.
            NonFiniteResult: the model failed with a document.
        """
        if not isinstance(query, str | Mapping):
            raise InvalidRequest(f"query must be one text, not {type(query).__name__}.", param="query")
        return ranking(documents, self.score(query, documents, **options), top_n)

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
        if request is None or isinstance(request, LoRARequest):
            return [self.lora_name(request) or name] * count
        if len(request) != count:
            raise InvalidRequest(f"lora_request has {len(request)} entries for {count} prompts.", param="lora_request")
        return [self.lora_name(item) or name for item in request]

    def _reward_task(self) -> str:
        steps = self.limits.token_pooling == "STEP"
        if "classify" in self.supported_tasks and not steps and self.config.compat != "vllm":
            return "classify"
        return "token_classify"

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


def _raw(params: Params) -> Params:
    """Switch the activation off where the caller did not say."""
    if params is None or isinstance(params, PoolingParams):
        params = params or PoolingParams()
        return params if params.use_activation is not None else replace(params, use_activation=False)
    return [item if item.use_activation is not None else replace(item, use_activation=False) for item in params]


def _with_lora(params: Params, name: str | None) -> Params:
    if name is None:
        return params
    if params is None or isinstance(params, PoolingParams):
        return replace(params or PoolingParams(), lora=name)
    return [replace(item, lora=name) for item in params]


def _pair_chat(template: str | None, instruction: str | None) -> ChatOptions | None:
    return ChatOptions(template=template, instruction=instruction) if template or instruction else None
