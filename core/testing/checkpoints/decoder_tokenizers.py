"""Tokenizers of the decoder families, in the layouts of their published files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cenote.testing.checkpoints.pieces import byte_level_model, sentencepiece_bpe_model
from cenote.testing.checkpoints.tokenizer import TinyTokenizer, byte_level, ids_of, template

__all__ = ["DECODER_TOKENIZERS"]

#: How Qwen2 and Qwen3 split text into words.
_QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
#: The same for Llama 3: numbers by three digits.
_LLAMA3_PATTERN = _QWEN_PATTERN.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)


def _words(pattern: str) -> dict[str, Any]:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, byte_level(use_regex=False)]}


def _qwen(*, append_end: bool, words: tuple[str, ...] = (), more_special: tuple[str, ...] = ()) -> TinyTokenizer:
    """Qwen's byte-level BPE; the Qwen3-Embedding files append `<|endoftext|>`, the plain ones add nothing."""
    specials = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *more_special)
    model = byte_level_model((), specials, _QWEN_PATTERN, words)
    post = byte_level(trim_offsets=False, use_regex=False)
    ending = template(ids_of(model), [], ["<|endoftext|>"])
    return TinyTokenizer(
        model=model,
        special={"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        extra_special=specials,
        pipeline={
            "normalizer": {"type": "NFC"},
            "pre_tokenizer": _words(_QWEN_PATTERN),
            "post_processor": {"type": "Sequence", "processors": [post, ending]} if append_end else post,
            "decoder": byte_level(),
        },
        settings={"tokenizer_class": "Qwen2Tokenizer", "padding_side": "left", "add_prefix_space": False},
    )


def _llama3(more_special: tuple[str, ...] = ()) -> TinyTokenizer:
    specials = ("<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", *more_special)
    model = byte_level_model((), specials, _LLAMA3_PATTERN)
    begin = template(ids_of(model), ["<|begin_of_text|>"], [], ["<|begin_of_text|>"])
    return TinyTokenizer(
        model=model,
        special={"bos_token": specials[0], "eos_token": specials[1], "pad_token": specials[2]},
        extra_special=more_special,
        pipeline={
            "normalizer": None,
            "pre_tokenizer": _words(_LLAMA3_PATTERN),
            "post_processor": {"type": "Sequence", "processors": [byte_level(), begin]},
            "decoder": byte_level(),
        },
        settings={"tokenizer_class": "PreTrainedTokenizerFast"},
    )


def _byte_fallback_decoder() -> dict[str, Any]:
    replace = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    return {"type": "Sequence", "decoders": [replace, {"type": "ByteFallback"}, {"type": "Fuse"}]}


def _llama(*, append_end: bool) -> TinyTokenizer:
    """Llama 2's SentencePiece BPE; embedders made of Mistral append `</s>`."""
    model = sentencepiece_bpe_model(("<unk>", "<s>", "</s>"), "<unk>")
    space = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    return TinyTokenizer(
        model=model,
        special={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"},
        pipeline={
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, space]},
            "pre_tokenizer": None,
            "post_processor": template(ids_of(model), ["<s>"], ["</s>"] if append_end else [], ["<s>"]),
            "decoder": _byte_fallback_decoder(),
        },
        settings={
            "tokenizer_class": "LlamaTokenizer",
            "add_bos_token": True,
            "add_eos_token": append_end,
            "legacy": True,
        },
    )


def _gemma(*, append_end: bool, words: tuple[str, ...] = ()) -> TinyTokenizer:
    """Gemma's SentencePiece BPE; embeddinggemma appends `<eos>`."""
    model = sentencepiece_bpe_model(("<pad>", "<eos>", "<bos>", "<unk>", "<mask>"), "<unk>", words)
    roles = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return TinyTokenizer(
        model=model,
        special=roles,
        extra_special=("<mask>",),
        pipeline={
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"String": " "},
                "behavior": "MergedWithPrevious",
                "invert": False,
            },
            "post_processor": template(ids_of(model), ["<bos>"], ["<eos>"] if append_end else [], ["<bos>"]),
            "decoder": _byte_fallback_decoder(),
        },
        settings={"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "add_eos_token": append_end},
    )


def _paligemma() -> TinyTokenizer:
    """PaliGemma's: Gemma's with the placeholder of an image behind all others."""
    plain = _gemma(append_end=False)
    first = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    model = sentencepiece_bpe_model(first, "<unk>", (), ("<image>",))
    return replace(plain, model=model, extra_special=("<mask>", "<image>"))


def _eurobert() -> TinyTokenizer:
    """EuroBERT's: Llama 3's byte-level BPE, with a token at either end and a mask."""
    plain = _llama3(("<|mask|>",))
    ids = ids_of(plain.model)
    around = template(ids, ["<|begin_of_text|>"], ["<|end_of_text|>"])
    return replace(
        plain,
        special={
            "bos_token": "<|begin_of_text|>",
            "eos_token": "<|end_of_text|>",
            "pad_token": "<|end_of_text|>",
            "mask_token": "<|mask|>",
        },
        pipeline={**plain.pipeline, "post_processor": {"type": "Sequence", "processors": [byte_level(), around]}},
        extra_special=("<|finetune_right_pad_id|>",),
    )


def _internlm2() -> TinyTokenizer:
    """InternLM2's: Llama 2's SentencePiece BPE and the tokens of its conversations; its class is remote code."""
    chat = ("<|im_end|>", "<|im_start|>", "<|reward|>")
    model = sentencepiece_bpe_model(("<unk>", "<s>", "</s>"), "<unk>", (), chat)
    remote = "tokenization_internlm2"
    return replace(
        _llama(append_end=False),
        model=model,
        extra_special=chat,
        settings={
            "tokenizer_class": "InternLM2Tokenizer",
            "auto_map": {"AutoTokenizer": [f"{remote}.InternLM2Tokenizer", f"{remote}_fast.InternLM2TokenizerFast"]},
            "add_bos_token": True,
            "add_eos_token": False,
        },
    )


#: Words that rerankers made of language models read the probability of.
_ANSWERS = ("yes", "no", "Yes", "No", "0", "1")

#: Marks of images and videos in Qwen-VL's vocabularies, and one of the tokens that follow them.
_VISION = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>", "<|fim_pad|>")

#: Marks of images and places in the vocabularies of NVIDIA's Llamas, behind Llama 3's own tokens.
_IMAGES = ("<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>")

#: Builders by the name that families use.
DECODER_TOKENIZERS: Mapping[str, Callable[[], TinyTokenizer]] = {
    "gemma": lambda: _gemma(append_end=False),
    "eurobert": _eurobert,
    "gemma_images": _paligemma,
    "gemma_answers": lambda: _gemma(append_end=False, words=_ANSWERS),
    "gemma_embedder": lambda: _gemma(append_end=True),
    "internlm2": _internlm2,
    "llama": lambda: _llama(append_end=False),
    "llama3": _llama3,
    "llama3_chat": lambda: _llama3(("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")),
    "llama3_images": lambda: _llama3(_IMAGES),
    "mistral": lambda: _llama(append_end=True),
    "qwen2": lambda: _qwen(append_end=False),
    "qwen_answers": lambda: _qwen(append_end=False, words=_ANSWERS),
    "qwen_math": lambda: _qwen(append_end=False, more_special=("<extra_0>",)),
    "qwen3": lambda: _qwen(append_end=True),
    "qwen_vl": lambda: _qwen(append_end=False, more_special=_VISION),
    "qwen_vl_answers": lambda: _qwen(append_end=False, words=_ANSWERS, more_special=_VISION),
}
