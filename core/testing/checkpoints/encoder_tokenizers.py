"""Tokenizers of the encoder families, in the layouts of their published files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cenote.testing.checkpoints.pieces import byte_level_model, unigram_model, wordpiece_model
from cenote.testing.checkpoints.tokenizer import TinyTokenizer, byte_level, ids_of, metaspace, template

__all__ = ["ENCODER_TOKENIZERS"]

_BERT_PIPELINE = {
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
}
_BERT_ROLES = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
_ROBERTA_ROLES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}


def _bert(tokenizer_class: str, *, stored_limits: bool = False) -> TinyTokenizer:
    """BERT's WordPiece; `stored_limits` cut and pad to 24 in the file, as all-MiniLM-L6-v2's does to 128."""
    model = wordpiece_model(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), "[UNK]")
    settings = {"tokenizer_class": tokenizer_class, "do_lower_case": True, "strip_accents": None}
    padding = {"strategy": {"Fixed": 24}, "direction": "Right", "pad_to_multiple_of": None}
    return TinyTokenizer(
        model=model,
        special=_BERT_ROLES,
        pipeline={**_BERT_PIPELINE, "post_processor": template(ids_of(model), ["[CLS]"], ["[SEP]"])},
        settings={**settings, "tokenize_chinese_chars": True},
        truncation={"max_length": 24, "strategy": "LongestFirst", "stride": 0} if stored_limits else None,
        padding={**padding, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"} if stored_limits else None,
    )


def _mpnet() -> TinyTokenizer:
    model = wordpiece_model(("<s>", "<pad>", "</s>", "<unk>", "[UNK]"), "[UNK]", ("<mask>",))
    post = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True}
    return TinyTokenizer(
        model=model,
        special={**_ROBERTA_ROLES, "unk_token": "[UNK]"},
        pipeline={**_BERT_PIPELINE, "post_processor": {**post, "add_prefix_space": False}},
        settings={"tokenizer_class": "MPNetTokenizer", "do_lower_case": True, "strip_accents": None},
    )


def _roberta() -> TinyTokenizer:
    model = byte_level_model(("<s>", "<pad>", "</s>", "<unk>"), ("<mask>",))
    post = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True}
    return TinyTokenizer(
        model=model,
        special=_ROBERTA_ROLES,
        pipeline={
            "normalizer": None,
            "pre_tokenizer": byte_level(),
            "post_processor": {**post, "add_prefix_space": False},
            "decoder": byte_level(),
        },
        settings={"tokenizer_class": "RobertaTokenizer", "add_prefix_space": False, "trim_offsets": True},
    )


def _modernbert(images: tuple[str, ...] = ()) -> TinyTokenizer:
    """ModernBERT's byte-level BPE; `images` are further special tokens behind all others."""
    last = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", *images)
    model = byte_level_model(("<|endoftext|>", "<|padding|>"), last, "", _LINES if images else ())
    return TinyTokenizer(
        model=model,
        special=_BERT_ROLES,
        extra_special=("<|endoftext|>", "<|padding|>", *images),
        pipeline={
            "normalizer": {"type": "NFC"},
            "pre_tokenizer": byte_level(),
            "post_processor": template(ids_of(model), ["[CLS]"], ["[SEP]"]),
            "decoder": byte_level(),
        },
        settings={
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_input_names": ["input_ids", "attention_mask"],
        },
    )


def _xlm_roberta() -> TinyTokenizer:
    """XLM-R's Unigram; the published file's 300 kB table of NFKC replacements is left out."""
    model = unigram_model(("<s>", "<pad>", "</s>", "<unk>"), "<unk>", ("<mask>",))
    split = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace()]}
    return TinyTokenizer(
        model=model,
        special=_ROBERTA_ROLES,
        pipeline={
            "normalizer": None,
            "pre_tokenizer": split,
            "post_processor": template(ids_of(model), ["<s>"], ["</s>"], ["</s>"]),
            "decoder": metaspace(),
        },
        settings={"tokenizer_class": "XLMRobertaTokenizer"},
    )


def _deberta() -> TinyTokenizer:
    model = unigram_model(("[PAD]", "[CLS]", "[SEP]", "[UNK]"), "[UNK]", ("[MASK]",))
    return TinyTokenizer(
        model=model,
        special={**_BERT_ROLES, "bos_token": "[CLS]", "eos_token": "[SEP]"},
        pipeline={
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
            "pre_tokenizer": metaspace(),
            "post_processor": template(ids_of(model), ["[CLS]"], ["[SEP]"]),
            "decoder": metaspace(),
        },
        settings={
            "tokenizer_class": "DebertaV2Tokenizer",
            "do_lower_case": False,
            "split_by_punct": False,
            "vocab_type": "spm",
        },
    )


#: Two ends of lines, which are one token in ModernBERT's vocabulary.
_LINES = ("\u010a\u010a",)
#: Marks of images and their tiles, in six rows and columns at most.
_TILES = (
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
    "<global-img>",
    "<fake_token_around_image>",
    "<end_of_utterance>",
    "<image>",
)

#: Builders by the name that families use.
ENCODER_TOKENIZERS: Mapping[str, Callable[[], TinyTokenizer]] = {
    "bert": lambda: _bert("BertTokenizer", stored_limits=True),
    "deberta": _deberta,
    "distilbert": lambda: _bert("DistilBertTokenizer"),
    "electra": lambda: _bert("ElectraTokenizer"),
    "modernbert": lambda: _modernbert(),
    "modernbert_images": lambda: _modernbert(_TILES),
    "modernbert_images_begin": lambda: _modernbert(("<|begin_of_text|>", *_TILES)),
    "mpnet": _mpnet,
    "nomic": lambda: _bert("BertTokenizer"),
    "roberta": _roberta,
    "xlm_roberta": _xlm_roberta,
}
