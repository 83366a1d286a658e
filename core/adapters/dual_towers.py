"""CLIP and SigLIP as embedders of texts and of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from cenote.adapters.base import LoadOptions
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.dual_model import DualTowerModel
from cenote.adapters.dual_text import TextRule, tower_tokenizer
from cenote.adapters.stack import load_stack
from cenote.adapters.towers import FixedImages, FixedTower
from cenote.checkpoints import Checkpoint, NormalizeModule, build_config, load_backbone
from cenote.config import Fact, PoolerConfig, first_set
from cenote.errors import CheckpointError, InvalidRequest
from cenote.media import MediaCache
from cenote.poolers import EmbeddingHead, SequencePooler, TaskPooler, get_method
from cenote.tasks import check_dimensions

__all__ = ["DualTowerAdapter"]

#: Parameters that scale similarities in training, and places that old files store.
_SCALES = ("logit_scale", "logit_bias")
_PLACES = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")
_CLASSES = ("CLIPModel", "SiglipModel")


class DualTowerAdapter:
    """Loads `CLIPModel` and `SiglipModel` of transformers."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> DualTowerModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option means nothing for such a model.
        """
        _check_options(options)
        _check_modules(checkpoint)
        images = FixedImages.of(checkpoint, options.mm_processor_kwargs)
        config: Any = build_config(checkpoint)
        if not getattr(config.vision_config, "vision_use_head", True):
            raise CheckpointError("vision_config has vision_use_head: false, so that images have no vector.")
        whole: Any = load_backbone(
            checkpoint,
            config,
            dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
            device=options.device,
            attn_implementation=None,
            allowed_missing=_SCALES,
            allowed_unused=(*_SCALES, *_PLACES),
        )
        if type(whole).__name__ not in _CLASSES:
            raise CheckpointError(f"{type(whole).__name__} has no towers of the kind of CLIP or SigLIP.")
        project, see = _projections(whole)
        tower = FixedTower.of(whole.vision_model, images, run=see)
        tokenizer = tower_tokenizer(checkpoint, options.tokenizer)
        stack = load_stack(checkpoint, options, whole=whole.text_model, tokenizer=tokenizer)
        size = _size(whole)
        files = checkpoint.sentence_transformers
        normalize = first_set(
            user=options.pooler_config.use_activation,
            sentence_transformers=files.has_normalize if files and files.pipeline else None,
            default=True,
        )
        head = EmbeddingHead(normalize=normalize.value)
        model = DualTowerModel(
            checkpoint,
            stack,
            rule=TextRule.of(stack.config, tokenizer),
            project=project,
            images=images,
            tower=tower,
            cache=MediaCache(options.media_cache_bytes),
            pooler=TaskPooler({"embed": SequencePooler(get_method("LAST"), head)}),
            size=size,
            facts={"embedding size": Fact(size, type(whole).__name__), "normalize": str(normalize)},
        )
        if options.pooler_config.dimensions is not None:
            check_dimensions(options.pooler_config.dimensions, model.limits, checkpoint.name)
        return model


def _check_modules(checkpoint: Checkpoint) -> None:
    """Check that nothing but a normalisation follows the model in a folder of sentence-transformers.

    Raises:
        CheckpointError: something else does.
    """
    files = checkpoint.sentence_transformers
    for place, module in enumerate(files.pipeline if files else ()):
        is_model = place == 0 and module.type.endswith((".CLIPModel", ".Transformer"))
        if not is_model and not isinstance(module, NormalizeModule):
            raise CheckpointError(f"modules.json has {module.type!r}, which cenote cannot build beside two towers.")


def _projections(whole: Any) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Return what makes vectors of the hidden states of texts, and of pixels."""
    vision = whole.vision_model
    if type(whole).__name__ == "CLIPModel":
        return whole.text_projection, lambda pixels: whole.visual_projection(vision(pixels).pooler_output)
    # The layer is looked up when it runs, since it is replaced by its prepared form.
    return lambda hidden: whole.text_model.head(hidden), lambda pixels: vision(pixels).pooler_output


def _size(whole: Any) -> int:
    """Return the size of the vectors of both towers.

    Raises:
        CheckpointError: they differ.
    """
    if type(whole).__name__ == "CLIPModel":
        return int(whole.config.projection_dim)
    text, vision = whole.config.text_config.projection_size, whole.config.vision_config.hidden_size
    if text != vision:
        raise CheckpointError(f"Texts would have vectors of size {text}, images of {vision}; they cannot be compared.")
    return int(text)


def _check_options(options: LoadOptions) -> None:
    """Refuse settings of other models.

    Raises:
        InvalidRequest: one was given.
    """
    wanted: PoolerConfig = options.pooler_config
    given = {
        "seq_pooling_type": wanted.seq_pooling_type is not None,
        "tok_pooling_type": wanted.tok_pooling_type == "STEP",
        "step_tag_id": wanted.step_tag_id is not None,
        "returned_token_ids": wanted.returned_token_ids is not None,
        "enable_chunked_processing": wanted.enable_chunked_processing,
        "lora_modules": bool(options.lora_modules),
        "quantization": options.quantization is not None,
    }
    for name, is_given in given.items():
        if is_given:
            raise InvalidRequest(f"{name} is not offered for a model of a text and an image tower.", param=name)
