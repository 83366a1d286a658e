"""ColModernVBERT: SigLIP's tiles of a page in front of ModernBERT, and a projection of every token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cenote.adapters import LoadOptions
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.processor_settings import Setting, Settings, count, read_settings, text
from cenote.adapters.qwen_vl import Layout, Layouts, VisualPoolingModel
from cenote.adapters.towers import FixedImages
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote.errors import CheckpointError
from cenote.types import Role
from cenote_colpali.colmodernvbert_config import modernvbert_checkpoint
from cenote_colpali.composing import PLACEHOLDER
from cenote_colpali.head import check_options
from cenote_colpali.model import assemble
from cenote_colpali.names import read_names
from cenote_colpali.stack import Parts
from cenote_colpali.tiles import CLOSING, tile_marks

__all__ = ["PARTS", "UNUSED", "ColModernVBertAdapter"]

#: From published names to those of transformers 5.23. Source: `ColModernVBertForRetrieval` of transformers 5.3 to
#: 5.23, colpali-engine 0.3 and vLLM 0.32, which write and read these.
PARTS: Mapping[str, str] = {
    r"vision_model\.(?:vision_model\.)?": "vision_model.",
    r"connector\.": "connector.",
    r"text_model\.": "text_model.",
}
#: The head of the vision tower, of which no vector comes, and buffers that early versions stored.
UNUSED = (r"vision_model\.(?:vision_model\.)?head\.", r".*\.rotary_emb\..*inv_freq$", r".*\.position_ids$")
#: What transformers calls it.
_HEAD = "vision_model.head."
_PROMPT = f"<|begin_of_text|>User:{PLACEHOLDER}Describe the image.<end_of_utterance>\nAssistant:"
#: Ends a query ten times, so that it says more than its words.
_AUGMENTATION = "<end_of_utterance>"
_AUGMENTATIONS = 10
#: What people write who send the model's own prompt beside an image.
_OWN = "Describe the image."
_LORA_HEADS = ("vlm.model.text_model.", "vlm.text_model.", "model.text_model.", "text_model.")


def _prompt(value: Any) -> str:
    """Return the prompt of images; an empty one is the class's own, as in transformers.

    Raises:
        ValueError: it has not one placeholder.
    """
    found = text(value) or _PROMPT
    if found.count(PLACEHOLDER) != 1:
        raise ValueError(f"a text with one {PLACEHOLDER}")
    return found


#: Source: `ColModernVBertProcessor` of transformers 5.23.
_SETTINGS = {
    "query_prefix": Setting(text, ""),
    "visual_prompt_prefix": Setting(_prompt, _PROMPT),
    "image_seq_len": Setting(count, 64),
}


class ColModernVBertAdapter:
    """Loads `ColModernVBertForRetrieval`."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> VisualPoolingModel:
        """Load a checkpoint.

        With `compat="vllm"`, texts are read with nothing but the special tokens of the tokenizer, and images, which
        are not cut, stand in front of them without marks. Configs are read in full either way.

        Raises:
            CheckpointError: weights or files are missing, do not fit, or say what cannot be computed as they mean it.
            InvalidRequest: an option means nothing for a late-interaction model.
        """
        check_options(options.pooler_config)
        reference = options.compat != "vllm"
        settings = read_settings(checkpoint, _SETTINGS)
        names = read_names(checkpoint.tensor_names(), checkpoint.name, PARTS, UNUSED)
        native = modernvbert_checkpoint(checkpoint)
        whole = {} if reference else {"do_image_splitting": False}
        images = FixedImages.of(checkpoint, {**(options.mm_processor_kwargs or {}), **whole})
        if images.kind != "idefics3":
            raise CheckpointError(
                f"The files of the image processor are for {type(images.processor).__name__}; ColModernVBERT models "
                "have an Idefics3ImageProcessor, which cuts pages into tiles."
            )
        model: Any = load_backbone(
            checkpoint=native,
            config=build_config(native),
            dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
            device=options.device,
            attn_implementation=None,
            key_mapping=names.renames,
            allowed_missing=(),
            allowed_unused=(*names.head.values(), *names.unused, _HEAD),
        )
        tile = _tile(model, images, settings)
        return assemble(
            native,
            options,
            _parts(model, images),
            name="ColModernVBERT",
            names=names,
            settings=settings,
            layouts=lambda tokenizer: _layouts(settings, tokenizer) if reference else _plain_layouts(tokenizer),
            tile=tile,
            marks=tile_marks(images.processor) if reference else _no_marks,
            closing=CLOSING if reference else "",
            around=_around,
        )


def _parts(model: Any, images: FixedImages) -> Parts:
    """Take ModernVBERT apart."""
    vision, connector = model.vision_model, model.connector

    def reference(ids: Tensor, pixels: Tensor | None) -> Tensor:
        hidden: Tensor = model(input_ids=ids, pixel_values=None if pixels is None else pixels[None]).last_hidden_state
        return hidden

    return Parts(
        language_model=model.text_model,
        vision=vision,
        rows=lambda pixels: connector(vision(pixels).last_hidden_state),
        reference=reference,
        images=images,
        image_token=model.config.image_token_id,
        tiles=2,
        lora_heads=_LORA_HEADS,
    )


def _tile(model: Any, images: FixedImages, settings: Settings) -> tuple[int, int]:
    """Return the rows and columns of tokens of a tile.

    Raises:
        CheckpointError: tiles are no squares that patches fill, or the processor writes another number of
            placeholders.
    """
    config = model.config
    step = config.vision_config.patch_size * config.pixel_shuffle_factor
    high, wide = images.tile
    if high != wide or high % step:
        raise CheckpointError(
            f"Tiles have {high} x {wide} pixels; needed are squares of a multiple of {step} pixels, which is "
            f"patch_size {config.vision_config.patch_size} times pixel_shuffle_factor {config.pixel_shuffle_factor}."
        )
    rows, columns = high // step, wide // step
    if settings["image_seq_len"] != rows * columns:
        raise CheckpointError(
            f"image_seq_len is {settings['image_seq_len']} ({settings.sources['image_seq_len']}), but a tile of "
            f"{high} x {wide} pixels has {rows} x {columns} tokens. One of the files belongs to another model."
        )
    return rows, columns


def _layouts(settings: Settings, tokenizer: Any) -> Layouts:
    """Return the layouts of a tokenizer.

    Source: `ColModernVBertProcessor` of transformers 5.23, which writes every text as a query; so do documents of
    text here.
    """
    around = _around(tokenizer)
    written = Layout(around.before + settings["query_prefix"], _AUGMENTATION * _AUGMENTATIONS + around.after)
    texts: dict[Role, Layout] = {"query": written, "document": written}
    prompt = settings["visual_prompt_prefix"]
    own = frozenset({_OWN} if _OWN in prompt else ())
    return Layouts(texts=texts, media={"image": Layout(around.before + prompt, around.after)}, dropped=own)


def _plain_layouts(tokenizer: Any) -> Layouts:
    """Return vLLM's: texts with the special tokens of the tokenizer, and images in front of all of it.

    Source: `ColModernVBertMultiModalProcessor` of vLLM 0.32.
    """
    around = _around(tokenizer)
    texts: dict[Role, Layout] = {"query": around, "document": around}
    return Layouts(texts=texts, media={"image": Layout(PLACEHOLDER + around.before, around.after)})


def _no_marks(_: Any) -> tuple[str, ...]:
    """Return that nothing stands in front of the only tile of an image."""
    return ("",)


def _around(tokenizer: Any) -> Layout:
    """Return the special tokens that a tokenizer puts around a text."""
    encoding = tokenizer("a", return_special_tokens_mask=True)
    tokens = tokenizer.convert_ids_to_tokens(encoding["input_ids"])
    own = [place for place, special in enumerate(encoding["special_tokens_mask"]) if not special]
    return Layout("".join(tokens[: own[0]]), "".join(tokens[own[-1] + 1 :]))
