"""`LLM.score` and `LLM.rerank` on the real all-MiniLM-L6-v2, which reads texts one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import torch

from cenote import LLM, AsyncLLM, PoolingParams
from cenote.checkpoints import find_default_model
from cenote.errors import InvalidRequest, UnsupportedTask

QUERY = "How do plants make sugar?"
DOCUMENTS = ["The stock market fell.", "Photosynthesis turns light into sugar.", "Leaves are green."]


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    with LLM(find_default_model().source, served_model_name="all-MiniLM-L6-v2") as made:
        yield made


def test_an_embedder_scores_with_the_cosine_of_its_vectors(llm: LLM) -> None:
    scores = llm.score(QUERY, DOCUMENTS, use_tqdm=False)
    vectors = torch.tensor([item.outputs.embedding for item in llm.embed([QUERY, *DOCUMENTS], use_tqdm=False)])
    expected = vectors[1:] @ vectors[0]
    torch.testing.assert_close(torch.tensor([item.outputs.score for item in scores]), expected, atol=1e-6, rtol=0)


def test_a_pairs_output_names_both_texts(llm: LLM) -> None:
    (output,) = llm.score("one", "two", use_tqdm=False)
    left, right = (item.prompt_token_ids for item in llm.embed(["one", "two"], use_tqdm=False))
    assert output.prompt_token_ids == [*left, 0, *right]
    query, document = output.request_id.split("_")
    assert int(document) == int(query) + 1


def test_late_interaction_can_be_asked_for(llm: LLM) -> None:
    (output,) = llm.score(QUERY, DOCUMENTS[1], score_type="colbert", use_tqdm=False)
    query, document = (
        item.outputs.data for item in llm.encode([QUERY, DOCUMENTS[1]], pooling_task="token_embed", use_tqdm=False)
    )
    assert output.outputs.score == pytest.approx(float((query @ document.T).amax(dim=1).sum()), abs=1e-4)


def test_ranking_sorts_and_cuts_and_keeps_places(llm: LLM) -> None:
    ranked = llm.rerank(QUERY, DOCUMENTS, top_n=2, use_tqdm=False)
    assert [item.index for item in ranked] == [1, 2]
    assert ranked[0].document == DOCUMENTS[1]
    assert ranked[0].score > ranked[1].score


def test_equal_scores_keep_their_order(llm: LLM) -> None:
    ranked = llm.rerank(QUERY, ["same", "same", "same"], use_tqdm=False)
    assert [item.index for item in ranked] == [0, 1, 2]


@pytest.mark.parametrize("top_n", [0, -1, "1", 1.5, True])
def test_a_ranking_of_no_documents_is_refused_before_anything_runs(llm: LLM, top_n: int) -> None:
    before = llm.stats().requests
    with pytest.raises(InvalidRequest, match="top_n must be"):
        llm.rerank(QUERY, DOCUMENTS, top_n=top_n, use_tqdm=False)
    assert llm.stats().requests == before


def test_wrong_calls_name_what_is_wrong(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match="2 queries cannot be paired with 3 documents"):
        llm.score([QUERY, QUERY], DOCUMENTS, use_tqdm=False)
    with pytest.raises(InvalidRequest, match="data_2 is empty"):
        llm.score(QUERY, [], use_tqdm=False)
    with pytest.raises(UnsupportedTask, match="needs the task 'score'"):
        llm.score(QUERY, DOCUMENTS, score_type="cross-encoder", use_tqdm=False)
    different = [PoolingParams(), PoolingParams(prompt="x"), PoolingParams()]
    with pytest.raises(InvalidRequest, match="equal pooling_params"):
        llm.score(QUERY, DOCUMENTS, pooling_params=different, use_tqdm=False)
    for kwargs in ({"chat_template": "{{ messages }}"}, {"instruction": "judge"}):
        with pytest.raises(InvalidRequest, match="reads each text alone"):
            llm.score(QUERY, DOCUMENTS, use_tqdm=False, **kwargs)
    with pytest.raises(InvalidRequest, match="parameters are for task"):
        llm.score(QUERY, DOCUMENTS, pooling_params=PoolingParams(task="classify"), use_tqdm=False)
    with pytest.raises(InvalidRequest, match="cuts one side of a pair"):
        llm.embed(QUERY, tokenization_kwargs={"max_tokens_per_query": 2}, use_tqdm=False)
    with pytest.raises(InvalidRequest, match="query must be one text"):
        llm.rerank([QUERY], DOCUMENTS, use_tqdm=False)  # type: ignore[arg-type]


def test_each_side_can_be_cut_by_itself(llm: LLM) -> None:
    limits = {"max_tokens_per_query": 3, "max_tokens_per_doc": 2}
    cut, short = (
        llm.score(query, document, tokenization_kwargs=kwargs, use_tqdm=False)[0]
        for query, document, kwargs in ((QUERY, DOCUMENTS[1], limits), ("How do plants", "Photosynthesis", None))
    )
    assert cut.prompt_token_ids[:6] == short.prompt_token_ids[:6]
    assert len(cut.prompt_token_ids) == 5 + 1 + 4
    assert cut.truncated_tokens > 0
    assert short.truncated_tokens == 0


def test_an_error_names_the_text_as_the_caller_knows_it(llm: LLM) -> None:
    long = "word " * 300
    with pytest.raises(InvalidRequest, match=r"^data_2\[2\]: The prompt has"):
        llm.score(QUERY, ["a", "b", long], use_tqdm=False)
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]: The prompt has"):
        llm.rerank(QUERY, ["a", long], use_tqdm=False)
    with pytest.raises(InvalidRequest, match=r"^query: The prompt has"):
        llm.rerank(long, ["a"], use_tqdm=False)
    with pytest.raises(InvalidRequest, match=r"documents\[1\] must be a text"):
        llm.rerank(QUERY, ["a", None], use_tqdm=False)  # type: ignore[list-item]
    with pytest.raises(InvalidRequest, match=r"^max_tokens_per_doc is 1000000, but must be below the 256"):
        llm.score(QUERY, "a", tokenization_kwargs={"max_tokens_per_doc": 10**6}, use_tqdm=False)


def test_the_awaiting_face_gives_the_same_scores(llm: LLM) -> None:
    expected = [item.outputs.score for item in llm.score(QUERY, DOCUMENTS, use_tqdm=False)]

    async def run() -> list[float]:
        engine = AsyncLLM(find_default_model().source)
        try:
            outputs = await engine.score(QUERY, DOCUMENTS, request_id="score-1")
            assert outputs[0].request_id == "score-1-0_score-1-1"
            with pytest.raises(InvalidRequest, match=r"^documents\[1\]: The prompt has"):
                await engine.score(QUERY, ["a", "word " * 300])
            return [item.outputs.score for item in outputs]
        finally:
            await engine.shutdown()

    assert asyncio.run(run()) == pytest.approx(expected, abs=1e-6)
