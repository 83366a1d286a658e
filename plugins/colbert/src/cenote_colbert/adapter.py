"""Load a late-interaction model: its settings, its backbone, and the two ways in which it reads texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cenote.adapters import LoadOptions
from cenote.adapters.stack import load_stack
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint, load_tokenizer
from cenote.config import Fact, PoolerConfig, first_set
from cenote.errors import InvalidRequest
from cenote.poolers import EmbeddingHead, TaskPooler, TokenPooler
from cenote.tasks import check_dimensions
from cenote_colbert.layouts import read_settings
from cenote_colbert.lengths import in_effect, resolve_lengths, with_length
from cenote_colbert.model import ColbertModel
from cenote_colbert.packed import PACKED_TENSOR, repair_config
from cenote_colbert.projection import Projection, build_projection
from cenote_colbert.reading import make_sides
from cenote_colbert.settings import LateSettings
from cenote_colbert.texts import Cleaning

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["ColbertAdapter"]


class ColbertAdapter:
    """Backbones of transformers with a projection of every token."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> TextPoolingModel:
        """Load a checkpoint.

        With `compat="vllm"`, texts get the special tokens of the tokenizer and nothing else, and every token a vector.

        Raises:
            CheckpointError: weights or files are missing, do not fit, or say what cannot be computed as they mean it.
            InvalidRequest: an option means nothing for a late-interaction model.
        """
        _check_options(options.pooler_config)
        settings = read_settings(checkpoint)
        checkpoint = _for_transformers(checkpoint)
        tokenizer = load_tokenizer(checkpoint, options.tokenizer)
        if options.compat == "vllm":
            model = _load_plain(checkpoint, options, settings, tokenizer)
        else:
            model = _load(checkpoint, options, settings, tokenizer)
        if options.pooler_config.dimensions is not None:
            check_dimensions(options.pooler_config.dimensions, model.limits, checkpoint.name)
        return model


def _load(
    checkpoint: Checkpoint, options: LoadOptions, settings: LateSettings, tokenizer: PreTrainedTokenizerBase
) -> TextPoolingModel:
    lengths = resolve_lengths(checkpoint, options, settings, tokenizer)
    settings = in_effect(settings, lengths)
    stack = load_stack(
        with_length(checkpoint, max(length.value for length in lengths.values())),
        replace(options, max_model_len=None),
        tokenizer=tokenizer,
        expands=settings.query_expansion and not settings.attend_to_expansion_tokens,
    )
    stack = replace(stack, max_tokens=lengths["document"])
    projection = build_projection(checkpoint, settings, stack.hidden_size, options.device)
    head = _head(options.pooler_config, projection, settings)
    return ColbertModel(
        stack,
        checkpoint,
        sides=make_sides(stack, settings, lengths),
        cleaning=Cleaning(strips=settings.strips, lowers=settings.strips and settings.lower_case),
        prompts_by_role=settings.prompts_by_role,
        changes={**_cuts(projection), "similarity": settings.similarity},
        pooler=TaskPooler({"token_embed": TokenPooler(head)}),
        embedding_size=projection.size,
        facts={**settings.facts(), **_facts(options.pooler_config, projection, settings)},
    )


def _load_plain(
    checkpoint: Checkpoint, options: LoadOptions, settings: LateSettings, tokenizer: PreTrainedTokenizerBase
) -> TextPoolingModel:
    """Load for texts that are read as any text: neither prompts nor markers, filling or left-out words."""
    files = checkpoint.sentence_transformers
    if files is not None:
        bare = replace(files, prompts={}, default_prompt_name=None)
        checkpoint = replace(checkpoint, sentence_transformers=bare)
    stack = load_stack(checkpoint, options, tokenizer=tokenizer)
    projection = build_projection(checkpoint, settings, stack.hidden_size, options.device)
    model = TextPoolingModel(
        stack,
        checkpoint,
        pooler=TaskPooler({"token_embed": TokenPooler(_head(options.pooler_config, projection, settings))}),
        embedding_size=projection.size,
        facts=_facts(options.pooler_config, projection, settings),
    )
    model.limits = replace(model.limits, **_cuts(projection))
    return model


def _for_transformers(checkpoint: Checkpoint) -> Checkpoint:
    config = {key: value for key, value in checkpoint.config.items() if key != "late_interaction"}
    return checkpoint.with_config(repair_config(config) if checkpoint.has_tensor(PACKED_TENSOR) else config)


def _head(wanted: PoolerConfig, projection: Projection, settings: LateSettings) -> EmbeddingHead:
    normalize = settings.normalize if wanted.use_activation is None else wanted.use_activation
    return EmbeddingHead(steps=projection.steps, normalize=normalize, dimensions=wanted.dimensions)


def _cuts(projection: Projection) -> dict[str, Any]:
    return {"is_matryoshka": projection.cuts, "matryoshka_dimensions": projection.sizes}


def _facts(wanted: PoolerConfig, projection: Projection, settings: LateSettings) -> dict[str, str]:
    return {
        "projection": Fact(projection.size, projection.source),
        "normalize": str(first_set(user=wanted.use_activation, model=settings.normalize, default=True)),
        "embedding size": str(projection.size),
    }


def _check_options(wanted: PoolerConfig) -> None:
    """Refuse settings of other models."""
    given = {
        "seq_pooling_type": wanted.seq_pooling_type is not None,
        "tok_pooling_type": wanted.tok_pooling_type == "STEP",
        "step_tag_id": wanted.step_tag_id is not None,
        "returned_token_ids": wanted.returned_token_ids is not None,
        "enable_chunked_processing": wanted.enable_chunked_processing,
    }
    for name, is_given in given.items():
        if is_given:
            text = f"{name} means nothing for a late-interaction model, which gives a vector for each token of a text."
            raise InvalidRequest(text, param=name)
