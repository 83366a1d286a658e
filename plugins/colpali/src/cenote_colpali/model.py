"""From the parts of a checkpoint to a model: what the adapters of this plugin share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cenote.adapters import LoadOptions
from cenote.adapters.matryoshka import matryoshka_sizes
from cenote.adapters.processor_settings import Settings
from cenote.adapters.qwen_vl import Layout, Layouts, PromptLimits, VisualPoolingModel
from cenote.checkpoints import Checkpoint
from cenote.config import Fact, first_set
from cenote.errors import CheckpointError
from cenote.inputs.chat import ChatRenderer
from cenote.media import MediaCache, Picture
from cenote.poolers import TaskPooler, TokenPooler
from cenote.tasks import check_dimensions
from cenote_colpali.composing import PLACEHOLDER, PageComposer
from cenote_colpali.head import build_head
from cenote_colpali.names import StoredNames
from cenote_colpali.pages import PageReader, whole
from cenote_colpali.stack import PageStack, Parts, load_page_stack

__all__ = ["assemble"]


def assemble(
    checkpoint: Checkpoint,
    options: LoadOptions,
    parts: Parts,
    *,
    name: str,
    names: StoredNames,
    settings: Settings,
    layouts: Callable[[Any], Layouts],
    tile: tuple[int, int],
    marks: Callable[[Picture], tuple[str, ...]] = whole,
    closing: str = "",
    around: Callable[[Any], Layout] = lambda _: Layout(),
    plain_end: str = "",
) -> VisualPoolingModel:
    """Return a model that gives a vector per token.

    Args:
        checkpoint: with a config that has `embedding_dim`, if any.
        options: what the user asked for.
        parts: of the loaded backbone.
        name: of the family, for people.
        names: of the stored tensors.
        settings: of the processor, for the report.
        layouts: returns the layouts for a tokenizer.
        tile: rows and columns of tokens of a tile.
        marks: as of `PageReader`.
        closing: as of `PageComposer`.
        around: returns what a tokenizer puts around a whole prompt that a caller wrote.
        plain_end: as of `PageComposer`, with `compat="vllm"`.

    Raises:
        CheckpointError: files are missing or do not fit.
        InvalidRequest: an option does not fit the model.
    """
    reference = options.compat != "vllm"
    pages: Any = load_page_stack(checkpoint, options, parts)
    stack = pages.stack
    _check_placeholder(pages)
    if pages.tile != tile[0] * tile[1]:
        raise CheckpointError(f"The vision tower makes {pages.tile} tokens of a tile, not {tile[0]} x {tile[1]}.")
    head, size = build_head(
        checkpoint, names, options.pooler_config, hidden_size=stack.hidden_size, device=options.device
    )
    written = layouts(stack.tokenizer)
    composer: Any = PageComposer(
        layouts=written,
        chat=ChatRenderer(stack.tokenizer, {"image": PLACEHOLDER}),
        template=stack.chat_template,
        closing=closing,
        around=around(stack.tokenizer),
        plain=not reference,
        plain_end=plain_end,
    )
    cache = MediaCache(options.media_cache_bytes)
    reader: Any = PageReader(images=parts.images, cache=cache, tile=tile, marks=marks)
    limits = replace(PromptLimits.of(stack.max_tokens, None), remedy="Send fewer of them")
    cuts, sizes = matryoshka_sizes(checkpoint)
    normalize = first_set(user=options.pooler_config.use_activation, model=True, default=True)
    model = VisualPoolingModel(
        pages,
        stack,
        checkpoint,
        composer=composer,
        reader=reader,
        prompt_limits=limits,
        changes={
            "modalities": ("text", "image"),
            "similarity": "MaxSim",
            "is_matryoshka": cuts,
            "matryoshka_dimensions": sizes,
        },
        pooler=TaskPooler({"token_embed": TokenPooler(head)}),
        embedding_size=size,
        facts={
            "layout": Fact(_shown(written, text_beside=not reference), name if reference else "vllm"),
            **(settings.facts() if reference else {}),
            "projection": Fact(size, names.head["weight"].removesuffix(".weight") + " with its bias"),
            "embedding size": str(size),
            "normalize": str(normalize),
            "image tokens": f"{pages.tile} per tile (files)",
            "modalities": "text, image",
        },
    )
    if options.pooler_config.dimensions is not None:
        check_dimensions(options.pooler_config.dimensions, model.limits, checkpoint.name)
    return model


def _shown(layouts: Layouts, *, text_beside: bool) -> str:
    """Return the layouts in one line for people."""
    shown = layouts.shown()
    if text_beside:
        return shown
    texts, image = shown.rsplit("; image ", 1)
    return f"{texts}; image {image.replace('{text}', '')}"


def _check_placeholder(pages: PageStack) -> None:
    """Compare the id that config.json gives to the placeholder with that of the tokenizer.

    Raises:
        CheckpointError: they differ, or the language model has no row for it.
    """
    stack, wanted = pages.stack, pages.tokens.image
    found = stack.tokenizer.get_vocab().get(PLACEHOLDER)
    if found != wanted or wanted >= stack.vocabulary:
        raise CheckpointError(
            f"config.json gives images the token {wanted}, the tokenizer's {PLACEHOLDER!r} is {found}, and the "
            f"language model knows {stack.vocabulary} tokens. One of the files belongs to another model."
        )
