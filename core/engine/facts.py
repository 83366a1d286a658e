"""What a loaded model's report says beside what its adapter says: name, adapter, tasks, sizes, stored prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.adapters.base import PoolingModel
from cenote.checkpoints import Checkpoint
from cenote.config import EngineConfig, Fact
from cenote.registry import ResolvedAdapter
from cenote.tasks import default_task
from cenote.types import ModelLimits

__all__ = ["model_facts"]

#: Characters of a stored prompt that are shown.
_BEGINNING = 48
_FILES = "sentence_transformers"


def model_facts(
    config: EngineConfig, checkpoint: Checkpoint, adapter: ResolvedAdapter, model: PoolingModel, device: str
) -> dict[str, str]:
    """Return the whole report of a loaded model, in the order in which people read it.

    Args:
        config: what the user asked.
        checkpoint: what was opened.
        adapter: what the registry chose.
        model: what it loaded; of its own lines, those on sizes, prompts and templates win over the ones made here.
        device: torch device string.
    """
    tasks = tuple(sorted(model.pooler.supported_tasks()))
    preferred = config.pooler_config.task
    first = {
        "architecture": Fact(adapter.architecture, _asked(config, "architectures") or "config.json"),
        "adapter": Fact(adapter.spec.name, "user" if config.adapter else "registry", text=adapter.reason),
        "distribution": Fact(f"{adapter.distribution} {adapter.version}".rstrip()),
        "reason": Fact(adapter.reason),
        "runner": Fact(adapter.runner, "user" if config.runner != "auto" else ""),
        "convert": Fact(adapter.convert, "user" if config.convert != "auto" else "registry"),
        "tasks": Fact(tasks),
        "default task": Fact(
            default_task(tasks, preferred, architectures=(adapter.architecture,)),
            "user" if preferred else "model_default",
        ),
    }
    last = {
        **(_sizes(config, checkpoint, model.limits) if {"embed", "token_embed"} & set(tasks) else {}),
        **_prompts(checkpoint),
        "chat template": _chat_template(config, model),
        "lora adapters": _loras(config, model),
        "device": Fact(device, "user" if config.device != "auto" else ""),
    }
    own = {name: line for name, line in model.report().items() if name != "embedding size"}
    return {**first, **_missing(own, first), **_missing(last, own)}


def _missing(facts: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    return {name: fact for name, fact in facts.items() if name not in known}


def _asked(config: EngineConfig, key: str) -> str:
    overrides = config.hf_overrides
    return "user" if isinstance(overrides, Mapping) and key in overrides else ""


def _sizes(config: EngineConfig, checkpoint: Checkpoint, limits: ModelLimits) -> dict[str, Fact]:
    """Return the size of a vector, and to what it may be cut."""
    sizes = {"embedding size": Fact(limits.embedding_size), "matryoshka": Fact("no")}
    if limits.is_matryoshka:
        key = "matryoshka_dimensions" if limits.matryoshka_dimensions else "is_matryoshka"
        file = _FILES if checkpoint.config_value(key) is None else "config.json"
        allowed = limits.matryoshka_dimensions or f"any size up to {limits.embedding_size}"
        sizes["matryoshka"] = Fact(allowed, _asked(config, key) or file)
    return sizes


def _prompts(checkpoint: Checkpoint) -> dict[str, Fact]:
    """Return the names and beginnings of stored prompts, and the one that every input gets."""
    files = checkpoint.sentence_transformers
    if files is None or not files.prompts:
        return {"prompts": Fact("none")}
    texts = {name: _beginning(text) for name, text in files.prompts.items()}
    shown = ", ".join(f"{name}: {text!r}" for name, text in texts.items())
    prompts = {"prompts": Fact(texts, _FILES, text=f"{shown} ({_FILES})")}
    if files.default_prompt_name:
        prompts["default prompt"] = Fact(files.default_prompt_name, _FILES)
    return prompts


def _beginning(text: str) -> str:
    return text if len(text) <= _BEGINNING else f"{text[:_BEGINNING]}…"


def _chat_template(config: EngineConfig, model: PoolingModel) -> Fact:
    if config.chat_template is not None:
        return Fact("given", "user")
    tokenizer: Any = getattr(model, "tokenizer", None)
    return Fact("stored", "tokenizer files") if getattr(tokenizer, "chat_template", None) else Fact("none")


def _loras(config: EngineConfig, model: PoolingModel) -> Fact:
    store: Any = getattr(model, "loras", None)
    names = () if store is None else tuple(store.names())
    asked = {name.partition("=")[0] for name in config.lora_modules}
    return Fact(names, "user" if asked.issuperset(names) else "model_default") if names else Fact("none")
