"""Names of terms: readable, the same in every text, and no two alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint
from cenote_sparse_terms.labels import term_labels


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the tokens of a byte-level vocabulary."""
    with LLM(str(build_checkpoint("splade_roberta", tmp_path_factory.mktemp("roberta")))) as model:
        return model.token_texts(range(model.limits.embedding_size))


def test_words_of_wordpiece_are_as_they_are() -> None:
    assert term_labels(["[CLS]", "water", "##er", "naïve"]) == ["[CLS]", "water", "##er", "naïve"]


def test_the_space_of_sentencepiece_is_a_space() -> None:
    assert term_labels(["<s>", "▁water", "water", "▁"]) == ["<s>", " water", "water", " "]


def test_byte_level_tokens_are_text(letters: list[str]) -> None:
    more = ["Ġcenotaph", "cenotaph", "ÃŁĠ", "Ġgroà"]
    found = term_labels([*letters, *more])[len(letters) :]
    assert found == [" cenotaph", "cenotaph", "ß ", "Ġgroà"]  # the last one ends within a character
    assert "<s>" in term_labels(letters)


def test_what_looks_alike_gets_its_id() -> None:
    assert term_labels(["water", "", "salt", "water", ""]) == ["water#0", "#1", "salt", "water#3", "#4"]


def test_a_name_with_an_id_is_no_other_tokens_text() -> None:
    found = term_labels(["water", "water", "water#0", "water##0"])
    assert found == ["water###0", "water#1", "water#0", "water##0"]
    assert len(set(found)) == 4


@pytest.mark.parametrize("family", ["splade", "splade_distilbert", "splade_roberta", "splade_modernbert"])
def test_every_id_of_a_vocabulary_has_a_name_of_its_own(family: str, tmp_path: Path) -> None:
    with LLM(str(build_checkpoint(family, tmp_path))) as model:
        found = term_labels(model.token_texts(range(model.limits.embedding_size)))
    assert len(set(found)) == len(found) == model.limits.embedding_size
