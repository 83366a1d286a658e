"""Load the models of this plugin: config, weights, projection, and how prompts are written."""

from __future__ import annotations

from typing import ClassVar

from cenote.adapters import LoadOptions
from cenote.adapters.matryoshka import matryoshka_sizes
from cenote.adapters.processor_settings import CODE, Settings, read_settings
from cenote.adapters.qwen_vl import (
    VIDEO_OPTIONS,
    Composer,
    ImageRules,
    MediaReader,
    PromptLimits,
    VideoRules,
    VisualPoolingModel,
    VisualStack,
    check_placeholders,
    load_visual_stack,
    plain_layouts,
)
from cenote.checkpoints import Checkpoint, build_config
from cenote.checkpoints.files import read_object
from cenote.config import Fact, PoolerConfig, first_set
from cenote.errors import InvalidRequest
from cenote.media import MediaCache
from cenote.poolers import EmbeddingHead, TaskPooler, TokenPooler
from cenote.tasks import check_dimensions
from cenote_colqwen.colqwen3 import OPS, TOMORO
from cenote_colqwen.colqwen3_5 import COLQWEN3_5
from cenote_colqwen.config import attention_contract, native_checkpoint
from cenote_colqwen.head import Projection, build_projection
from cenote_colqwen.nemotron import NEMOTRON
from cenote_colqwen.variants import IMAGE_TOKENS, Variant
from cenote_colqwen.weights import StoredNames, read_names

__all__ = ["ColQwen3Adapter", "ColQwen35Adapter", "NemotronColEmbedAdapter", "OpsColQwen3Adapter"]


class _Adapter:
    """Loads the checkpoints of one variant."""

    variant: ClassVar[Variant]

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> VisualPoolingModel:
        """Load a checkpoint.

        With `compat="vllm"`, texts are read as they are, images stand right in front of them, and tokens see no later
        ones; the bias of the projection is added either way.

        Raises:
            CheckpointError: weights or files are missing, do not fit, or say what cannot be computed as they mean it.
            InvalidRequest: an option means nothing for a late-interaction model.
        """
        _check_options(options.pooler_config)
        return _load(cls.variant, checkpoint, options)


class ColQwen3Adapter(_Adapter):
    """Loads Tomoro's models."""

    variant = TOMORO


class OpsColQwen3Adapter(_Adapter):
    """Loads OpenSearch's models."""

    variant = OPS


class NemotronColEmbedAdapter(_Adapter):
    """Loads NVIDIA's models."""

    variant = NEMOTRON


class ColQwen35Adapter(_Adapter):
    """Loads models on Qwen3.5."""

    variant = COLQWEN3_5


def _load(variant: Variant, checkpoint: Checkpoint, options: LoadOptions) -> VisualPoolingModel:
    reference = options.compat != "vllm"
    settings = read_settings(checkpoint, variant.settings)
    native = native_checkpoint(checkpoint, variant)
    names = read_names(checkpoint.tensor_names(), checkpoint.name)
    others = VIDEO_OPTIONS if "video" in variant.kinds else ()
    cap = settings.values.get(IMAGE_TOKENS) if reference else None
    rules = ImageRules.of(native, options.mm_processor_kwargs, cap, others=others)
    videos = _videos(native, variant, options, rules)
    kinds = variant.kinds if videos is not None else ("image",)
    visual, seen = _load_visual(variant, native, options, names, rules)
    stack = visual.stack
    check_placeholders(visual)
    head = build_projection(native, variant, names, hidden_size=stack.hidden_size, device=options.device)
    limits = PromptLimits.of(stack.max_tokens, variant.lengths(settings) if variant.lengths and reference else None)
    layouts = variant.layouts(settings) if reference else plain_layouts(kinds)
    facts = {
        "layout": Fact(layouts.shown(), variant.name if reference else "vllm"),
        **(settings.facts(without=(IMAGE_TOKENS,)) if reference else {}),
        **limits.facts(),
        **seen,
        **head.facts(),
        "normalize": str(first_set(user=options.pooler_config.use_activation, model=True, default=True)),
        "image tokens": _image_tokens(rules, settings, variant, options),
        "modalities": ", ".join(("text", *kinds)),
    }
    model = VisualPoolingModel(
        visual,
        stack,
        native,
        composer=Composer.of(layouts, stack.tokenizer, stack.chat_template),
        reader=MediaReader(
            rules=rules,
            cache=MediaCache(options.media_cache_bytes),
            width=visual.tower.width,
            takes_embeds=options.enable_mm_embeds,
            videos=videos,
        ),
        prompt_limits=limits,
        changes={
            "max_tokens": limits.document.value,
            "modalities": ("text", *kinds),
            "similarity": "MaxSim",
            **_cuts(native, variant),
        },
        pooler=TaskPooler({"token_embed": TokenPooler(_head(options.pooler_config, head))}),
        embedding_size=head.size,
        facts=facts,
    )
    if options.pooler_config.dimensions is not None:
        check_dimensions(options.pooler_config.dimensions, model.limits, checkpoint.name)
    return model


def _videos(checkpoint: Checkpoint, variant: Variant, options: LoadOptions, images: ImageRules) -> VideoRules | None:
    """Return the rules of videos, or None where the model reads none or its files say nothing of them."""
    stored = checkpoint.has_file("video_preprocessor_config.json")
    if not stored and checkpoint.has_file("processor_config.json"):
        stored = "video_processor" in read_object(checkpoint.path / "processor_config.json")
    if "video" not in variant.kinds or not stored:
        return None
    return VideoRules.of(checkpoint, options.mm_processor_kwargs, images)


def _image_tokens(rules: ImageRules, settings: Settings, variant: Variant, options: LoadOptions) -> str:
    """Say how many tokens an image may have, and who decided it: the user, the processor's setting, or its sizes."""
    source = "files"
    if options.compat != "vllm" and settings.values.get(IMAGE_TOKENS) is not None:
        stored = settings.sources[IMAGE_TOKENS]
        source = variant.name if stored == CODE else stored
    if {"max_pixels", "size", "max_num_visual_tokens"} & set(options.mm_processor_kwargs):
        source = "user"
    return Fact(rules.max_pixels // rules.factor**2, source)


def _load_visual(
    variant: Variant, checkpoint: Checkpoint, options: LoadOptions, names: StoredNames, rules: ImageRules
) -> tuple[VisualStack, dict[str, str]]:
    """Load vision tower and language model, and say how tokens see each other and where hidden states are taken."""
    reference = options.compat != "vllm"
    causal, source = variant.causal or not reference, ""
    if variant.contract is not None:
        causal, source = attention_contract(checkpoint.config, variant.contract)
    final_norm = variant.final_norm or not reference
    visual = load_visual_stack(
        checkpoint,
        options,
        config=build_config(checkpoint),
        rules=rules,
        heads=tuple(names.head.values()),
        renames=names.renames,
        ignored=names.unused,
        bidirectional=not causal,
        skip_final_norm=not final_norm,
    )
    who = variant.name if reference else "vllm"
    facts: dict[str, str] = {"final norm": Fact("applied" if final_norm else "skipped", who)}
    if source:
        facts["attention contract"] = Fact("causal" if causal else "bidirectional", source)
    return visual, facts


def _head(wanted: PoolerConfig, projection: Projection) -> EmbeddingHead:
    """Return what makes vectors: project, cut, normalise."""
    rows = projection.steps[0].weight.shape[0] if projection.steps else projection.size
    cut = projection.size if projection.size < rows else None
    return EmbeddingHead(
        steps=projection.steps,
        normalize=True if wanted.use_activation is None else wanted.use_activation,
        dimensions=wanted.dimensions or cut,
    )


def _cuts(checkpoint: Checkpoint, variant: Variant) -> dict[str, object]:
    """Return whether vectors may be cut: as the files say, and where the model was trained for it, to any size."""
    cuts, sizes = matryoshka_sizes(checkpoint)
    return {"is_matryoshka": cuts or variant.cuts, "matryoshka_dimensions": sizes}


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
            text = f"{name} means nothing for a late-interaction model, which gives a vector for each token."
            raise InvalidRequest(text, param=name)
