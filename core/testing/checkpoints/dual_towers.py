"""CLIP and SigLIP: a text tower and a vision tower, and what prepares images for the second."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.pieces import unigram_model
from cenote.testing.checkpoints.tokenizer import TinyTokenizer, byte_level, ids_of, metaspace, template
from cenote.testing.texts import training_lines

__all__ = ["DUAL_TOWERS"]

_TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_VISION = {**_TOWER, "image_size": 32, "patch_size": 16, "num_channels": 3}
#: How CLIP splits a text into words.
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_PUNCTUATION = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"


def _clip_normalizer() -> Any:
    return normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])


@lru_cache
def _clip_model(last: tuple[str, ...]) -> dict[str, Any]:
    """Return the `model` entry of CLIP's BPE, whose pieces at the end of a word are marked."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = _clip_normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    # The trainer numbers pieces at the end of words by a hash; as special ones their ids are fixed.
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[*letters, *(f"{letter}</w>" for letter in letters)],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_lines(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab = dict(model["vocab"])
    vocab.update({token: len(vocab) + index for index, token in enumerate(last)})
    return {**model, "vocab": vocab, "unk_token": last[-1], "continuing_subword_prefix": ""}


def _clip_tokenizer() -> TinyTokenizer:
    start, end = "<|startoftext|>", "<|endoftext|>"
    model = _clip_model((start, end))
    ids = ids_of(model)
    split = {"type": "Split", "pattern": {"Regex": _WORDS}, "behavior": "Removed", "invert": True}
    return TinyTokenizer(
        model=model,
        special={"bos_token": start, "eos_token": end, "unk_token": end, "pad_token": end},
        pipeline={
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    {"type": "NFC"},
                    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                    {"type": "Lowercase"},
                ],
            },
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level()]},
            "post_processor": {
                "type": "RobertaProcessing",
                "sep": [end, ids(end)],
                "cls": [start, ids(start)],
                "trim_offsets": False,
                "add_prefix_space": False,
            },
            "decoder": byte_level(),
        },
        settings={"tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "errors": "replace"},
    )


def _siglip_tokenizer() -> TinyTokenizer:
    """SigLIP's: SentencePiece over texts in lower case, without punctuation."""
    model = unigram_model(("<unk>", "</s>"), "<unk>")
    removed = {"type": "Replace", "pattern": {"Regex": _PUNCTUATION}, "content": ""}
    spaces = {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}
    strip = {"type": "Strip", "strip_left": True, "strip_right": True}
    return TinyTokenizer(
        model=model,
        special={"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"},
        pipeline={
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, removed, spaces, strip]},
            "pre_tokenizer": metaspace(),
            "post_processor": template(ids_of(model), [], ["</s>"]),
            "decoder": metaspace(),
        },
        settings={"tokenizer_class": "SiglipTokenizer", "do_lower_case": True, "model_input_names": ["input_ids"]},
    )


def _clip_config(tokenizer: TinyTokenizer) -> dict[str, Any]:
    # Published configs name the wrong end token.
    text = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "max_position_embeddings": 77}
    return {
        "model_type": "clip",
        "projection_dim": 24,
        "logit_scale_init_value": 2.6592,
        "text_config": {
            "model_type": "clip_text_model",
            **_TOWER,
            **text,
            "vocab_size": tokenizer.vocab_size,
            "hidden_act": "quick_gelu",
        },
        "vision_config": {"model_type": "clip_vision_model", **_VISION, "hidden_act": "quick_gelu"},
    }


def _siglip_config(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "model_type": "siglip",
        "text_config": {
            "model_type": "siglip_text_model",
            **_TOWER,
            "max_position_embeddings": 64,
            "vocab_size": tokenizer.vocab_size,
            "pad_token_id": tokenizer.role("pad_token"),
            "bos_token_id": tokenizer.role("eos_token"),
            "eos_token_id": tokenizer.role("eos_token"),
        },
        "vision_config": {"model_type": "siglip_vision_model", **_VISION},
    }


def _clip_files(_: TinyTokenizer) -> dict[str, Any]:
    return {
        "preprocessor_config.json": {
            "crop_size": 32,
            "do_center_crop": True,
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "CLIPFeatureExtractor",
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "resample": 3,
            "size": 32,
        }
    }


def _siglip_files(_: TinyTokenizer) -> dict[str, Any]:
    return {
        "preprocessor_config.json": {
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "SiglipImageProcessor",
            "image_std": [0.5, 0.5, 0.5],
            "processor_class": "SiglipProcessor",
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"height": 32, "width": 32},
        }
    }


DUAL_TOWERS: tuple[Family, ...] = (
    # openai/clip-vit-base-patch32
    Family(
        name="clip",
        model_class="CLIPModel",
        architecture="CLIPModel",
        tokenizer=_clip_tokenizer,
        config=_clip_config,
        files=_clip_files,
        side_files=False,
        extra_tensors={
            "text_model.embeddings.position_ids": (1, 77),
            "vision_model.embeddings.position_ids": (1, 5),
        },
    ),
    # google/siglip-base-patch16-224
    Family(
        name="siglip",
        model_class="SiglipModel",
        architecture="SiglipModel",
        tokenizer=_siglip_tokenizer,
        config=_siglip_config,
        files=_siglip_files,
        side_files=False,
        # The last token is padding in most texts; attention must be strong for words to show there.
        gain=2.5,
    ),
)
