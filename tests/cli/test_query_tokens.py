"""Which tokens of a query are its own, on models that put markers, prefixes and filling around it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cenote import LLM
from cenote.cli.query_tokens import QueryToken, choose_tokens, query_tokens
from cenote.errors import InvalidRequest
from cenote.testing.checkpoints import build_checkpoint

Tell = Callable[[str], list[QueryToken]]


@pytest.fixture(scope="module")
def tell(tmp_path_factory: pytest.TempPathFactory) -> Tell:
    """Return the tokens of a query as a ColBERT model reads it: [CLS], a marker, the words, [SEP], then [MASK]s."""
    folder = build_checkpoint("colbert_v2", tmp_path_factory.mktemp("colbert") / "m")
    llm = LLM(str(folder))

    def call(query: str) -> list[QueryToken]:
        (output,) = llm.encode([query], pooling_task="token_embed", role="query", use_tqdm=False)
        return query_tokens(llm, query, output.prompt_token_ids, output.outputs.positions or ())

    return call


@pytest.mark.parametrize("query", ["what is a cenote", "0", "§", "a 0", "[MASK] or not", "cls"])
def test_markers_and_filling_are_not_the_querys_own(tell: Tell, query: str) -> None:
    tokens = tell(query)
    own = [token for token in tokens if token.is_own]
    assert [token.vector for token in tokens] == list(range(32))
    assert [token.vector for token in own] == list(range(2, 2 + len(own)))
    spelled = "".join(token.text for token in own).replace(" ", "")
    assert spelled == query.replace(" ", "") or "[UNK]" in spelled
    assert len(own) < 29


def test_a_word_is_all_of_its_tokens_and_a_number_one(tell: Tell) -> None:
    tokens = tell("what is a cenote")
    chosen = choose_tokens(tokens, "Cenote")
    assert "".join(token.text for token in chosen).strip() == "cenote"
    assert choose_tokens(tokens, "0") == [tokens[0]]
    assert choose_tokens(tokens, str(chosen[0].vector)) == [chosen[0]]


@pytest.mark.parametrize("wanted", ["bread", "[MASK]", "32", " ", "-1"])
def test_an_unknown_token_is_refused_with_those_that_there_are(tell: Tell, wanted: str) -> None:
    with pytest.raises(InvalidRequest, match=r"has no token .*Its tokens are: 2 '") as caught:
        choose_tokens(tell("what is a cenote"), wanted)
    assert caught.value.param == "token"


@pytest.mark.parametrize(
    ("wanted", "expected"), [("çok", [1, 2, 3]), ("ok", [3]), ("a", [0]), ("2024", [4]), ("4", [4])]
)
def test_words_are_found_though_tokens_are_pieces_of_characters(wanted: str, expected: list[int]) -> None:
    texts = ["a ", "", "ç", "ok ", "2024"]
    tokens = [QueryToken(place, text, is_own=True) for place, text in enumerate(texts)]
    assert [token.vector for token in choose_tokens(tokens, wanted)] == expected
