"""SigLIP's slow tokenizer, the reference, against a `tokenizer.json` converted from the same SentencePiece model."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import sentencepiece
from tokenizers import processors
from transformers import SiglipTokenizer
from transformers.convert_slow_tokenizer import SpmConverter

from cenote.adapters.dual_text import tower_tokenizer
from cenote.checkpoints import Checkpoint
from cenote.inputs import TextEncoder
from cenote.testing.texts import sample_texts, training_lines
from cenote.types import Prompt, TokenizationOptions

TEXTS = ["How deep, is the well?", "  Spaces   around \n", "Water-fall's edge.", "RAIN", "a (very) {deep} [well]~"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("siglip")
    (folder / "lines").write_text("\n".join(training_lines()).lower())
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "lines"),
        model_prefix=str(folder / "spiece"),
        vocab_size=300,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    converted = SpmConverter(SimpleNamespace(vocab_file=str(folder / "spiece.model"))).converted()
    converted.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    converted.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "SiglipTokenizer",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "</s>",
        "model_max_length": 64,
        "do_lower_case": True,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("text", [*TEXTS, *(text[:200] for text in sample_texts() if text.isascii())])
def test_token_ids_equal_those_of_the_slow_tokenizer(folder: Path, text: str) -> None:
    tokenizer = tower_tokenizer(Checkpoint(path=folder, name="siglip", config={}), None)
    encoder = TextEncoder(tokenizer, max_tokens=500)
    expected = SiglipTokenizer(str(folder / "spiece.model"))(text)["input_ids"]
    assert list(encoder.encode(Prompt(text=text), TokenizationOptions()).token_ids) == expected
