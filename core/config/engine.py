"""Every option of `LLM` and `AsyncLLM`; the CLI builds the same model from its flags."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cenote.config.foreign import FOREIGN, check_foreign
from cenote.config.io_processors import spell_io_processors
from cenote.config.lora_modules import spell_lora_modules
from cenote.config.media_hosts import spell_domains
from cenote.config.media_limits import spell_media_limits
from cenote.config.older_task import options_of_task, with_task
from cenote.config.pooler import PoolerConfig
from cenote.config.problems import near_names, refusal
from cenote.config.sizes import Size
from cenote.errors import InvalidRequest

__all__ = ["EngineConfig"]

_log = logging.getLogger(__name__)

#: What Pillow decodes at most, as far as nobody changes its `MAX_IMAGE_PIXELS`, of which this is the double.
_MOST_PIXELS = 178_956_970


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
        quantization: `int8` keeps linear layers of the text model as int8, and quantises what goes into them each time.
        float32_matmul_precision: `high` lets float32 products take about 16 bits of each factor, where that is faster.
        revision: branch, tag or commit of a hub checkpoint.
        hf_token: token for private hub checkpoints.
        device: torch device, or `auto`.
        max_model_len: cap on prompt tokens, also as `8K`; -1 and `auto` are the same as None.
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
        max_lora_rank: highest rank of an adapter that is accepted; None is any.
        allowed_media_domains: hosts that media may be fetched from, such as `example.org` or `*.example.org`, at public
            addresses only, unless an address is listed itself; none by default.
        allowed_local_media_path: folder below which `file:` addresses may be read; None is nowhere.
        max_media_bytes: size of one medium, and of all fetched media of a prompt together, also as `64M`.
        media_timeout: seconds that loading the media of a prompt may take.
        max_image_pixels: pixels of one image, or of one frame of a video, that are decoded; more than the default is
            not offered.
        max_video_seconds: duration of one video.
        video_timeout: seconds that decoding one video may take.
        media_workers: threads that load and decode media.
        limit_mm_per_prompt: how many media a prompt may have, by kind, as `{"image": 4}`, `{"image": {"count": 4}}` or
            `image=4`; 0 accepts none, and a kind that is not named may have 999.
        mm_processor_kwargs: settings of the model's image processor in place of the checkpoint's, such as
            `{"max_pixels": 1310720}`.
        mm_processor_cache_gb: memory, in GiB, for images that are prepared already; 0 keeps none.
        enable_mm_embeds: take what a vision tower made of an image in place of the image.
        io_processor_plugin: IO processors to load, by name; requests that name none get the first.
        io_processor_from_config: let the checkpoint's config.json choose among the installed ones where none is named.
        io_processor_settings: settings of IO processors, as `{"name": {"setting": value}}`.
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
    quantization: Literal["int8"] | None = None
    float32_matmul_precision: Literal["highest", "high"] = "highest"
    device: str = "auto"
    revision: str | None = None
    hf_token: str | bool | None = None
    max_model_len: Size | None = Field(default=None, ge=-1)
    max_num_batched_tokens: Size | None = Field(default=None, ge=1)
    max_num_seqs: int = Field(default=256, ge=1)
    max_num_queued_reqs: Size | None = Field(default=None, ge=1)
    max_num_queued_tokens: Size | None = Field(default=None, ge=1)
    renderer_num_workers: int = Field(default=2, ge=1)
    execution: Literal["auto", "packed", "padded"] = "auto"
    compat: Literal["reference", "vllm"] = "reference"
    chat_template: str | None = None
    known_prompts: bool = False
    enable_lora: bool = False
    lora_modules: tuple[str, ...] = ()
    max_lora_rank: int | None = Field(default=None, ge=1)
    trust_remote_code: bool = False
    io_processor_plugin: tuple[str, ...] | None = None
    io_processor_from_config: bool = False
    io_processor_settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    allowed_media_domains: tuple[str, ...] = ()
    allowed_local_media_path: str | None = None
    max_media_bytes: Size = Field(default=64 * 1024**2, ge=1)
    media_timeout: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    max_image_pixels: Size = Field(default=_MOST_PIXELS, ge=1, le=_MOST_PIXELS)
    max_video_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    video_timeout: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    media_workers: int = Field(default=4, ge=1)
    limit_mm_per_prompt: dict[str, int] = Field(default_factory=dict)
    mm_processor_kwargs: dict[str, Any] = Field(default_factory=dict)
    mm_processor_cache_gb: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    enable_mm_embeds: bool = False
    served_model_name: str | list[str] | None = None

    @field_validator("pooler_config", mode="before")
    @classmethod
    def _accept_any_pooler_config(cls, value: Any) -> Any:
        return PoolerConfig.of(value)

    @field_validator("runner", mode="before")
    @classmethod
    def _refuse_generation(cls, value: Any) -> Any:
        if value in ("generate", "draft"):
            text = f"runner={value!r} is not offered: cenote runs pooling models only. Use 'auto' or 'pooling'."
            raise InvalidRequest(text, param="runner")
        return value

    @field_validator("lora_modules", mode="before")
    @classmethod
    def _spell_lora_modules(cls, value: Any) -> Any:
        return spell_lora_modules(value)

    @field_validator("allowed_media_domains", mode="before")
    @classmethod
    def _spell_domains(cls, value: Any) -> Any:
        return spell_domains(value)

    @field_validator("limit_mm_per_prompt", mode="before")
    @classmethod
    def _spell_media_limits(cls, value: Any) -> Any:
        return spell_media_limits(value)

    @field_validator("mm_processor_kwargs", mode="before")
    @classmethod
    def _accept_no_settings(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("allowed_local_media_path", mode="after")
    @classmethod
    def _check_media_path(cls, value: str | None) -> str | None:
        if value and not Path(value).is_dir():
            text = f"allowed_local_media_path={value!r} is no folder. Name one, or leave it out."
            raise InvalidRequest(text, param="allowed_local_media_path")
        return value or None

    @field_validator("io_processor_plugin", mode="before")
    @classmethod
    def _spell_io_processors(cls, value: Any) -> Any:
        return spell_io_processors(value)

    @model_validator(mode="after")
    def _check_lora(self) -> Self:
        if self.lora_modules and "enable_lora" in self.model_fields_set and not self.enable_lora:
            text = "enable_lora is off, so lora_modules must name none."
            raise InvalidRequest(text, param="enable_lora")
        return self

    @field_validator("hf_overrides", mode="before")
    @classmethod
    def _accept_no_overrides(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("max_model_len", mode="before")
    @classmethod
    def _automatic_word(cls, value: Any) -> Any:
        return None if value == "auto" else value

    @field_validator("max_model_len", mode="after")
    @classmethod
    def _automatic_length(cls, value: int | None) -> int | None:
        if value == 0:
            raise InvalidRequest("max_model_len must be at least 1, or -1 for automatic.", param="max_model_len")
        return None if value == -1 else value

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**_known(options, type(self).model_fields))
        except ValidationError as exc:
            raise refusal(exc, type(self).model_fields) from exc

    @classmethod
    def from_options(cls, **options: Any) -> Self:
        """Build from keyword arguments, with errors that a person can act on.

        Raises:
            InvalidRequest: an option is unknown, or its value does not fit.
        """
        return cls(**options)


def _known(options: dict[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """Translate the older `task`, and leave out what has no effect.

    Raises:
        InvalidRequest: an option is unknown, or would have an effect that is not offered.
    """
    task = options.get("task")
    if task is not None:
        meant, advice = options_of_task(task)
        warnings.warn(advice, DeprecationWarning, stacklevel=4)
        options = with_task(options, task, meant)
    for name in options.keys() - {*fields, "task"}:
        if name not in FOREIGN:
            raise InvalidRequest(f"Unknown option {name!r}.{near_names(name, (*fields, *FOREIGN))}", param=name)
        check_foreign(name, options[name])
        _log.info("option %s has no effect in cenote", name)
    return {name: value for name, value in options.items() if name in fields}
