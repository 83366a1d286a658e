"""Every option of `LLM` and `AsyncLLM`; the CLI builds the same model from its flags."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cenote.config.pooler import PoolerConfig
from cenote.errors import InvalidRequest

__all__ = ["IGNORED_OPTIONS", "EngineConfig"]

_log = logging.getLogger(__name__)

#: Options of vLLM that concern generation, caching or several devices: accepted at these values, without effect.
IGNORED_OPTIONS: dict[str, tuple[Any, ...]] = {
    "tensor_parallel_size": (1,),
    "pipeline_parallel_size": (1,),
    "data_parallel_size": (1,),
    "gpu_memory_utilization": (),
    "enforce_eager": (),
    "enable_prefix_caching": (),
    "enable_chunked_prefill": (),
    "disable_log_stats": (),
    "seed": (),
}


class EngineConfig(BaseModel):
    """Options of an engine. None means: decide from the checkpoint and the machine.

    Attributes:
        model: local folder or hub id; None is the demonstration model.
        tokenizer: folder or hub id of another tokenizer.
        runner: `auto` or `pooling`; generation is not offered.
        convert: what to turn the architecture into.
        adapter: name of the adapter, where several fit.
        pooler_config: pooling settings that win over the checkpoint's.
        hf_overrides: entries that replace those of `config.json`, or a function from config to config.
        dtype: `auto` keeps the checkpoint's, except float16 on a CPU, which becomes float32.
        revision: branch, tag or commit of a hub checkpoint.
        hf_token: token for private hub checkpoints.
        device: torch device, or `auto`.
        max_model_len: cap on prompt tokens; -1 is the same as None.
        max_num_batched_tokens: tokens of one forward.
        max_num_seqs: prompts of one forward.
        max_num_queued_reqs: prompts that may wait before new ones are refused; None is no limit.
        max_num_queued_tokens: the same, in tokens.
        renderer_num_workers: tokenisation threads.
        execution: `auto`, or force `packed` or `padded`.
        compat: `vllm` gives what vLLM gives where that differs from the model's own library (`reference`).
        chat_template: template for conversations and reranked pairs, as a file or as Jinja text.
        known_prompts: put the prompts that a model card asks for in front, where the checkpoint stores none.
        enable_lora: accept low-rank adapters; on by itself where `lora_modules` names some.
        lora_modules: low-rank adapters to load, each as `name=folder`.
        served_model_name: name in answers and messages, in place of the folder or id; several are aliases.
        trust_remote_code: allow a checkpoint's own code where no native class fits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())

    model: str | None = None
    tokenizer: str | None = None
    runner: Literal["auto", "pooling"] = "auto"
    convert: Literal["auto", "none", "embed", "classify"] = "auto"
    adapter: str | None = None
    pooler_config: PoolerConfig = PoolerConfig()
    hf_overrides: dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]] = Field(default_factory=dict)
    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] = "auto"
    device: str = "auto"
    revision: str | None = None
    hf_token: str | bool | None = None
    max_model_len: int | None = Field(default=None, ge=-1)
    max_num_batched_tokens: int | None = Field(default=None, ge=1)
    max_num_seqs: int = Field(default=256, ge=1)
    max_num_queued_reqs: int | None = Field(default=None, ge=1)
    max_num_queued_tokens: int | None = Field(default=None, ge=1)
    renderer_num_workers: int = Field(default=2, ge=1)
    execution: Literal["auto", "packed", "padded"] = "auto"
    compat: Literal["reference", "vllm"] = "reference"
    chat_template: str | None = None
    known_prompts: bool = False
    enable_lora: bool = False
    lora_modules: tuple[str, ...] = ()
    trust_remote_code: bool = False
    served_model_name: str | list[str] | None = None

    @field_validator("pooler_config", mode="before")
    @classmethod
    def _accept_no_pooler_config(cls, value: Any) -> Any:
        return PoolerConfig() if value is None else value

    @field_validator("hf_overrides", mode="before")
    @classmethod
    def _accept_no_overrides(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("max_model_len", mode="after")
    @classmethod
    def _automatic_length(cls, value: int | None) -> int | None:
        if value == 0:
            raise InvalidRequest("max_model_len must be at least 1, or -1 for automatic.", param="max_model_len")
        return None if value == -1 else value

    @classmethod
    def from_options(cls, **options: Any) -> Self:
        """Build from keyword arguments, with errors that a person can act on.

        Raises:
            InvalidRequest: an option is unknown, or its value does not fit.
        """
        known = {name: value for name, value in options.items() if name in cls.model_fields}
        for name in options.keys() - known.keys():
            _check_ignored(name, options[name], tuple(cls.model_fields))
        try:
            return cls(**known)
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidRequest(f"{where}: {first['msg']} (given: {first['input']!r})", param=where) from exc


def _check_ignored(name: str, value: Any, known: tuple[str, ...]) -> None:
    if name not in IGNORED_OPTIONS:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise InvalidRequest(f"Unknown option {name!r}.{hint}", param=name)
    allowed = IGNORED_OPTIONS[name]
    if allowed and value not in allowed:
        raise InvalidRequest(f"{name}={value!r} is not offered; only {allowed[0]!r} is accepted.", param=name)
    _log.info("option %s has no effect in cenote", name)
