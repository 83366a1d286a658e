"""The side files of Sentence-Transformers: pipeline, prompts and text length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cenote.checkpoints.files import read_json, read_object, safe_relative
from cenote.checkpoints.modules import (
    DropoutModule,
    Module,
    NormalizeModule,
    PoolingModule,
    RouterModule,
    StaticEmbeddingModule,
    TransformerModule,
    UnknownModule,
    read_module,
)
from cenote.errors import CheckpointError

__all__ = ["SentenceTransformersFiles", "read_sentence_transformers"]

_LENGTH_FILES = tuple(
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceTransformersFiles:
    """What the Sentence-Transformers files of a checkpoint say.

    Attributes:
        pipeline: all entries of `modules.json` in order; empty without that file.
        max_seq_length: tokens after which the reference truncates, or None.
        do_lower_case: lower-case the text before tokenising.
        prompts: name to text that is put in front.
        default_prompt_name: the prompt that is used when none is asked for.
        similarity_fn_name: `cosine`, `dot` …, or None.
        truncate_dim: components that the reference keeps, or None.
        settings: all of `config_sentence_transformers.json`, for adapters that know further keys.
    """

    pipeline: tuple[Module, ...] = ()
    max_seq_length: int | None = None
    do_lower_case: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None
    similarity_fn_name: str | None = None
    truncate_dim: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def modules(self) -> tuple[Module, ...]:
        """The modules to build, in order, without those that do nothing at inference.

        Raises:
            CheckpointError: the pipeline has a module that the core cannot build.
        """
        for module in self.pipeline:
            if isinstance(module, UnknownModule):
                raise CheckpointError(
                    f"modules.json has a module of type {module.type!r}, which cenote cannot build; leaving it out "
                    "would change the numbers. Install a plugin for this model."
                )
        return tuple(module for module in self.pipeline if not isinstance(module, DropoutModule))

    @property
    def pooling(self) -> PoolingModule | None:
        """The first pooling module, or None."""
        return next((module for module in self.pipeline if isinstance(module, PoolingModule)), None)

    @property
    def has_normalize(self) -> bool:
        """Whether the pipeline normalises."""
        return any(isinstance(module, NormalizeModule) for module in self.pipeline)

    @property
    def flat(self) -> tuple[Module, ...]:
        """All modules, those of a router's routes after the router."""
        return _flat(self.pipeline)

    @property
    def transformer_path(self) -> str:
        """Folder of the backbone relative to the checkpoint; `""` is the checkpoint itself."""
        return _backbone_path(self.pipeline)

    @property
    def is_static(self) -> bool:
        """Whether the backbone is a table of token vectors."""
        return bool(self.pipeline) and isinstance(self.pipeline[0], StaticEmbeddingModule)


def read_sentence_transformers(root: Path) -> SentenceTransformersFiles | None:
    """Read the Sentence-Transformers files of a checkpoint; None where there are none.

    Raises:
        CheckpointError: a file is not of the form that sentence-transformers writes.
    """
    pipeline = _read_pipeline(root)
    settings_file = root / "config_sentence_transformers.json"
    settings = read_object(settings_file) if settings_file.is_file() else None
    length = _read_length_file(safe_relative(root, _backbone_path(pipeline)))
    if not pipeline and settings is None and length is None:
        return None
    settings, length = settings or {}, length or {}
    prompts = _prompts(settings, settings_file)
    return SentenceTransformersFiles(
        pipeline=pipeline,
        max_seq_length=_positive(length, "max_seq_length", root),
        do_lower_case=bool(length.get("do_lower_case", False)),
        prompts=prompts,
        default_prompt_name=_default_prompt(settings, prompts, settings_file),
        similarity_fn_name=_text_or_none(settings.get("similarity_fn_name")),
        truncate_dim=_positive(settings, "truncate_dim", settings_file),
        settings=settings,
    )


def _backbone_path(pipeline: tuple[Module, ...]) -> str:
    found = (item for item in _flat(pipeline) if isinstance(item, TransformerModule) or _has_backbone(item))
    static = (item for item in pipeline if isinstance(item, StaticEmbeddingModule))
    return next((item.path for item in (*found, *static)), "")


def _has_backbone(module: Module) -> bool:
    """Tell whether a module that the core cannot build has the backbone in its folder.

    Below a router, a masked language model of sentence-transformers 5 has one; CLIP always has.
    """
    return isinstance(module, UnknownModule) and module.type.endswith((".MLMTransformer", ".CLIPModel"))


def _flat(pipeline: tuple[Module, ...]) -> tuple[Module, ...]:
    """Return the modules of a pipeline, those of its routes after their router."""
    found: list[Module] = []
    for module in pipeline:
        routes = module.routes.values() if isinstance(module, RouterModule) else ()
        found += [module, *(part for route in routes for part in _flat(route))]
    return tuple(found)


def _read_pipeline(root: Path) -> tuple[Module, ...]:
    file = root / "modules.json"
    if not file.is_file():
        return ()
    entries = read_json(file)
    if not isinstance(entries, list):
        raise CheckpointError(f"{file} must hold a JSON list of modules, found {type(entries).__name__}.")
    return tuple(read_module(root, entry) for entry in entries)


def _read_length_file(folder: Path) -> dict[str, Any] | None:
    """Return the first of the family that says anything, as sentence-transformers does."""
    for name in _LENGTH_FILES:
        if (folder / name).is_file() and (found := read_object(folder / name)):
            return found
    return None


def _prompts(settings: Mapping[str, Any], file: Path) -> dict[str, str]:
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(text is None or isinstance(text, str) for text in prompts.values()):
        raise CheckpointError(f"{file}: prompts must map names to strings, found {prompts!r:.80}.")
    return {name: text or "" for name, text in prompts.items()}


def _default_prompt(settings: Mapping[str, Any], prompts: Mapping[str, str], file: Path) -> str | None:
    name = settings.get("default_prompt_name")
    if name is not None and name not in prompts:
        raise CheckpointError(f"{file}: default_prompt_name {name!r} is not among the prompts {sorted(prompts)}.")
    return name


def _positive(config: Mapping[str, Any], key: str, where: Path) -> int | None:
    value = config.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise CheckpointError(f"{where}: {key} must be a positive integer or null, found {value!r}.")
    return value


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None
