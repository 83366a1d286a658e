"""Load a late-interaction model: its settings, its backbone, and the two ways in which it reads texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cenote.adapters import LoadOptions
from cenote.adapters.stack import TextStack, load_stack
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint, SentenceTransformersFiles, build_config, load_tokenizer
from cenote.config import Fact, PoolerConfig, Resolved, first_set
from cenote.errors import CheckpointError, InvalidRequest
from cenote.inputs import TextEncoder, resolve_max_tokens
from cenote.inputs.specials import find_special_tokens
from cenote.poolers import EmbeddingHead, TaskPooler, TokenPooler
from cenote.tasks import check_dimensions
from cenote.types import Role
from cenote_colbert.layouts import read_settings
from cenote_colbert.model import ColbertModel
from cenote_colbert.packed import PACKED_TENSOR, repair_config
from cenote_colbert.projection import Projection, build_projection
from cenote_colbert.settings import LateSettings
from cenote_colbert.sides import Filling, Side, TokenChoice
from cenote_colbert.texts import Cleaning
from cenote_colbert.tokens import dropped_ids, filling_id, marked_specials, token_id

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
    lengths = _lengths(checkpoint, options, settings, tokenizer)
    stack = load_stack(
        _with_length(checkpoint, max(length.value for length in lengths.values())),
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
        sides={role: _side(role, lengths[role].value, stack, settings) for role in lengths},
        cleaning=Cleaning(strips=settings.strips, lowers=settings.strips and settings.lower_case),
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


def _side(role: Role, length: int, stack: TextStack, settings: LateSettings) -> Side:
    """Make how texts of a role are read."""
    tokenizer, rows = stack.tokenizer, stack.vocabulary
    word = settings.query_marker if role == "query" else settings.document_marker
    marker = token_id(tokenizer, word, rows, f"{role} marker") if word else None
    plain = find_special_tokens(tokenizer.backend_tokenizer)
    encoder = TextEncoder(
        tokenizer,
        max_tokens=length,
        vocab_size=rows,
        type_vocab_size=stack.segments,
        lower_case=settings.lower_case and not settings.strips,
        specials=marked_specials(plain, marker),
    )
    filling = None
    if role == "query" and settings.query_expansion:
        filled = settings.expansion_length or length
        filling = Filling(filling_id(tokenizer, settings, rows), filled, settings.attend_to_expansion_tokens)
    only = frozenset(settings.keep_only_token_ids) if role == "document" else frozenset()
    dropped = dropped_ids(tokenizer, settings) if role in settings.skiplist_roles else frozenset()
    choice = TokenChoice(dropped, only or None)
    return Side(encoder=encoder, choice=choice, filling=filling, follows=marker is not None and not plain.head)


def _lengths(
    checkpoint: Checkpoint, options: LoadOptions, settings: LateSettings, tokenizer: PreTrainedTokenizerBase
) -> dict[Role, Resolved[int]]:
    """Return the longest query and the longest document, in tokens with their markers.

    Raises:
        CheckpointError: queries are filled up to more than the backbone takes.
    """
    config, most = build_config(checkpoint), tokenizer.model_max_length
    query = resolve_max_tokens(config, max_seq_length=settings.query_length, model_max_length=most)
    document = resolve_max_tokens(
        config, user=options.max_model_len, max_seq_length=settings.document_length, model_max_length=most
    )
    filled = max(settings.expansion_length or 0, settings.query_length or 0)
    if settings.query_expansion and filled > query.value:
        raise CheckpointError(f"Queries are filled up to {filled} tokens, but the backbone takes {query.value}.")
    return {"query": query, "document": _named(document, settings)}


def _named(document: Resolved[int], settings: LateSettings) -> Resolved[int]:
    """Return a length with its source: `resolve_max_tokens` takes every length for one of sentence-transformers."""
    told = settings.sources["document_length"]
    if document.source != "sentence_transformers" or told.endswith(".json"):
        return document
    return Resolved(document.value, "user" if told == "user" else "model_default")


def _with_length(checkpoint: Checkpoint, length: int) -> Checkpoint:
    """Return a checkpoint whose files name this longest text: theirs may be that of the last text that was read."""
    files = checkpoint.sentence_transformers or SentenceTransformersFiles()
    return replace(checkpoint, sentence_transformers=replace(files, max_seq_length=length))


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
