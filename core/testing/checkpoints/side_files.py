"""The files that sentence-transformers puts beside a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

__all__ = ["LayoutOptions", "SentenceTransformersLayout", "side_files"]

#: Old-style keys of `1_Pooling/config.json`, by the new-style name of the method.
_FLAGS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


class LayoutOptions(TypedDict, total=False):
    """What the side files of an embedder say; None, where it is allowed, is what the family has.

    Attributes:
        pooling: method or methods in the words of sentence-transformers.
        normalize: end with a Normalize module; on unless said otherwise.
        dense: output sizes of Dense modules, each optionally with a dotted torch activation.
        prompts: stored prompts by name.
        default_prompt_name: the prompt that sentence-transformers applies where none is named.
        include_prompt: prompt tokens take part in pooling; on unless said otherwise.
        max_seq_length: longest input in tokens, 128 unless said otherwise; None leaves it to the model.
        do_lower_case: sentence-transformers lower-cases texts.
        pooling_style: `flags` (old, the default) or `mode` (sentence-transformers 6).
    """

    pooling: str | Sequence[str] | None
    normalize: bool
    dense: Sequence[int | tuple[int, str]] | None
    prompts: Mapping[str, str] | None
    default_prompt_name: str | None
    include_prompt: bool
    max_seq_length: int | None
    do_lower_case: bool
    pooling_style: str


@dataclass(frozen=True, kw_only=True)
class SentenceTransformersLayout:
    """What the side files say.

    Attributes:
        pooling: methods, concatenated where there are several.
        pooling_size: components of the pooled vector of one method.
        dense: output size and activation of each Dense module.
        normalize: a Normalize module comes last.
        max_seq_length: longest input in tokens, or None for no such key.
        do_lower_case: texts are lower-cased before tokenising.
        prompts: stored prompts by name.
        default_prompt_name: the prompt used where none is named.
        include_prompt: prompt tokens take part in pooling.
        pooling_style: `flags` writes one boolean per method, `mode` the names (sentence-transformers 6).
    """

    pooling: Sequence[str]
    pooling_size: int
    dense: Sequence[tuple[int, str]] = ()
    normalize: bool = True
    max_seq_length: int | None = 128
    do_lower_case: bool = False
    prompts: Mapping[str, str] | None = None
    default_prompt_name: str | None = None
    include_prompt: bool = True
    pooling_style: str = "flags"

    @property
    def dense_folders(self) -> list[str]:
        """Folders of the Dense modules, in order."""
        return [f"{index}_Dense" for index in range(2, 2 + len(self.dense))]


def side_files(layout: SentenceTransformersLayout) -> dict[str, dict[str, Any] | list[dict[str, Any]]]:
    """Return the JSON files by relative name; the Dense modules' weights are not among them."""
    files: dict[str, dict[str, Any] | list[dict[str, Any]]] = {
        "modules.json": _modules(layout),
        "1_Pooling/config.json": _pooling(layout),
        "sentence_bert_config.json": _limits(layout),
        "config_sentence_transformers.json": _settings(layout),
    }
    size = layout.pooling_size * len(layout.pooling)
    for folder, (outputs, activation) in zip(layout.dense_folders, layout.dense, strict=True):
        files[f"{folder}/config.json"] = {
            "in_features": size,
            "out_features": outputs,
            "bias": False,
            "activation_function": activation,
        }
        size = outputs
    return files


def _modules(layout: SentenceTransformersLayout) -> list[dict[str, Any]]:
    parts = [("", "Transformer"), ("1_Pooling", "Pooling")]
    parts += [(folder, "Dense") for folder in layout.dense_folders]
    if layout.normalize:
        parts.append((f"{len(parts)}_Normalize", "Normalize"))
    return [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(parts)
    ]


def _pooling(layout: SentenceTransformersLayout) -> dict[str, Any]:
    if layout.pooling_style == "mode":
        modes = list(layout.pooling)
        mode = modes[0] if len(modes) == 1 else modes
        settings = {"embedding_dimension": layout.pooling_size, "pooling_mode": mode}
    else:
        flags = {key: name in layout.pooling for name, key in _FLAGS.items()}
        settings = {"word_embedding_dimension": layout.pooling_size, **flags}
    return settings | {"include_prompt": layout.include_prompt}


def _limits(layout: SentenceTransformersLayout) -> dict[str, Any]:
    limits: dict[str, Any] = {"do_lower_case": layout.do_lower_case}
    if layout.max_seq_length is not None:
        limits["max_seq_length"] = layout.max_seq_length
    return limits


def _settings(layout: SentenceTransformersLayout) -> dict[str, Any]:
    return {
        "__version__": {"sentence_transformers": "2.7.0", "transformers": "4.41.2", "pytorch": "2.3.1"},
        "prompts": dict(layout.prompts or {}),
        "default_prompt_name": layout.default_prompt_name,
        "similarity_fn_name": "cosine",
    }
