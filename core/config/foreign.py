"""Options of vLLM that cenote has no use for: which values change nothing, and what to do instead of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cenote.errors import InvalidRequest

__all__ = ["FOREIGN", "Foreign", "check_foreign"]

_ONE_DEVICE = "An engine runs on one device; start one per device and spread the requests."


@dataclass(frozen=True, slots=True)
class Foreign:
    """One option of vLLM.

    Attributes:
        harmless: the values that change nothing here; empty is any.
        advice: what to do where another value is asked for.
        is_switch: on or off.
        number: `int` or `float`, where the value, if there is one, must be such a number.
    """

    harmless: tuple[Any, ...] = ()
    advice: str = ""
    is_switch: bool = False
    number: type | None = None


#: Options by name. Source: vLLM 0.32, arguments of `LLM` and of `vllm serve`.
FOREIGN: dict[str, Foreign] = {
    "tensor_parallel_size": Foreign((1,), _ONE_DEVICE),
    "pipeline_parallel_size": Foreign((1,), _ONE_DEVICE),
    "data_parallel_size": Foreign((1,), _ONE_DEVICE),
    "gpu_memory_utilization": Foreign(number=float),
    "kv_cache_memory_bytes": Foreign(number=int),
    "kv_cache_dtype": Foreign(),
    "cpu_offload_gb": Foreign((None, 0), "The model has to fit into the device."),
    "enforce_eager": Foreign(is_switch=True),
    "enable_prefix_caching": Foreign(is_switch=True),
    "enable_chunked_prefill": Foreign(is_switch=True),
    "disable_log_stats": Foreign(is_switch=True),
    "scheduling_policy": Foreign(("fcfs", "priority"), "Calls take turns, those of a lower priority number first."),
    "async_scheduling": Foreign(is_switch=True),
    "seed": Foreign(number=int),
    "max_loras": Foreign(number=int),
    "max_cpu_loras": Foreign(number=int),
    "skip_tokenizer_init": Foreign((False,), "Token ids are accepted as prompts in any case.", is_switch=True),
    "tokenizer_mode": Foreign(("auto", "hf"), "Tokenizers are those of Hugging Face with a fast form."),
    "tokenizer_revision": Foreign((None,), "Fetch that revision and give its folder as tokenizer."),
    "code_revision": Foreign((None,), "A checkpoint's own code is that of its revision."),
    "model_impl": Foreign(("auto", "transformers"), "Models run on the classes of transformers, or on a plugin's."),
    "load_format": Foreign(("auto", "hf", "safetensors"), "Weights are read from safetensors, else from .bin files."),
    "config_format": Foreign(("auto", "hf"), "The config is read from config.json."),
    "hf_config_path": Foreign((None,), "Change entries of config.json with hf_overrides."),
    "quantization_config": Foreign((None,), "Choose a number format with dtype or quantization."),
    "model_class_overrides": Foreign((None, {}), "Choose an adapter with adapter, or install a plugin."),
    "override_pooler_config": Foreign((None,), "It is called pooler_config."),
    "enable_prompt_embeds": Foreign((False,), "Prompts are texts, pairs, conversations or token ids.", is_switch=True),
    "mm_processor_cache_type": Foreign(("lru",), "Prepared images are kept in the engine's own memory."),
    "mm_shm_cache_max_object_size_mb": Foreign(number=int),
    "mm_encoder_tp_mode": Foreign(),
    "mm_encoder_attn_backend": Foreign(),
    "skip_mm_profiling": Foreign(is_switch=True),
    "media_io_kwargs": Foreign((None, {}), "Media are decoded in one way."),
}


def _is_number(value: Any, kind: type) -> bool:
    if value is None:
        return True
    return not isinstance(value, bool) and isinstance(value, (int, kind))


def check_foreign(name: str, value: Any) -> None:
    """Check the value of an option of `FOREIGN`.

    Raises:
        InvalidRequest: it would change something, or is of a wrong type.
    """
    option = FOREIGN[name]
    if option.number is not None and not _is_number(value, option.number):
        raise InvalidRequest(f"{name} must be of type {option.number.__name__}, not {value!r}.", param=name)
    if option.harmless and value not in option.harmless:
        accepted = " or ".join(repr(item) for item in option.harmless if item not in (None, {}, [], ""))
        choice = f"accepted is {accepted}" if accepted else "leave it out"
        text = f"{name}={value!r} is not offered; {choice}. {option.advice}"
        raise InvalidRequest(text, param=name)
