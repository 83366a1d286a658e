"""Load a SPLADE model: a masked language model whose head gives term weights."""

from __future__ import annotations

from typing import Any

import torch
from transformers import MODEL_FOR_MASKED_LM_MAPPING

from cenote.adapters import LoadOptions
from cenote.adapters.classify_load import HeadedModel, load_headed
from cenote.checkpoints import Checkpoint, build_config
from cenote.config import PoolerConfig, first_set
from cenote.errors import CheckpointError, InvalidRequest
from cenote.poolers import EmbeddingHead, Pooler, TaskPooler, TokenPooler, choose_steps
from cenote_splade.model import SpladeModel
from cenote_splade.pooling import Ends, SpladePooler
from cenote_splade.routes import RoutedPooler, StoredPooler, load_stored
from cenote_splade.settings import SpladeSettings, StoredWeights, read_settings
from cenote_splade.terms import TermPooling

__all__ = ["SpladeAdapter"]

_NO_HEAD = "A SPLADE model is a masked language model with its output layer; an encoder without one gives no terms."


class SpladeAdapter:
    """Masked language models of transformers as sparse encoders."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> SpladeModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing, do not fit, or describe another sparse encoder.
            InvalidRequest: an option means nothing for a sparse encoder.
        """
        _check_options(options.pooler_config)
        settings = read_settings(checkpoint)
        model = load_headed(checkpoint, options, _model_class(checkpoint), hint=_NO_HEAD)
        size = _vocabulary(model, options.device)
        ways = settings.routes
        stored = {
            name: load_stored(checkpoint, way.path, size)
            for name, way in ways.items()
            if isinstance(way, StoredWeights)
        }
        most_terms = next((way.most_terms for way in ways.values() if isinstance(way, SpladeSettings)), None)
        normalize = first_set(user=options.pooler_config.use_activation, default=False)
        files = checkpoint.sentence_transformers
        similarity = files.similarity_fn_name if files else None
        ends, rows = _ends(model, options), choose_steps(options.pooler_config)
        tokens = TokenPooler(EmbeddingHead(normalize=options.pooler_config.use_activation is not False), steps=rows)
        poolers: dict[str, Pooler] = {}
        for name, way in ways.items():
            if isinstance(way, StoredWeights):
                poolers[name] = StoredPooler(stored[name], most_terms, normalize.value)
            else:
                terms = TermPooling(head=model.head, size=size, settings=way)
                vectors = SpladePooler(terms, ends, normalize.value)
                poolers[name] = TaskPooler({"embed": vectors, "sparse_embed": vectors, "token_embed": tokens})
        return SpladeModel(
            model.stack,
            checkpoint,
            settings=settings,
            stored=stored,
            score_type=None if options.compat == "vllm" else "sparse",
            similarity=similarity,
            pooler=RoutedPooler(poolers, settings.route, frozenset({"embed", "sparse_embed", "token_embed"})),
            embedding_size=size,
            token_pooling="ALL" if rows is None else "STEP",
            facts={
                "terms": f"{settings}{'' if ends == Ends() else ', [CLS] and [SEP] left out'}",
                "head": type(model.stack.whole).__name__,
                "normalize": str(normalize),
                "similarity": similarity or "dot",
                "embedding size": str(size),
            },
        )


def _check_options(wanted: PoolerConfig) -> None:
    """Refuse settings of other models."""
    given = {
        "seq_pooling_type": wanted.seq_pooling_type is not None,
        "dimensions": wanted.dimensions is not None,
        "enable_chunked_processing": wanted.enable_chunked_processing,
    }
    for name, is_given in given.items():
        if is_given:
            text = f"{name} means nothing for a SPLADE model, whose vectors are weights of the vocabulary's terms."
            raise InvalidRequest(text, param=name)


def _model_class(checkpoint: Checkpoint) -> Any:
    """Return transformers' masked language model for a config, as its `AutoModelForMaskedLM` chooses it."""
    config = build_config(checkpoint)
    found = MODEL_FOR_MASKED_LM_MAPPING.get(type(config), None)
    if found is None:
        raise CheckpointError(
            f"{checkpoint.name!r}: transformers has no masked language model for model_type {config.model_type!r}, so "
            "that it cannot be a SPLADE model."
        )
    return found


def _vocabulary(model: HeadedModel, device: str) -> int:
    """Return how many logits the head gives for a token."""
    with torch.inference_mode():
        row = torch.zeros(1, 1, model.stack.hidden_size, device=device)
        return int(model.head(row, torch.zeros(1, 1, dtype=torch.long, device=device)).shape[-1])


def _ends(model: HeadedModel, options: LoadOptions) -> Ends:
    if options.compat != "vllm":
        return Ends()
    tokenizer = model.stack.tokenizer
    return Ends(tokenizer.cls_token_id, tokenizer.sep_token_id)
