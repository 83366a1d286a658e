"""`tokenizer.model` converted, against the SentencePiece library as InternLM2's own class calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from cenote import LLM
from cenote.checkpoints import open_checkpoint
from cenote.errors import CheckpointError
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.texts import sample_texts, training_lines
from cenote_reward.internlm2_tokenizer import convert_tokenizer

CHAT = {"<|reward|>": "[UNUSED_TOKEN_0]", "<|im_end|>": "[UNUSED_TOKEN_1]", "<|im_start|>": "[UNUSED_TOKEN_2]"}
SIZE = 500
ASIDE = {"model_type": "bpe", "minloglevel": 2, "pad_id": -1, "unk_id": 0, "bos_id": 1, "eos_id": 2}
#: As InternLM2: nothing is normalised, no space is put in front, unknown characters become bytes.
PLAIN = {
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "add_dummy_prefix": False,
    "byte_fallback": True,
    "user_defined_symbols": list(CHAT.values()),
    "vocab_size": SIZE,
    "split_digits": True,
}


def train(file: Path, **options: Any) -> None:
    """Train a tiny SentencePiece model."""
    chosen = PLAIN | options
    lines = iter(training_lines())
    with file.open("wb") as writer:
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=lines, model_writer=writer, **(ASIDE | chosen))


@pytest.fixture(scope="module")
def tokenizer_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, trained once."""
    file = tmp_path_factory.mktemp("spm") / "tokenizer.model"
    train(file)
    return file


def write(folder: Path, model: Path, **changes: Any) -> Path:
    """Put tokenizer files as InternLM2's into a folder with a config."""
    library = sentencepiece.SentencePieceProcessor(model_file=str(model))
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    decoder = {str(library.piece_to_id(piece)): {"content": text, **flags} for text, piece in CHAT.items()}
    decoder |= {str(i): {"content": text, **flags} for i, text in enumerate(("<unk>", "<s>", "</s>"))}
    stored = {"tokenizer_class": "InternLM2Tokenizer", "added_tokens_decoder": decoder, "chat_template": "x"}
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer_config.json").write_text(json.dumps(stored | changes))
    (folder / "tokenizer.model").write_bytes(model.read_bytes())
    if not (folder / "config.json").is_file():
        (folder / "config.json").write_text("{}")
    return folder


def convert(folder: Path) -> PreTrainedTokenizerBase:
    """Return the converted tokenizer."""
    found = convert_tokenizer(open_checkpoint(str(folder)))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def converted(tokenizer_model: Path, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    """The converted tokenizer."""
    return convert(write(tmp_path_factory.mktemp("converted"), tokenizer_model))


def library_ids(model: Path, text: str) -> list[int]:
    """Tokenise as InternLM2's slow class: special tokens first, SentencePiece on what is between them."""
    library = sentencepiece.SentencePieceProcessor(model_file=str(model))
    special = {text: library.piece_to_id(piece) for text, piece in CHAT.items()} | {"<unk>": 0, "<s>": 1, "</s>": 2}
    ids: list[int] = []
    for part in re.split(f"({'|'.join(map(re.escape, special))})", text):
        ids += [special[part]] if part in special else library.encode(part)
    return ids


@pytest.mark.parametrize("text", [*sample_texts(), *training_lines(), "", " ", "  two  spaces ", "\n\n", "\u2581"])
def test_texts_have_the_ids_of_the_library(
    text: str, tokenizer_model: Path, converted: PreTrainedTokenizerBase
) -> None:
    assert converted.encode(text, add_special_tokens=False) == library_ids(tokenizer_model, text)
    assert converted.encode(text) == [1, *library_ids(tokenizer_model, text)]


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.one_of(st.sampled_from("aeinorstu thedl.,<|>im_\n"), st.characters(exclude_categories=["Cs"]))))
def test_any_text_has_the_ids_of_the_library(
    text: str, tokenizer_model: Path, converted: PreTrainedTokenizerBase
) -> None:
    assert converted.encode(text, add_special_tokens=False) == library_ids(tokenizer_model, text)


def test_tokens_of_the_chat_take_the_place_of_unused_pieces(
    tokenizer_model: Path, converted: PreTrainedTokenizerBase
) -> None:
    text = "<s><|im_start|>user\nHow deep is the well?<|im_end|>\n<|reward|>"
    ids = converted.encode(text, add_special_tokens=False)
    assert ids == library_ids(tokenizer_model, text)
    assert ids[0] == 1
    assert converted.convert_ids_to_tokens([ids[-1]]) == ["<|reward|>"]
    assert converted.decode(ids) == text


def test_a_space_in_front_and_characters_without_bytes_are_as_in_the_library(tmp_path: Path) -> None:
    train(tmp_path / "other.model", add_dummy_prefix=True, byte_fallback=False)
    tokenizer = convert(write(tmp_path / "folder", tmp_path / "other.model"))
    for text in (*sample_texts(), "<|im_start|>user\nx", "\U0001f9ff\U0001f9ff two \U0001f9ff"):
        found = tokenizer.encode(text, add_special_tokens=False)
        assert found == library_ids(tmp_path / "other.model", text)


@pytest.mark.parametrize(("begin", "end"), [(True, True), (False, False), (False, True)])
def test_settings_choose_the_tokens_around_a_text(
    begin: bool, end: bool, tokenizer_model: Path, tmp_path: Path
) -> None:
    tokenizer = convert(write(tmp_path, tokenizer_model, add_bos_token=begin, add_eos_token=end))
    bare = library_ids(tokenizer_model, "a text")
    assert tokenizer.encode("a text") == [1] * begin + bare + [2] * end


def test_the_model_reads_it(tokenizer_model: Path, build_internlm2: Callable[..., Path]) -> None:
    folder = build_internlm2(reward_token_id=3)
    template = json.loads((folder / "tokenizer_config.json").read_text())["chat_template"]
    (folder / "tokenizer.json").unlink()
    write(folder, tokenizer_model, chat_template=template)
    with LLM(str(folder)) as model:
        (output,) = model.reward({"messages": [{"role": "user", "content": "How deep?"}]}, use_tqdm=False)
    text = "<s><|im_start|>user\nHow deep?<|im_end|>\n<|reward|>"
    assert output.prompt_token_ids == library_ids(tokenizer_model, text)


BROKEN: list[dict[str, Any]] = [
    {"model_type": "unigram"},
    {"normalization_rule_name": "nmt_nfkc"},
    {"remove_extra_whitespaces": True},
    {"treat_whitespace_as_suffix": True},
]


@pytest.mark.parametrize("options", BROKEN, ids=str)
def test_what_cannot_be_converted_exactly_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    train(tmp_path / "other.model", **options)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        convert(write(tmp_path / "folder", tmp_path / "other.model"))


def test_broken_files_are_named(tokenizer_model: Path, tmp_path: Path) -> None:
    folder = write(tmp_path, tokenizer_model)
    for content in (b"", tokenizer_model.read_bytes()[:-7], b"\x0b nonsense"):
        (folder / "tokenizer.model").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"tokenizer\.model"):
            convert(folder)


def test_tokens_that_contradict_the_model_are_refused(tokenizer_model: Path, tmp_path: Path) -> None:
    added = {"7": {"content": "<s>", "special": True}}
    with pytest.raises(CheckpointError, match="do not agree"):
        convert(write(tmp_path, tokenizer_model, added_tokens_decoder=added))


def test_a_fast_tokenizer_is_left_to_the_core(tmp_path: Path) -> None:
    assert convert_tokenizer(open_checkpoint(str(build_checkpoint("internlm2_reward", tmp_path)))) is None
