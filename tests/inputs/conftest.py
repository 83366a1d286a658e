"""Small tokenizers of every kind that matters for cutting texts, trained on the spot, and texts hard to cut."""

from __future__ import annotations

import inspect
import json
import random
import re
import string
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from tokenizers import (
    AddedToken,
    Encoding,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from cenote.inputs.content import ContentTokenizer


class Counting:
    """A rust tokenizer that notes how many characters it tokenises."""

    def __init__(self, rust: Tokenizer) -> None:
        self._rust = rust
        self.characters = 0

    def encode(self, text: str, **settings: Any) -> Encoding:
        self.characters += len(text)
        return self._rust.encode(text, **settings)

    def encode_batch_fast(self, texts: list[str], **settings: Any) -> list[Encoding]:
        self.characters += sum(map(len, texts))
        return self._rust.encode_batch_fast(texts, **settings)


CJK = (
    "我们今天去公园散步，天气很好。人工智能正在改变世界，机器学习模型可以理解文本。"  # noqa: RUF001
    "東京は日本の首都です。私は毎日学校に行きます。한국어 문장도 있습니다. 안녕하세요 세계. "
)
OTHERS = "Привет, мир! Это пример текста. Ça va très bien, naïve façade déjà vu. ΣΑΣ "
CODE = "".join(inspect.getsource(module) for module in (json, json.decoder, re, textwrap, inspect))
CORPUS = [CODE, CJK * 20, OTHERS * 20]
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _around(tokenizer: Tokenizer, head: str, tail: str) -> None:
    """Put special tokens around one text."""
    ids = [(name, tokenizer.token_to_id(name)) for name in (head, tail) if name]
    single = " ".join(part for part in (head, "$A", tail) if part)
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=ids)


def wordpiece() -> Tokenizer:
    """As BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=1500, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True)])
    _around(tokenizer, "[CLS]", "[SEP]")
    return tokenizer


def byte_level() -> Tokenizer:
    """As RoBERTa: GPT-2's own splitting, and added tokens made of white space."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    _train_bytes(tokenizer)
    tokenizer.add_tokens(["    ", "\n\n"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return tokenizer


def byte_level_split() -> Tokenizer:
    """As Qwen and Llama 3: a splitting pattern of its own, and one special token behind the text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    parts = [pre_tokenizers.Split(Regex(QWEN_SPLIT), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    _train_bytes(tokenizer)
    _around(tokenizer, "", "</s>")
    return tokenizer


def _train_bytes(tokenizer: Tokenizer) -> None:
    alphabet, special = pre_tokenizers.ByteLevel.alphabet(), ["<s>", "</s>", "<pad>"]
    trainer = trainers.BpeTrainer(
        vocab_size=1500, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True), "<|im_start|>"])


def unigram(scheme: str = "always", *, by_space: bool = True, split: bool = True) -> Tokenizer:
    """As XLM-R, or as T5 and others where only the marks for spaces separate words."""
    tokenizer = Tokenizer(models.Unigram())
    steps = [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    marks = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), marks]) if by_space else marks
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    # Prunes in a few large steps: a third of the time, for a vocabulary that is as hard to cut.
    steep: dict[str, Any] = {"shrinking_factor": 0.3, "n_sub_iterations": 1}
    trainer = trainers.UnigramTrainer(
        vocab_size=1500, special_tokens=special, unk_token="<unk>", show_progress=False, **steep
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    _around(tokenizer, "<s>", "</s>")
    return tokenizer


def whole_text_bpe() -> Tokenizer:
    """As Llama 2 and Gemma: no splitting at all before the merges."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    special = ["<unk>", "<s>", "</s>", "<pad>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=special, show_progress=False)
    words = (word for text in CORPUS for word in re.findall(r" ?\S+|\s+", text))
    tokenizer.train_from_iterator(words, trainer)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    _around(tokenizer, "<s>", "")
    return tokenizer


MAKERS: dict[str, Callable[[], Tokenizer]] = {
    "wordpiece": wordpiece,
    "byte-level": byte_level,
    "byte-level-split": byte_level_split,
    "unigram": unigram,
    "unigram-marks-only": lambda: unigram("first", by_space=False),
    "unigram-across-words": lambda: unigram("first", by_space=False, split=False),
    "whole-text-bpe": whole_text_bpe,
}


@cache
def _trained(kind: str) -> Tokenizer:
    return MAKERS[kind]()


@pytest.fixture(params=sorted(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind of tokenizer in turn."""
    return str(request.param)


@pytest.fixture
def trained() -> Callable[[str], Tokenizer]:
    """Give the tokenizer of a kind, trained once; tests must not change it."""
    return _trained


@cache
def _content(kind: str) -> ContentTokenizer:
    return ContentTokenizer(_trained(kind))


@pytest.fixture
def content(kind: str) -> ContentTokenizer:
    """What cuts texts, for every kind in turn, made once; tests must not change it."""
    return _content(kind)


@pytest.fixture
def counting() -> Callable[[ContentTokenizer], Counting]:
    """Note from now on how much text is really tokenised."""

    def watch(content: ContentTokenizer) -> Counting:
        counting = Counting(content.rust)
        content.rust = counting  # type: ignore[assignment]
        return counting

    return watch


@pytest.fixture
def fast() -> Callable[..., PreTrainedTokenizerFast]:
    """Give the tokenizer of a kind as transformers wraps it."""

    def wrap(kind: str, **settings: str) -> PreTrainedTokenizerFast:
        rust = _trained(kind)
        known = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "<s>", "</s>", "<pad>", "<unk>")
        own = [name for name in known if rust.token_to_id(name) is not None]
        return PreTrainedTokenizerFast(tokenizer_object=rust, additional_special_tokens=own, **settings)

    return wrap


_WORDS = CODE.split()


def _slice(rng: random.Random, text: str, most: int) -> str:
    start = rng.randrange(len(text) - 1)
    return text[start : start + rng.randint(1, most)]


#: Parts that random texts are made of, hard to cut in one way or another.
_PARTS: tuple[Callable[[random.Random], str], ...] = (
    lambda rng: " ".join(rng.choices(_WORDS, k=rng.randint(1, 20))) + rng.choice([" ", "", "\n"]),
    lambda rng: _slice(rng, CODE, 200),
    lambda rng: _slice(rng, CJK, 60),
    lambda rng: _slice(rng, OTHERS, 60),
    lambda rng: " " * rng.choice([1, 2, 3, 7, 60, 300]),
    lambda rng: rng.choice("aeo k") + "".join(rng.choices("\u0301\u0308\u0327\u3099", k=rng.randint(1, 5))),
    lambda rng: rng.choice(["😀", "👩\u200d👩\u200d👧", "🇩🇪", "❤\ufe0f", "👍🏽"]) * rng.randint(1, 4),
    lambda rng: "".join(rng.choices(string.digits, k=rng.choice([1, 3, 4, 50, 400]))),
    lambda rng: "".join(rng.choices(string.punctuation, k=rng.randint(1, 30))),
    lambda rng: "".join(rng.choices(string.ascii_letters, k=rng.choice([90, 110, 500]))),
    lambda rng: rng.choice(["", " ", "   ", "\n"]) + rng.choice(["<mask>", "[MASK]", "<|im_start|>", "[SEP]", "<|im"]),
    lambda rng: rng.choice(["\n", "\r\n", "\n\n", "\t\t", "\u00a0", "\u3000", "\u2028"]),
    lambda rng: rng.choice(["\u200d", "\u200b", "\ufeff", "\0", "\x01", "\u0130", "\ufb01", "\u212b"]),
)


@pytest.fixture
def random_text() -> Callable[[random.Random, int], str]:
    """Make texts of at least so many characters from a few kinds of parts."""

    def make(rng: random.Random, length: int) -> str:
        parts = rng.sample(_PARTS, rng.randint(1, 6))
        text = ""
        while len(text) < length:
            text += rng.choice(parts)(rng)
        return text

    return make
