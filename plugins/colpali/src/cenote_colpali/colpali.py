"""ColPali: PaliGemma, whose words and patches all see each other, and a projection of every token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cenote.adapters import LoadOptions
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.processor_settings import Setting, Settings, read_settings, text
from cenote.adapters.qwen_vl import Layout, Layouts, VisualPoolingModel
from cenote.adapters.towers import FixedImages
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote.errors import CheckpointError
from cenote.types import Role
from cenote_colpali.composing import PLACEHOLDER
from cenote_colpali.config import native_checkpoint
from cenote_colpali.head import check_options
from cenote_colpali.model import assemble
from cenote_colpali.names import read_names
from cenote_colpali.stack import Parts

__all__ = ["PARTS", "UNUSED", "ColPaliAdapter"]

#: From published names to those of transformers 5.23. Source: `ColPaliForRetrieval` of transformers 4.47 to 5.23,
#: colpali-engine and vLLM 0.32, which all write and read one of these.
PARTS: Mapping[str, str] = {
    r"vision_tower\.(?:vision_model\.)?": "vision_tower.",
    r"multi_modal_projector\.": "multi_modal_projector.",
    r"language_model\.(?:model\.)?(?!lm_head\.)": "language_model.",
}
#: The output layer, which is tied to the embeddings, and buffers that early versions stored.
UNUSED = (r"(?:language_model\.)?lm_head\.", r".*\.rotary_emb\.inv_freq$", r".*\.position_ids$")
_SETTINGS = {"query_prefix": Setting(text, "Question: "), "visual_prompt_prefix": Setting(text, "Describe the image.")}
#: How often a text ends in the token that lets a query say more than its words.
_AUGMENTATIONS = 10
_LORA_HEADS = ("vlm.model.language_model.", "vlm.language_model.", "model.language_model.", "language_model.")


class ColPaliAdapter:
    """Loads `ColPaliForRetrieval`."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> VisualPoolingModel:
        """Load a checkpoint.

        With `compat="vllm"`, texts are read as they are, images stand in front of them, and tokens see no later ones;
        the bias of the projection is added either way.

        Raises:
            CheckpointError: weights or files are missing, do not fit, or say what cannot be computed as they mean it.
            InvalidRequest: an option means nothing for a late-interaction model.
        """
        check_options(options.pooler_config)
        reference = options.compat != "vllm"
        settings = read_settings(checkpoint, _SETTINGS)
        names = read_names(checkpoint.tensor_names(), checkpoint.name, PARTS, UNUSED)
        native = native_checkpoint(checkpoint, bidirectional=reference)
        images = FixedImages.of(checkpoint, options.mm_processor_kwargs)
        model: Any = load_backbone(
            checkpoint=native,
            config=build_config(native),
            dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
            device=options.device,
            attn_implementation=None,
            key_mapping=names.renames,
            allowed_missing=(),
            allowed_unused=(*names.head.values(), *names.unused),
        )
        tile = _tile(model, images)
        return assemble(
            native,
            options,
            _parts(model, images, bidirectional=reference),
            name="ColPali",
            names=names,
            settings=settings,
            layouts=lambda tokenizer: _layouts(settings, tokenizer) if reference else _plain_layouts(tokenizer),
            tile=tile,
            plain_end="\n",
        )


def _parts(model: Any, images: FixedImages, *, bidirectional: bool) -> Parts:
    """Take PaliGemma apart."""
    vision, projector, language = model.vision_tower, model.multi_modal_projector, model.language_model

    def reference(ids: Tensor, pixels: Tensor | None) -> Tensor:
        # One block of type 0 is the prefix of PaliGemma; what follows it would be causal.
        types = {"token_type_ids": torch.zeros_like(ids)} if bidirectional else {}
        hidden: Tensor = model(input_ids=ids, pixel_values=pixels, **types).last_hidden_state
        return hidden

    return Parts(
        language_model=language,
        vision=vision,
        # Gemma scales the embeddings of words in its table; rows of images are taken as they are.
        rows=lambda pixels: projector(vision(pixels).last_hidden_state),
        reference=reference,
        images=images,
        image_token=model.config.image_token_id,
        first_position=1,
        looks_ahead=bidirectional,
        lora_heads=_LORA_HEADS,
    )


def _tile(model: Any, images: FixedImages) -> tuple[int, int]:
    """Return the rows and columns of patches of an image.

    Raises:
        CheckpointError: the image processor writes another number of placeholders.
    """
    vision = model.config.vision_config
    rows, columns = (side // vision.patch_size for side in images.tile)
    wanted = getattr(images.processor, "image_seq_length", None)
    if wanted not in (None, rows * columns):
        raise CheckpointError(
            f"The files of the image processor have image_seq_length {wanted!r:.40}, but an image of "
            f"{images.tile[0]} x {images.tile[1]} pixels has {rows} x {columns} patches."
        )
    return rows, columns


def _layouts(settings: Settings, tokenizer: Any) -> Layouts:
    """Return the layouts of a tokenizer.

    Source: `ColPaliProcessor.__call__` of transformers 5.23, which writes every text as a query; so do documents of
    text here. colpali-engine's queries have another prefix and no newline.
    """
    bos, pad = _special(tokenizer, "bos_token"), _special(tokenizer, "pad_token")
    written = Layout(bos + settings["query_prefix"], pad * _AUGMENTATIONS + "\n")
    texts: dict[Role, Layout] = {"query": written, "document": written}
    prompt = settings["visual_prompt_prefix"]
    image = Layout(f"{PLACEHOLDER}{bos}{prompt}\n")
    return Layouts(texts=texts, media={"image": image}, dropped=frozenset({prompt.strip()}))


def _plain_layouts(tokenizer: Any) -> Layouts:
    """Return vLLM's: texts with the special tokens of the tokenizer, and images in front of them.

    Source: vLLM 0.32, whose processor puts `<bos>` between images and text, and a newline at the end.
    """
    bos = _special(tokenizer, "bos_token")
    adds = tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    texts: dict[Role, Layout] = {role: Layout(bos if adds else "") for role in ("query", "document")}
    return Layouts(texts=texts, media={"image": Layout(f"{PLACEHOLDER}{bos}")})


def _special(tokenizer: Any, name: str) -> str:
    """Return a special token.

    Raises:
        CheckpointError: the tokenizer has none.
    """
    found = getattr(tokenizer, name)
    if found is None:
        raise CheckpointError(f"The tokenizer has no {name}, which ColPali writes into every prompt.")
    return str(found)
