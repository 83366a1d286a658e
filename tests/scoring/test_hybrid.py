"""Several scores of a pair, mixed: the formula, one pass per text, and what is refused."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cenote import LLM, AsyncLLM, PoolingParams
from cenote.errors import InvalidRequest, ScorerError, UnknownPlugin, UnsupportedTask, WrongType
from cenote.registry import Registry, default_registry
from cenote.scoring import Pair, ScoreInput, choose_scorer
from cenote.scoring.base import check_scorer_type, further_tasks
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import Prompt

ALL = ("embed", "sparse_embed", "token_embed")
QUERY, DOCUMENTS = "a well", ["water below ground", "bread", "a well, a pit"]
#: Of a query and two documents.
RESULTS = [
    {
        "embed": torch.tensor(dense),
        "sparse_embed": torch.tensor(terms).to_sparse(),
        "token_embed": torch.tensor(tokens),
    }
    for dense, terms, tokens in (
        ([1.0, 0.0], [0.0, 2.0, 1.0], [[1.0, 0.0], [0.0, 1.0]]),
        ([0.6, 0.8], [0.0, 3.0, 0.0], [[0.6, 0.8]]),
        ([0.0, 1.0], [1.0, 0.0, 1.0], [[0.0, 1.0], [0.8, 0.6]]),
    )
]
DENSE, SPARSE, COLBERT = [0.6, 0.0], [6.0, 1.0], [1.4, 1.8]


def scores(name: str, weights: Sequence[float] | None = None, similarity: str | None = None) -> list[float]:
    scorer = choose_scorer(name, ALL, "embed", weights=weights, similarity=similarity)
    return scorer.scores(RESULTS, 1, [(0, 0), (0, 1)]).tolist()  # type: ignore[arg-type]  # it has `also`


def mean(*parts: tuple[float, list[float]]) -> Any:
    total = sum(share for share, _ in parts)
    return pytest.approx([sum(share * part[at] for share, part in parts) / total for at in range(2)], abs=1e-6)


def test_parts_count_alike_unless_weights_say_more() -> None:
    assert scores("sparse+dense") == mean((1, DENSE), (1, SPARSE))
    assert scores("colbert+sparse+dense") == mean((1, DENSE), (1, SPARSE), (1, COLBERT))
    assert scores("colbert+sparse+dense", (0.5, 2, 1)) == mean((0.5, DENSE), (2, SPARSE), (1, COLBERT))


@pytest.mark.parametrize("name", ["sparse+dense", "dense+sparse"])
def test_weights_have_one_order_whatever_that_of_the_name(name: str) -> None:
    assert scores(name, [3, 1]) == mean((3, DENSE), (1, SPARSE))
    assert choose_scorer(name, ALL, "embed").task == "embed"


def test_a_weight_may_be_nothing_or_take_away() -> None:
    assert scores("colbert+dense", [0, 2]) == pytest.approx(COLBERT)
    assert scores("sparse+dense", [-0.5, 1]) == mean((-0.5, DENSE), (1, SPARSE))


@pytest.mark.parametrize(("similarity", "colbert"), [("meanmaxsim", [0.7, 0.9]), ("MaxSim", COLBERT), ("dot", COLBERT)])
def test_a_model_says_whether_its_vectors_of_tokens_are_averaged(similarity: str, colbert: list[float]) -> None:
    found = scores("colbert+sparse", similarity=similarity)
    assert found == mean((1, SPARSE), (1, colbert))


def test_a_sparse_model_whose_files_name_a_similarity_of_tokens_is_refused() -> None:
    for name in ("sparse", "sparse+dense", None):
        with pytest.raises(UnsupportedTask, match="'meanmaxsim', which sparse vectors do not have"):
            choose_scorer(name, ALL, "embed", own="sparse", similarity="meanmaxsim")


@pytest.mark.parametrize(
    ("name", "weights", "text"),
    [
        ("dense", [1.0], "score_type 'dense' is one"),
        (None, [1.0, 2.0], "score_type 'dense' is one"),
        ("sparse+dense", [1.0], "1 weights for 2 scores; give one each for dense, sparse, in this order"),
        ("colbert+sparse+dense", [1, 1], "2 weights for 3 scores; give one each for dense, sparse, colbert"),
        ("sparse+dense", [0, 0], "a sum above 0"),
        ("sparse+dense", [1, -1], "a sum above 0"),
        ("sparse+dense", [1, math.inf], "must be finite"),
        ("sparse+dense", [1, math.nan], "must be finite"),
        ("sparse+dense", [1, 10**400], "must be finite"),
        ("sparse+dense", [1.7e308, 1.7e308], "a sum above 0"),
        ("colbert+sparse+dense", [1e300, -1e300, 1], "too large beside their sum, 1.0"),
        ("sparse+dense", "11", "must be a list of numbers"),
        ("sparse+dense", [True, 1], "must be a list of numbers"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(name: str | None, weights: Any, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text) as caught:
        choose_scorer(name, ALL, "embed", weights=weights)
    assert caught.value.param == "weights"


def test_weights_may_be_numbers_of_numpy() -> None:
    assert scores("sparse+dense", list(np.linspace(3, 1, 2))) == mean((3, DENSE), (1, SPARSE))


def test_weights_may_be_as_large_as_their_sum_is() -> None:
    assert scores("sparse+dense", [1e308, 7e307]) == mean((1.0, DENSE), (0.7, SPARSE))
    assert all(map(math.isfinite, scores("colbert+sparse+dense", [1e29, -1e29, 1])))


def test_a_model_without_one_of_the_parts_is_told_which() -> None:
    with pytest.raises(UnsupportedTask, match="score_type 'sparse' needs the task 'sparse_embed', which this model"):
        choose_scorer("colbert+sparse+dense", ("embed", "token_embed"), "embed")


def test_names_of_no_mix_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="'dense' twice"):
        choose_scorer("dense+dense", ALL, "embed")
    with pytest.raises(UnknownPlugin, match="telepathy"):
        choose_scorer("dense+telepathy", ALL, "embed")
    for name in ("dense+", ""):
        with pytest.raises(UnknownPlugin):
            choose_scorer(name, ALL, "embed")
    with pytest.raises(WrongType, match="score_type must be a name"):
        choose_scorer(5, ALL, "embed")  # type: ignore[arg-type]


def test_what_reads_pairs_cannot_be_mixed() -> None:
    scorer = choose_scorer("dense+cross-encoder", ("embed", "score"), "embed")
    with pytest.raises(InvalidRequest, match="texts are read alone"):
        scorer.inputs([Prompt(text="a")], [Prompt(text="b")], [(0, 0)])


class Both:
    """A plugin's own mix: the larger of the cosine and the mean of the best products."""

    task = "embed"
    also = ("token_embed",)
    by_role = True

    def inputs(self, queries: Sequence[Prompt], documents: Sequence[Prompt], pairs: Sequence[Pair]) -> list[ScoreInput]:
        return choose_scorer("dense", ALL, "embed").inputs(queries, documents, pairs)

    def scores(self, results: Sequence[Any], queries: int, pairs: Sequence[Pair]) -> Tensor:
        found = []
        for query, document in pairs:
            left, right = results[query], results[queries + document]
            best = (left["token_embed"] @ right["token_embed"].T).amax(1).mean()
            found.append(torch.maximum(left["embed"] @ right["embed"], best))
        return torch.stack(found)


def test_a_plugin_may_ask_for_several_results_of_a_pass() -> None:
    registry = Registry([], environment={})
    registry.register("cenote.scorers", "both", Both(), distribution="cenote-acme", version="1.2")
    scorer = choose_scorer("both", ALL, "embed", registry)
    assert further_tasks(scorer) == ("token_embed",)
    assert scorer.scores(RESULTS, 1, [(0, 0)]).tolist() == pytest.approx([0.7])  # type: ignore[arg-type]
    with pytest.raises(UnsupportedTask, match="'both' needs the task 'token_embed'"):
        choose_scorer("both", ("embed",), "embed", registry)


def test_further_tasks_are_a_tuple_of_names() -> None:
    wrong = Both()
    wrong.also = ["token_embed"]  # type: ignore[assignment]
    with pytest.raises(TypeError, match="further tasks as a tuple"):
        check_scorer_type(wrong)


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    with LLM(str(build_checkpoint("bert", tmp_path_factory.mktemp("model")))) as made:
        yield made


def _values(llm: LLM, documents: list[str] = DOCUMENTS, **options: Any) -> list[float]:
    return [output.outputs.score for output in llm.score(QUERY, documents, use_tqdm=False, **options)]


def test_each_text_is_read_once_for_all_parts(llm: LLM) -> None:
    read: list[tuple[int, int]] = []

    def counted(**options: Any) -> list[float]:
        before = llm.stats()
        found = _values(llm, **options)
        after = llm.stats()
        read.append((after.requests - before.requests, after.tokens - before.tokens))
        return found

    found = counted(score_type="colbert+dense", weights=[3, 1])
    dense, colbert = counted(score_type="dense"), counted(score_type="colbert")
    assert read[0] == read[1] == read[2]
    assert read[0][0] == 1 + len(DOCUMENTS)
    assert found == pytest.approx([(3 * a + b) / 4 for a, b in zip(dense, colbert, strict=True)], abs=1e-5)


def test_documents_are_ranked_by_the_mix(llm: LLM) -> None:
    options: dict[str, Any] = {"score_type": "dense+colbert-mean", "weights": (1, 2)}
    expected = _values(llm, **options)
    ranked = llm.rerank(QUERY, DOCUMENTS, use_tqdm=False, **options)
    assert {item.index: item.score for item in ranked} == pytest.approx(dict(enumerate(expected)), abs=1e-5)
    assert [item.score for item in ranked] == sorted((item.score for item in ranked), reverse=True)


def test_vectors_of_tokens_are_merged_within_a_mix(llm: LLM) -> None:
    merged = PoolingParams(pool_factor=2)
    colbert = _values(llm, score_type="colbert", pooling_params=merged)
    found = _values(llm, score_type="colbert+dense", weights=[0, 1], pooling_params=merged)
    assert found == pytest.approx(colbert, abs=1e-5)
    assert found != pytest.approx(_values(llm, score_type="colbert"), abs=1e-5)


def test_a_failing_part_of_a_plugin_names_it(llm: LLM) -> None:
    class Broken(Both):
        def scores(self, results: Sequence[Any], queries: int, pairs: Sequence[Pair]) -> Tensor:
            raise ValueError("no")

    undo = default_registry().register("cenote.scorers", "broken", Broken(), distribution="acme", version="1.2")
    try:
        with pytest.raises(ScorerError, match=r"The scorer 'broken' of acme 1\.2 failed"):
            _values(llm, score_type="broken+colbert-mean")
    finally:
        undo()


def test_the_awaiting_face_mixes_as_the_blocking_one(llm: LLM) -> None:
    expected = _values(llm, score_type="colbert+dense", weights=[1, 2])

    async def run() -> list[float]:
        engine = AsyncLLM(llm.config.model)
        options: dict[str, Any] = {"score_type": "colbert+dense", "weights": [1, 2], "on_error": "item"}
        try:
            few = await engine.score(QUERY, ["word " * 400, *DOCUMENTS], **options)
            assert few[0].error is not None
            assert engine.stats().forwards == 1
            # So many numbers are compared in the model's own thread.
            many = await engine.score(QUERY, [*DOCUMENTS, *["word " * 100] * 10], **options)
            assert [item.outputs.score for item in many[:3]] == pytest.approx(expected, abs=1e-5)
            return [item.outputs.score for item in few[1:]]
        finally:
            await engine.shutdown()

    assert asyncio.run(run()) == pytest.approx(expected, abs=1e-5)
