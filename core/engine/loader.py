"""From options to a loaded model: find the checkpoint, choose the adapter, load."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cenote.adapters.base import LoadOptions, PoolingModel
from cenote.checkpoints import find_default_model, open_checkpoint
from cenote.checkpoints.deferred import prepare_transformers
from cenote.config import EngineConfig
from cenote.engine.compute import prepare_compute
from cenote.engine.facts import model_facts
from cenote.errors import InvalidRequest
from cenote.hooks import ModelLoaded
from cenote.kernels import check_forced_kernels
from cenote.kernels.trial import try_forced_kernels
from cenote.registry import ResolvedAdapter, load_adapter, load_object, resolve_adapter
from cenote.registry.blame import Blame
from cenote.registry.entry import BUILT_IN_DISTRIBUTION, canonical_name

__all__ = ["LoadedModel", "choose_device", "load_model"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory and how it came there.

    Attributes:
        name: as served and as named in messages.
        model: the model.
        adapter: what the registry chose.
        device: torch device string.
        facts: what was resolved, and from where: name to one line, mostly a `cenote.config.Fact`.
        settings: `config.json` as it was loaded, with overrides and repairs.
    """

    name: str
    model: PoolingModel
    adapter: ResolvedAdapter
    device: str
    facts: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def report(self) -> dict[str, str]:
        """Say what was resolved, and from where."""
        return {"model": self.name, **self.facts}

    @property
    def blame(self) -> Blame | None:
        """Return whom errors of the model name: the plugin that its adapter comes from."""
        adapter = self.adapter  # a loader of one's own may have none
        if not adapter or canonical_name(adapter.distribution) == BUILT_IN_DISTRIBUTION:
            return None
        source = f"{adapter.distribution} {adapter.version}".rstrip()
        return Blame(f"The adapter {adapter.spec.name!r} of {source}", adapter.spec.name, adapter.distribution)

    def event(self, seconds: float) -> ModelLoaded:
        """Return what plugins are told once the model was loaded in so many seconds."""
        adapter = self.adapter  # a loader of one's own may have none
        return ModelLoaded(
            model=self.name,
            architecture=adapter.architecture if adapter else "",
            adapter=adapter.spec.name if adapter else "",
            distribution=f"{adapter.distribution} {adapter.version}".rstrip() if adapter else "",
            tasks=tuple(sorted(self.model.pooler.supported_tasks())),
            device=self.device,
            seconds=seconds,
        )


def choose_device(wanted: str) -> str:
    """Return a torch device string; `auto` takes a GPU where there is one.

    Raises:
        InvalidRequest: torch does not know or have the device.
    """
    import torch

    if wanted != "auto":
        try:
            torch.empty(0, device=wanted)
        except Exception as exc:  # torch raises whatever a backend's start raises
            available = "cpu, cuda" if torch.cuda.is_available() else "cpu"
            text = f"device={wanted!r} cannot be used here. Available: {available}."
            raise InvalidRequest(text, param="device") from exc
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def _served_name(config: EngineConfig, fallback: str) -> str:
    names = config.served_model_name
    if isinstance(names, list):
        return names[0] if names else fallback
    return names or fallback


def read_template(given: str | None) -> str | None:
    """Return the text of a template that is given as a file or as Jinja text.

    Raises:
        InvalidRequest: it looks like a file and there is none, or it is no valid Jinja.
    """
    if given is None:
        return None
    if "{" in given or "\n" in given:
        return _checked_template(given)
    try:
        return _checked_template(Path(given).read_text(encoding="utf-8"))
    except OSError as exc:
        text = f"chat_template is neither Jinja text nor a readable file: {given!r} ({exc.strerror})."
        raise InvalidRequest(text, param="chat_template") from exc


def _checked_template(template: str) -> str:
    """Return a template that transformers can compile."""
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        render_jinja_template([], chat_template=template)  # compiles it, and fills it with no conversation at all
    except Exception as exc:  # the extensions of a template may raise anything
        text = f"chat_template is no valid Jinja template: {exc}"
        raise InvalidRequest(text, param="chat_template") from exc
    return template


def _lora_module(given: str) -> tuple[str, str]:
    name, separator, folder = given.partition("=")
    if not (name and separator and folder):
        raise InvalidRequest(f"lora_modules takes name=folder, not {given!r}.", param="lora_modules")
    return name, folder


def load_model(config: EngineConfig) -> LoadedModel:
    """Load what the options name.

    Raises:
        CheckpointError: the checkpoint is missing, broken or incomplete.
        UnknownArchitecture: no adapter fits.
        PluginError: the chosen adapter cannot be imported, or a kernel that CENOTE_KERNELS names cannot be used.
    """
    check_forced_kernels()
    source, name = config.model, config.model
    if source is None:
        chosen = find_default_model()
        source, name = chosen.source, chosen.name
    checkpoint = open_checkpoint(
        source,
        revision=config.revision,
        hf_overrides=config.hf_overrides,
        hf_token=config.hf_token,
        trust_remote_code=config.trust_remote_code,
    )
    adapter = resolve_adapter(
        checkpoint,
        architectures=checkpoint.architectures,
        model_type=checkpoint.model_type,
        runner=config.runner,
        convert=config.convert,
        adapter=config.adapter,
        from_user=isinstance(config.hf_overrides, Mapping) and "architectures" in config.hf_overrides,
    )
    if adapter.spec.config_repair is not None:
        repair = load_object(adapter.spec.config_repair)
        checkpoint = checkpoint.with_config(repair(dict(checkpoint.config)))
    device = choose_device(config.device)
    prepare_compute()
    try_forced_kernels(device)
    options = LoadOptions(
        pooler_config=config.pooler_config,
        dtype=config.dtype,
        quantization=config.quantization,
        float32_matmul_precision=config.float32_matmul_precision,
        device=device,
        max_model_len=config.max_model_len,
        convert=adapter.convert,
        trust_remote_code=config.trust_remote_code,
        tokenizer=config.tokenizer,
        execution=config.execution,
        compat=config.compat,
        chat_template=read_template(config.chat_template),
        known_prompts=config.known_prompts,
        enable_lora=config.enable_lora,
        lora_modules=tuple(_lora_module(item) for item in config.lora_modules),
        max_lora_rank=config.max_lora_rank,
        mm_processor_kwargs=config.mm_processor_kwargs,
        media_cache_bytes=int(config.mm_processor_cache_gb * 1024**3),
        enable_mm_embeds=config.enable_mm_embeds,
    )
    prepare_transformers()
    adapter_class: Any = load_adapter(adapter)
    model = adapter_class.load(checkpoint, options)
    facts = model_facts(config, checkpoint, adapter, model, device)
    loaded = LoadedModel(_served_name(config, name or source), model, adapter, device, facts, checkpoint.config)
    for key, value in loaded.report().items():
        _log.info("%s: %s", key, value)
    return loaded
