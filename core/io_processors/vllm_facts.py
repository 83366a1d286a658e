"""What a class written for vLLM reads of the host's objects, read-only; anything else says that it is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Never

from cenote.io_processors.host import HostContext

__all__ = ["ConfigView", "ModelView", "RendererView", "VllmConfigView"]


class _View:
    """Values as attributes that cannot be set."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_values", dict(values))

    def __getattr__(self, name: str) -> Any:
        values: dict[str, Any] = object.__getattribute__(self, "_values")
        if name in values:
            return values[name]
        where = object.__getattribute__(self, "_name")
        offered = f" cenote offers {', '.join(values)}." if values and len(values) <= 8 else ""
        raise AttributeError(f"{where} has no {name!r} here.{offered}")

    def __setattr__(self, name: str, value: Any) -> Never:
        raise AttributeError(f"{object.__getattribute__(self, '_name')} cannot be changed here.")


class ConfigView(_View):
    """A `config.json` whose entries are attributes."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        parts = {
            key: ConfigView(f"{name}.{key}", item) if isinstance(item, Mapping) else item
            for key, item in values.items()
        }
        super().__init__(name, parts)
        object.__setattr__(self, "_mapping", dict(values))

    def to_dict(self) -> dict[str, Any]:
        """Return the entries."""
        return dict(object.__getattribute__(self, "_mapping"))


class ModelView(_View):
    """`vllm_config.model_config`."""

    def __init__(self, context: HostContext) -> None:
        config = ConfigView("hf_config", context.config)
        text = context.config.get("text_config")
        values = {
            "model": context.model,
            "served_model_name": context.model,
            "max_model_len": context.limits.max_tokens,
            "hf_config": config,
            "hf_text_config": ConfigView("hf_text_config", text) if isinstance(text, Mapping) else config,
        }
        super().__init__("vllm_config.model_config", values)


class VllmConfigView(_View):
    """`vllm_config`."""

    def __init__(self, context: HostContext) -> None:
        super().__init__("vllm_config", {"model_config": ModelView(context)})


class RendererView(_View):
    """`renderer`."""

    def __init__(self, context: HostContext) -> None:
        super().__init__("renderer", {"get_tokenizer": context.tokenizer})

    @property
    def tokenizer(self) -> Any:
        """Return transformers' tokenizer."""
        return self.get_tokenizer()
