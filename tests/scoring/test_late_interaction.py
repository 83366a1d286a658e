"""Late interaction of a model's vectors: its variants, and that nothing depends on a document's neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from cenote import LLM
from cenote.errors import InvalidRequest, UnsupportedTask
from cenote.kernels import Kernel, kernel_for
from cenote.scoring import Scorer, choose_scorer, late_interaction
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import Prompt

TASKS = ("embed", "token_embed")


def vectors(count: int, size: int = 8, seed: int = 0) -> Tensor:
    found = torch.randn(count, size, generator=torch.Generator().manual_seed(seed))
    return found / found.norm(dim=-1, keepdim=True)


def scorer(name: str = "colbert", similarity: str | None = None) -> Scorer:
    return choose_scorer(name, TASKS, "token_embed", similarity=similarity)


RESULTS = [vectors(5), vectors(3, seed=1), vectors(9, seed=2), vectors(1, seed=3)]
PAIRS = [(0, 0), (0, 1), (0, 2)]
PRODUCTS = torch.stack([(document @ RESULTS[0].T).amax(0).sum() for document in RESULTS[1:]])
#: As `ColBERT.score` of colbert-ai 0.2.22 states it.
DISTANCES = torch.stack(
    [
        (-1.0 * ((RESULTS[0].unsqueeze(1) - document.unsqueeze(0)) ** 2).sum(-1)).max(-1).values.sum(-1)
        for document in RESULTS[1:]
    ]
)


@pytest.mark.parametrize(
    ("name", "similarity", "expected"),
    [
        ("colbert", None, PRODUCTS),
        ("colbert", "MaxSim", PRODUCTS),
        ("colbert", "maxsim", PRODUCTS),
        ("colbert", "cosine", PRODUCTS),
        ("colbert", "euclidean", PRODUCTS),
        ("colbert", "meanmaxsim", PRODUCTS / 5),
        ("colbert", "l2", DISTANCES),
        ("colbert-mean", None, PRODUCTS / 5),
        ("colbert-mean", "MaxSim", PRODUCTS / 5),
        ("colbert-mean", "l2", DISTANCES / 5),
    ],
)
def test_the_files_similarity_chooses_the_formula(name: str, similarity: str | None, expected: Tensor) -> None:
    found = scorer(name, similarity).scores(RESULTS, 1, PAIRS)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


def test_a_similarity_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnsupportedTask, match="'telepathy', which vectors of tokens lack"):
        scorer(similarity="telepathy")


@pytest.mark.parametrize("similarity", ["MaxSim", "l2"])
def test_a_score_is_the_same_alone_and_among_a_thousand(similarity: str) -> None:
    way = scorer(similarity=similarity)
    results = [vectors(32, 64), *(vectors(1 + 37 * at % 200, 64, seed=at) for at in range(1000))]
    together = way.scores(results, 1, [(0, at) for at in range(1000)])
    for at in range(0, 1000, 50):
        alone = way.scores([results[0], results[at + 1]], 1, [(0, 0)])
        torch.testing.assert_close(together[at : at + 1], alone, atol=1e-5 if similarity == "l2" else 1e-6, rtol=1e-6)


def test_half_precision_vectors_are_scored() -> None:
    found = scorer().scores([result.half() for result in RESULTS], 1, PAIRS)
    torch.testing.assert_close(found, PRODUCTS, atol=5e-3, rtol=0)


def test_a_text_without_vectors_is_named() -> None:
    results = [vectors(5), vectors(3), torch.empty(0, 8)]
    with pytest.raises(InvalidRequest, match="no vectors") as caught:
        scorer().scores(results, 1, [(0, 0), (0, 1)])
    assert caught.value.index == 2


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    with LLM(str(build_checkpoint("bert", tmp_path_factory.mktemp("model")))) as loaded:
        yield loaded


def test_a_request_reads_its_query_once(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    run = llm._run

    def noted(prompts: list[Prompt], *rest: object) -> object:
        read.extend(str(prompt.text) for prompt in prompts)
        return run(prompts, *rest)

    monkeypatch.setattr(llm, "_run", noted)
    llm.score("a well", ["one", "two", "three"], score_type="colbert", use_tqdm=False)
    assert read == ["a well", "one", "two", "three"]


def test_the_mean_is_a_way_of_scoring_by_its_own_name(llm: LLM) -> None:
    documents = ["water below ground", "bread"]
    (query,) = llm.encode("a well", pooling_task="token_embed", role="query", use_tqdm=False)
    sums = llm.score("a well", documents, score_type="colbert", use_tqdm=False)
    means = llm.score("a well", documents, score_type="colbert-mean", use_tqdm=False)
    for total, mean in zip(sums, means, strict=True):
        assert mean.outputs.score == pytest.approx(total.outputs.score / len(query.outputs.data), abs=1e-6)


def test_callers_read_which_of_their_texts_has_no_vectors(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    run = llm._run

    def emptied(*arguments: object) -> object:
        answers = run(*arguments)
        answers[2].outputs.data = answers[2].outputs.data[:0]
        return answers

    monkeypatch.setattr(llm, "_run", emptied)
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]: the text has no vectors"):
        llm.rerank("a well", ["one", "two"], score_type="colbert", use_tqdm=False)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("similarity", [None, "meanmaxsim", "l2"])
def test_the_users_setting_chooses_the_kernel(
    fused: bool, similarity: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def observed(operator: str, tensor: Tensor) -> Kernel:
        asked.append(operator)
        return kernel_for(operator, tensor)

    monkeypatch.setattr(late_interaction, "kernel_for", observed)
    chosen = choose_scorer("colbert", TASKS, "token_embed", similarity=similarity, is_fused=fused)
    expected = scorer("colbert", similarity).scores(RESULTS, 1, PAIRS)
    asked.clear()
    torch.testing.assert_close(chosen.scores(RESULTS, 1, PAIRS), expected, atol=2e-6, rtol=0)
    assert bool(asked) == fused
    mixed = choose_scorer("colbert+colbert-mean", TASKS, "token_embed", similarity=similarity, is_fused=fused)
    asked.clear()
    mixed.scores(RESULTS, 1, PAIRS)
    assert bool(asked) == fused


def test_the_kernel_of_a_model_is_that_of_its_settings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(build_checkpoint("bert", tmp_path_factory.mktemp("bert")))
    with LLM(folder) as fused, LLM(folder, pooler_config={"enable_flash_late_interaction": False}) as plain:
        (expected,) = fused.score("a pit", "a well", score_type="colbert", use_tqdm=False)
        monkeypatch.setattr(late_interaction, "kernel_for", None)
        (found,) = plain.score("a pit", "a well", score_type="colbert", use_tqdm=False)
        assert found.outputs.score == pytest.approx(expected.outputs.score, abs=2e-6)
