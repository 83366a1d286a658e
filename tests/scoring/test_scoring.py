"""Ways of scoring: which texts are paired, what is read, and the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cenote.errors import InvalidRequest, UnknownPlugin, UnsupportedTask, WrongType
from cenote.kernels.maxsim.reference import maxsim
from cenote.scoring import choose_scorer, pair_up
from cenote.scoring.texts import ScoreSide, score_prompts
from cenote.types import Prompt

EMBEDDER = ("embed", "token_embed")


def test_one_query_meets_every_document_and_many_queries_meet_one_each() -> None:
    assert pair_up(1, 3) == [(0, 0), (0, 1), (0, 2)]
    assert pair_up(2, 2) == [(0, 0), (1, 1)]
    assert pair_up(1, 1) == [(0, 0)]


@pytest.mark.parametrize(("left", "right"), [(2, 3), (3, 2), (2, 1), (0, 1), (1, 0), (0, 0)])
def test_other_numbers_of_texts_are_refused(left: int, right: int) -> None:
    with pytest.raises(InvalidRequest):
        pair_up(left, right)


def test_a_side_is_a_text_texts_or_text_parts() -> None:
    parts = {"content": [{"type": "text", "text": "two"}, "lines"]}
    assert _texts("one") == ["one"]
    assert _texts(["one", parts, {"content": "three"}]) == ["one", "two\nlines", "three"]
    assert _texts([{"text": "four"}, {"text": ""}, Prompt(text="five")]) == ["four", "", "five"]


def _texts(side: ScoreSide) -> list[str | None]:
    prompts = score_prompts(side, "data_1")
    assert not any(prompt.media for prompt in prompts)
    return [prompt.text for prompt in prompts]


@pytest.mark.parametrize(
    "side",
    [5, [5], None, bytearray(b"bytes"), {"texts": "x"}, {"text": 5}, {"content": []}, {"content": [{"type": "poem"}]}],
)
def test_what_is_no_text_is_refused_with_its_place(side: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        score_prompts(side, "documents")  # type: ignore[arg-type]
    assert caught.value.param == "documents"


def test_images_come_alone_and_in_lists() -> None:
    grey, pillow, encoded = np.zeros((2, 3), np.uint8), Image.new("L", (3, 2)), b"encoded"
    items: list[Any] = ["a text", grey, pillow, encoded, {"image": encoded, "text": "b"}]
    prompts = score_prompts(items, "data_2")
    assert [len(prompt.media) for prompt in prompts] == [0, 1, 1, 1, 1]
    assert [score_prompts(item, "data_1") for item in items] == [[prompt] for prompt in prompts]
    with pytest.raises(WrongType, match="An image as an array is uint8"):
        score_prompts([np.zeros((2, 3))], "data_2")
    with pytest.raises(WrongType, match=r"data_2\[0\] must be a text"):
        score_prompts([np.array(["a"])], "data_2")


def test_the_default_task_decides_how_an_embedder_scores() -> None:
    assert choose_scorer(None, EMBEDDER, "embed").task == "embed"
    assert choose_scorer(None, EMBEDDER, "token_embed").task == "token_embed"
    assert choose_scorer("colbert", EMBEDDER, "embed").task == "token_embed"


def test_a_classifier_with_one_label_reads_pairs() -> None:
    assert choose_scorer(None, ("classify", "score", "token_classify"), "classify").task == "score"


def test_a_classifier_with_several_labels_cannot_score() -> None:
    with pytest.raises(UnsupportedTask, match=r"cannot score pairs.*exactly one label"):
        choose_scorer(None, ("classify", "token_classify"), "classify")


def test_a_way_that_the_model_lacks_is_refused() -> None:
    with pytest.raises(UnsupportedTask, match="needs the task 'score'"):
        choose_scorer("cross-encoder", EMBEDDER, "embed")
    with pytest.raises(UnknownPlugin, match="telepathy"):
        choose_scorer("telepathy", EMBEDDER, "embed")


def test_the_cosine_does_not_depend_on_length() -> None:
    scorer = choose_scorer("dense", EMBEDDER, "embed")
    vectors = [torch.tensor([3.0, 0.0]), torch.tensor([1.0, 1.0]), torch.tensor([0.0, 2.0])]
    scores = scorer.scores(vectors, 1, [(0, 0), (0, 1)])
    torch.testing.assert_close(scores, torch.tensor([0.5**0.5, 0.0]))


def test_the_cosine_of_a_text_with_itself_is_never_above_one() -> None:
    scorer = choose_scorer("dense", EMBEDDER, "embed")
    vectors = [torch.randn(64, generator=torch.Generator().manual_seed(seed)) for seed in range(50)]
    scores = scorer.scores([*vectors, *vectors], 50, [(place, place) for place in range(50)])
    assert float(scores.max()) <= 1.0


def test_maxsim_equals_the_formula_written_out() -> None:
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(5, 8, generator=generator)
    documents = [torch.randn(n, 8, generator=generator) for n in (1, 7, 3)]
    expected = [sum(max(float(q @ d) for d in document) for q in query) for document in documents]
    found = maxsim(query, torch.cat(documents), lengths=[1, 7, 3])
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_late_interaction_scores_each_query_with_its_own_document() -> None:
    scorer = choose_scorer("colbert", EMBEDDER, "embed")
    generator = torch.Generator().manual_seed(2)
    results = [torch.randn(n, 4, generator=generator) for n in (2, 3, 4, 5)]
    scores = scorer.scores(results, 2, [(0, 0), (1, 1)])
    for place, (query, document) in enumerate(((0, 2), (1, 3))):
        alone = maxsim(results[query], results[document], lengths=[len(results[document])])
        torch.testing.assert_close(scores[place], alone[0])


def test_sparse_scores_are_dot_products_of_the_shared_terms() -> None:
    dense = torch.tensor([[0.0, 2.0, 0.0, 3.0], [1.0, 0.0, 0.0, -2.0], [0.0, 0.0, 5.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    scorer = choose_scorer("sparse", ("embed", "sparse_embed"), "embed")
    assert scorer.by_role
    pairs = [(0, 0), (0, 1), (0, 2)]
    found = scorer.scores([row.to_sparse() for row in dense], 1, pairs)
    assert found.tolist() == (dense[1:] @ dense[0]).tolist() == [-6.0, 0.0, 0.0]
    swapped = scorer.scores([row.to_sparse() for row in dense.flip(0)], 3, [(0, 0), (1, 0), (2, 0)])
    assert swapped.tolist() == [0.0, 0.0, -6.0]
