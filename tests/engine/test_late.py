"""Late chunking against a plain computation with transformers: hidden states of the whole text, pooled by span."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from cenote import LLM, PoolingParams
from cenote.checkpoints import find_default_model
from cenote.errors import InvalidRequest, PromptTooLong
from cenote.inputs.chunks import cut_windows
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import PreparedInput

DOCUMENT = [
    "Berlin is the capital of Germany. ",
    "The city has 3.8 million inhabitants, and its name may mean swamp.\n",
    "It lies on the Spree; über 30 % of it is water or wood. ",
    "Its museums are many.",
]
OTHER = ["One chunk only."]


@pytest.fixture(params=["bert", "xlm_roberta", "modernbert", "qwen3"])
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return build_checkpoint(request.param, tmp_path)


def _hidden(model: Any, ids: Sequence[int]) -> Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([list(ids)])).last_hidden_state[0].float()  # type: ignore[no-any-return]


def _spans(tokenizer: Any, chunks: Sequence[str]) -> tuple[list[int], list[tuple[int, int]]]:
    """Return ids and spans, found another way than cenote does: by the characters of each token."""
    encoded = tokenizer("".join(chunks), return_offsets_mapping=True, return_special_tokens_mask=True)
    owner = [number for number, chunk in enumerate(chunks) for _ in chunk]
    chunk_of: list[int] = []
    for (start, _), special in zip(encoded.offset_mapping, encoded.special_tokens_mask, strict=True):
        at_end = bool(chunk_of) and bool(special)
        chunk_of.append(len(chunks) - 1 if at_end else 0 if special else owner[start])
    spans = [(chunk_of.index(at), len(chunk_of) - chunk_of[::-1].index(at)) for at in range(len(chunks))]
    return encoded.input_ids, spans


def _pool(hidden: Tensor, spans: Sequence[tuple[int, int]], method: str) -> Tensor:
    pick = {"MEAN": lambda rows: rows.mean(0), "LAST": lambda rows: rows[-1], "CLS": lambda rows: rows[0]}[method]
    return torch.nn.functional.normalize(torch.stack([pick(hidden[a:b]) for a, b in spans]), dim=1)


def test_every_chunk_is_the_pooled_span_of_the_whole_texts_hidden_states(checkpoint: Path) -> None:
    model, tokenizer = AutoModel.from_pretrained(checkpoint).eval(), AutoTokenizer.from_pretrained(checkpoint)
    with LLM(str(checkpoint)) as llm:
        method = llm.report()["pooling"].split()[0]
        documents = llm.embed_chunks([DOCUMENT, OTHER], use_tqdm=False)
        whole = llm.embed("".join(OTHER), use_tqdm=False)[0]
    for chunks, outputs in zip([DOCUMENT, OTHER], documents, strict=True):
        ids, spans = _spans(tokenizer, chunks)
        assert [output.prompt_token_ids for output in outputs] == [ids[start:end] for start, end in spans]
        found = torch.tensor([output.outputs.embedding for output in outputs])
        torch.testing.assert_close(found, _pool(_hidden(model, ids), spans, method), atol=2e-5, rtol=1e-4)
    assert documents[1][0].outputs.embedding == pytest.approx(whole.outputs.embedding, abs=1e-5)
    assert documents[0][2].request_id.endswith("-2")


def test_chunks_see_their_document_and_parameters_and_prompts_count(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path, prompts={"query": "Find this: "})
    with LLM(str(folder)) as llm:
        ((_, plain),) = llm.embed_chunks([["It is red. ", "It is big."]], use_tqdm=False)
        ((_, other),) = llm.embed_chunks([["Mars is near. ", "It is big."]], use_tqdm=False)
        assert plain.prompt_token_ids == other.prompt_token_ids
        assert plain.outputs.embedding != pytest.approx(other.outputs.embedding, abs=1e-3)
        raw = PoolingParams(use_activation=False)
        ((first, _),) = llm.embed_chunks([DOCUMENT[:2]], pooling_params=raw, prompt_name="query", use_tqdm=False)
        assert sum(value**2 for value in first.outputs.embedding) != pytest.approx(1, abs=1e-2)
        prompt = llm.embed("Find this:", use_tqdm=False)[0].prompt_token_ids
        assert first.prompt_token_ids[: len(prompt) - 1] == prompt[:-1]


def test_a_long_document_is_read_in_windows_with_context() -> None:
    folder = find_default_model().source
    chunks = [f"Sentence {number} tells of a cave that the sea has washed out. " for number in range(80)]
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    ids, spans = _spans(tokenizer, chunks)
    with LLM(folder) as llm:
        (outputs,) = llm.embed_chunks([chunks], overlap_tokens=50, use_tqdm=False)
        short = llm.embed_chunks([chunks[:5]], overlap_tokens=50, use_tqdm=False)
    assert len(outputs) == 80
    assert len(short[0]) == 5
    assert [token for output in outputs for token in output.prompt_token_ids] == ids
    rows: list[Tensor] = []
    while len(rows) < len(spans):
        begin = max(0, spans[len(rows)][0] - 50)
        window = [(start - begin, end - begin) for start, end in spans[len(rows) :] if end <= begin + 256]
        rows.extend(_pool(_hidden(model, ids[begin : begin + window[-1][1]]), window, "MEAN"))
    found = torch.tensor([output.outputs.embedding for output in outputs])
    torch.testing.assert_close(found, torch.stack(rows), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("lengths", [(3,), (10, 1, 1), (1,) * 40, (10, 10, 10), (7, 8, 9, 2, 2, 2, 10)])
@pytest.mark.parametrize("overlap", [None, 0, 3, 99])
def test_windows_hold_every_span_once_and_never_too_many_tokens(lengths: Sequence[int], overlap: int | None) -> None:
    ends = list(accumulate(lengths))
    spans = tuple(zip([0, *ends[:-1]], ends, strict=True))
    windows = cut_windows(PreparedInput(token_ids=tuple(range(ends[-1])), spans=spans), 10, overlap)
    assert [window.token_ids[a:b] for window in windows for a, b in window.spans] == [
        tuple(range(a, b)) for a, b in spans
    ]
    assert all(0 < len(window) <= 10 for window in windows)
    assert [window.token_ids[-1] for window in windows] == [
        window.token_ids[window.spans[-1][1] - 1] for window in windows
    ]


@pytest.mark.parametrize(
    ("documents", "error", "message"),
    [
        ([["a", " ", "b"]], InvalidRequest, "Chunk 1 has no tokens"),
        ([["ab", "c"]], InvalidRequest, "Chunk 1 has no tokens"),
        ([["fine"], ["fine", ""]], InvalidRequest, "Prompt 1: Chunk 1 has no tokens"),
        ([["fine", "word " * 300]], PromptTooLong, "Chunk 1 has 301 tokens, but this model takes at most 256"),
        ([[]], InvalidRequest, "Document 0 has no chunks"),
        ([], InvalidRequest, "documents is empty"),
        (["text"], TypeError, "Document 0 must be a list of texts"),
        ("text", TypeError, "documents must be a list"),
        ([["a", 5]], TypeError, "Chunk 1 of document 0 must be a text, not int"),
    ],
)
def test_what_cannot_be_cut_into_chunks_is_refused(
    llm: LLM, documents: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        llm.embed_chunks(documents, use_tqdm=False)


def test_a_negative_overlap_is_refused(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match="must not be negative"):
        llm.embed_chunks([["a"]], overlap_tokens=-1, use_tqdm=False)


@pytest.fixture(scope="module")
def llm() -> Any:
    with LLM(find_default_model().source) as made:
        yield made
