"""What a checkpoint says about its sparse vectors: the files of sentence-transformers' `SparseEncoder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object, safe_relative
from cenote.checkpoints.modules import Module, RouterModule, TransformerModule, UnknownModule
from cenote.errors import CheckpointError

__all__ = ["SparseSettings", "SpladeSettings", "StoredWeights", "read_settings"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWeights:
    """Terms are the text's own tokens, each with a weight from a file (`SparseStaticEmbedding`); no network runs.

    Attributes:
        path: folder of weights and tokenizer, relative to the checkpoint.
    """

    path: str

    def __str__(self) -> str:
        return f"stored weights of the text's own tokens ({self.path})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseSettings:
    """How texts become sparse vectors, by what they are for.

    Attributes:
        routes: by role; of a model that treats all texts alike, one under the empty name.
        default: the route of texts without a role; None where there is none.
    """

    routes: Mapping[str, SpladeSettings | StoredWeights]
    default: str | None = ""

    def route(self, role: str | None) -> str | None:
        """Return the name of a role's route, or None where a text must have a role and has none."""
        return role if role in self.routes else self.default

    def __str__(self) -> str:
        shown = (f"{name}: {way}" if name else str(way) for name, way in self.routes.items())
        return "; ".join(shown)


def read_settings(checkpoint: Checkpoint) -> SparseSettings:
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
        return SparseSettings(routes={"": SpladeSettings(most_terms=most_terms)})
    if len(pipeline) == 1 and isinstance(pipeline[0], RouterModule):
        return _routed(checkpoint, pipeline[0], most_terms)
    return SparseSettings(routes={"": _way(checkpoint, pipeline, most_terms)})


def _routed(checkpoint: Checkpoint, router: RouterModule, most_terms: int | None) -> SparseSettings:
    if set(router.routes) != {"query", "document"} or router.mappings or router.default not in (None, *router.routes):
        raise CheckpointError(
            f"router_config.json has the routes {sorted(router.routes)}, the default {router.default!r} and "
            f"{len(router.mappings)} further rules; needed are the routes 'query' and 'document', and no other rule."
        )
    ways = {name: _way(checkpoint, modules, most_terms) for name, modules in router.routes.items()}
    backbones = {modules[0].path for name, modules in router.routes.items() if isinstance(ways[name], SpladeSettings)}
    if len(backbones) != 1:
        raise CheckpointError(f"router_config.json names {len(backbones)} masked language models; one can be run.")
    return SparseSettings(routes=ways, default=router.default)


def _way(checkpoint: Checkpoint, modules: Sequence[Module], most_terms: int | None) -> SpladeSettings | StoredWeights:
    kinds = [_kind(module) for module in modules]
    if kinds == ["SparseStaticEmbedding"]:
        return StoredWeights(path=modules[0].path)
    if kinds in (["Transformer", "SpladePooling"], ["MLMTransformer", "SpladePooling"]):
        _check_transformer(checkpoint, modules[0])
        return _pooling(checkpoint, modules[1].path, most_terms)
    raise CheckpointError(
        f"modules.json lists {', '.join(kinds)}; a SPLADE model is a Transformer (or MLMTransformer) and a "
        "SpladePooling, or the weights of a SparseStaticEmbedding for queries. Other sparse encoders cannot be built: "
        "leaving a module out would change the numbers."
    )


def _kind(module: Module) -> str:
    return "Transformer" if isinstance(module, TransformerModule) else module.type.rpartition(".")[2]


def _check_transformer(checkpoint: Checkpoint, module: Module) -> None:
    """Make sure that the first module gives the logits of the masked language model."""
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
