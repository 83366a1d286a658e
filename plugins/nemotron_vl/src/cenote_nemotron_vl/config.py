"""What the files of a checkpoint say: the two models in it, how images are cut, and how prompts begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object
from cenote.errors import CheckpointError

__all__ = ["METHODS", "NemotronConfig", "language_checkpoint", "pooling_method", "processor_values", "read_config"]

#: Pooling methods by the name that config.json has for them.
METHODS: Mapping[str, str] = {"avg": "MEAN", "cls": "CLS", "last": "LAST"}
#: What the language model's config may call itself.
_LANGUAGE = (None, "llama_bidirec", "llama")
#: Settings of code that cenote does not have, and what they must be.
_UNUSED: Mapping[str, Any] = {"keep_aspect_ratio": False, "pre_feature_reduction": False, "ps_version": "v2"}
_FILE = "processor_config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class NemotronConfig:
    """A checked config.json.

    Attributes:
        language: the checkpoint with the config of its language model, as transformers knows it.
        vision: the checkpoint with the config of its vision tower.
        image_size: pixels on each side of a tile.
        merge: patches on each side of the square that one token stands for.
        layer: whose hidden states of the vision tower are taken; None the last ones, normalised.
        context_token: id of the placeholder that is repeated.
        pooling: method of pooling, by its name in cenote.
        query_prefix: words in front of queries, without the space behind.
        passage_prefix: words in front of documents.
        query_length: most tokens of a query, or None.
        passage_length: most tokens of anything else, or None.
    """

    language: Checkpoint
    vision: Checkpoint
    image_size: int
    merge: int
    layer: int | None
    context_token: int
    pooling: str
    query_prefix: str
    passage_prefix: str
    query_length: int | None
    passage_length: int | None

    @property
    def tokens(self) -> int:
        """Return the tokens on each side of a tile."""
        return int(self.image_size // self.vision.config["patch_size"] // self.merge)


def read_config(checkpoint: Checkpoint) -> NemotronConfig:
    """Read and check config.json, and what processor_config.json says otherwise.

    Raises:
        CheckpointError: a part is missing or of another model, or a value is impossible or asks for what cenote does
            not compute.

    Source: NVIDIA's configuration class for the keys and for what counts where one is missing.
    """
    config = {**checkpoint.config, **_shared(processor_values(checkpoint))}
    for key, wanted in _UNUSED.items():
        if config.get(key) not in (None, wanted):
            raise CheckpointError(f"config.json has {key}: {config[key]!r}; only {wanted!r} can be computed.")
    vision = _part(checkpoint, "vision_config", ("siglip_vision_model",))
    size: Any = config.get("force_image_size") or vision.get("image_size")
    patch: Any = vision.get("patch_size")
    merge = _merge(config.get("downsample_ratio", 0.5))
    if not _whole(size) or not _whole(patch) or size % (patch * merge):
        raise CheckpointError(
            f"config.json: tiles of {size!r} pixels cannot be cut into patches of {patch!r} pixels of which "
            f"{merge} x {merge} make one token."
        )
    layer, token = config.get("select_layer", -1), config.get("img_context_token_id")
    if type(layer) is not int or type(token) is not int:
        raise CheckpointError("config.json: select_layer and img_context_token_id must be whole numbers.")
    language = _part(checkpoint, "llm_config", _LANGUAGE)
    return NemotronConfig(
        language=language_checkpoint(checkpoint, language),
        vision=checkpoint.with_config(
            {**vision, "image_size": size, "vision_use_head": False, "architectures": ["SiglipVisionModel"]}
        ),
        image_size=size,
        merge=merge,
        layer=None if layer == -1 else layer,
        context_token=token,
        pooling=pooling_method(config.get("pooling", language.get("pooling"))),
        query_prefix=_text(config, "query_prefix", "query:"),
        passage_prefix=_text(config, "passage_prefix", "passage:"),
        query_length=_length(config, "q_max_length", 512),
        passage_length=_length(config, "p_max_length", 10240),
    )


def processor_values(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what processor_config.json says; empty where there is none."""
    return read_object(checkpoint.path / _FILE) if checkpoint.has_file(_FILE) else {}


def language_checkpoint(checkpoint: Checkpoint, config: Mapping[str, Any]) -> Checkpoint:
    """Return the checkpoint with a config of transformers' Llama whose tokens look ahead.

    Args:
        checkpoint: whose files are read.
        config: of the language model.
    """
    native = {key: value for key, value in config.items() if key not in ("auto_map", "_name_or_path")}
    named = {"model_type": "llama", "architectures": ["LlamaModel"], "is_causal": False}
    return checkpoint.with_config({**native, **named})


def pooling_method(value: Any) -> str:
    """Return a pooling method by its name in config.json.

    Raises:
        CheckpointError: there is none, or it is unknown. The default of NVIDIA's classes is not one for all of them.
    """
    if not isinstance(value, str) or value not in METHODS:
        known = ", ".join(map(repr, METHODS))
        raise CheckpointError(f"config.json: pooling must be one of {known}, found {value!r:.40}.")
    return METHODS[value]


def _part(checkpoint: Checkpoint, name: str, types: tuple[str | None, ...]) -> dict[str, Any]:
    part = checkpoint.config.get(name)
    if not isinstance(part, Mapping) or part.get("model_type") not in types:
        found = part.get("model_type") if isinstance(part, Mapping) else part
        wanted = next(kind for kind in types if kind)
        raise CheckpointError(f"config.json: {name} must have model_type {wanted!r}, found {found!r:.60}.")
    return dict(part)


def _shared(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a processor that config.json may have as well."""
    names = ("query_prefix", "passage_prefix", "q_max_length", "p_max_length")
    return {name: values[name] for name in names if values.get(name) is not None}


def _merge(ratio: Any) -> int:
    merge = round(1 / ratio) if isinstance(ratio, int | float) and 0 < ratio <= 1 else 0
    if merge < 1 or abs(ratio * merge - 1) > 1e-9:
        raise CheckpointError(f"config.json: downsample_ratio must be 1 by a whole number, found {ratio!r:.40}.")
    return merge


def _whole(value: Any) -> bool:
    return type(value) is int and value > 0


def _text(config: Mapping[str, Any], key: str, default: str) -> str:
    value = config.get(key, default)
    if not isinstance(value, str):
        raise CheckpointError(f"config.json: {key} must be a text, found {value!r:.40}.")
    return value


def _length(config: Mapping[str, Any], key: str, default: int) -> int | None:
    value = config.get(key, default)
    if value is not None and not _whole(value):
        raise CheckpointError(f"config.json: {key} must be a whole number from 1 on, found {value!r:.40}.")
    return int(value) if value is not None else None
