"""What a checkpoint says about its sparse vectors: the files of sentence-transformers' `SparseEncoder`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object, safe_relative
from cenote.checkpoints.modules import Module, TransformerModule, UnknownModule
from cenote.errors import CheckpointError

__all__ = ["SpladeSettings", "read_settings"]

_STRATEGIES = ("max", "sum")
_ACTIVATIONS = ("relu", "log1p_relu")
#: Keys of a pooling config. The last three change no number: sizes are measured, and chunks are a matter of memory.
_KEYS = (
    "pooling_strategy",
    "activation_function",
    "embedding_dimension",
    "word_embedding_dimension",
    "chunk_size",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpladeSettings:
    """How the logits of a text's tokens become one weight per entry of the vocabulary.

    Attributes:
        strategy: `max` or `sum` over the tokens.
        twice: the logarithm is taken twice (`log1p_relu`).
        most_terms: weights that are kept, the largest ones; None keeps all.
        source: who says so.
    """

    strategy: str = "max"
    twice: bool = False
    most_terms: int | None = None
    source: str = "default"

    def __str__(self) -> str:
        weight = "log1p(log1p(relu(logit)))" if self.twice else "log1p(relu(logit))"
        kept = "" if self.most_terms is None else f", the {self.most_terms} largest"
        return f"{self.strategy} of {weight} over tokens{kept} ({self.source})"


def read_settings(checkpoint: Checkpoint) -> SpladeSettings:
    """Read the pipeline of a checkpoint; one without `modules.json` is a plain SPLADE model.

    Raises:
        CheckpointError: the pipeline is another one, or has settings that are not known.

    Source: sentence-transformers 6.2, `SpladePooling` and `SparseEncoder`, which takes `max` and `relu` for a masked
    language model without its files.
    """
    files = checkpoint.sentence_transformers
    pipeline = files.pipeline if files else ()
    most_terms = _most_terms(checkpoint.settings_value("max_active_dims"))
    if not pipeline:
        return SpladeSettings(most_terms=most_terms)
    kinds = [_kind(module) for module in pipeline]
    if kinds not in (["Transformer", "SpladePooling"], ["MLMTransformer", "SpladePooling"]):
        raise CheckpointError(
            f"modules.json lists {', '.join(kinds)}; a SPLADE model is a Transformer (or MLMTransformer) and a "
            "SpladePooling. Other sparse encoders cannot be built: leaving a module out would change the numbers."
        )
    _check_transformer(checkpoint, pipeline[0])
    return _pooling(checkpoint, pipeline[1].path, most_terms)


def _kind(module: Module) -> str:
    return "Transformer" if isinstance(module, TransformerModule) else module.type.rpartition(".")[2]


def _check_transformer(checkpoint: Checkpoint, module: Module) -> None:
    """Make sure that the first module gives the logits of the masked language model."""
    if isinstance(module, UnknownModule) and module.path:
        raise CheckpointError(f"modules.json has its MLMTransformer in {module.path!r}; it belongs in the root.")
    file = safe_relative(checkpoint.path, module.path) / "sentence_bert_config.json"
    config = read_object(file) if file.is_file() else {}
    own = "fill-mask" if isinstance(module, UnknownModule) else "feature-extraction"
    modalities = config.get("modality_config", {"text": {"method": "forward", "method_output_name": "logits"}})
    text = modalities.get("text") if isinstance(modalities, Mapping) else None
    found = (config.get("transformer_task", own), config.get("module_output_name", "token_embeddings"))
    if found != ("fill-mask", "token_embeddings") or text != {"method": "forward", "method_output_name": "logits"}:
        raise CheckpointError(
            f"{file} must say that the text's logits of the task 'fill-mask' are given as 'token_embeddings'; found "
            f"task {found[0]!r}, output {found[1]!r}, text {text!r:.80}."
        )


def _pooling(checkpoint: Checkpoint, path: str, most_terms: int | None) -> SpladeSettings:
    file = safe_relative(checkpoint.path, path) / "config.json"
    config: Mapping[str, Any] = read_object(file) if file.is_file() else {}
    unknown = sorted(set(config) - set(_KEYS))
    strategy, activation = config.get("pooling_strategy", "max"), config.get("activation_function", "relu")
    if unknown or strategy not in _STRATEGIES or activation not in _ACTIVATIONS:
        raise CheckpointError(
            f"{file}: pooling_strategy is {strategy!r} (known: {', '.join(_STRATEGIES)}), activation_function "
            f"{activation!r} (known: {', '.join(_ACTIVATIONS)}), unknown keys: {', '.join(unknown) or 'none'}."
        )
    return SpladeSettings(
        strategy=strategy, twice=activation == "log1p_relu", most_terms=most_terms, source="sentence_transformers"
    )


def _most_terms(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CheckpointError(
            f"config_sentence_transformers.json: max_active_dims must be a positive number, found {value!r}."
        )
    return value
