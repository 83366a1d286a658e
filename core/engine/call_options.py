"""What the methods of `LLM` take, as types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

from cenote.engine.prompts import Params
from cenote.lora import LoRARequest
from cenote.types import ChatOptions, PromptType, Role

__all__ = ["Bar", "CallOptions", "Lora", "Prompts", "ScoreOptions"]

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
    pool_factor: int | None


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
    weights: Sequence[float] | None
    lora: str | None
