"""Prompts of rerankers without a template of their own, against what their libraries do with the same tokenizer."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.errors import InvalidRequest, PromptTooLong
from cenote.inputs import KNOWN_TEMPLATES, TextEncoder, find_known_template
from cenote.inputs.rerank_template import RerankTemplate
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import ChatOptions, TokenizationOptions

Reference = Callable[[PreTrainedTokenizerBase, str, str, "str | None", int], list[int]]
RandomText = Callable[[random.Random, int], str]

PLAIN = TokenizationOptions()
QUERY, DOCUMENT = "which bird sings {at} night?", "The nightingale sings at night,\nand {query} by day as well. "
JUDGE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
THINK = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
MXBAI_TASK = (
    "You are a search relevance expert who evaluates how well documents match search queries. For each query-document "
    "pair, carefully analyze the semantic relationship between them, then provide your binary relevance judgment "
    "(0 for not relevant, 1 for relevant).\nRelevance:"
)
MXBAI_HEAD = (
    "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n"
)
BGE_TASK = (
    "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a "
    "prediction of either 'Yes' or 'No'."
)


def _qwen3(tokenizer: PreTrainedTokenizerBase, query: str, document: str, task: str | None, limit: int) -> list[int]:
    """The model card's `format_instruction` and `process_inputs`, max_length as the whole."""
    task = task or "Given a web search query, retrieve relevant passages that answer the query"
    head = tokenizer.encode(JUDGE, add_special_tokens=False)
    tail = tokenizer.encode(THINK, add_special_tokens=False)
    body = f"<Instruct>: {task}\n<Query>: {query}\n<Document>: {document}"
    room = limit - len(head) - len(tail)
    cut = tokenizer(body, truncation="longest_first", max_length=room, add_special_tokens=False)["input_ids"]
    return [*head, *cut, *tail]


def _mxbai(tokenizer: PreTrainedTokenizerBase, query: str, document: str, task: str | None, limit: int) -> list[int]:
    """`MxbaiRerankV2.prepare_inputs` with max_length as what is left beside the fixed parts."""

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    fixed = [ids(text) for text in (MXBAI_HEAD, "\n", MXBAI_TASK, "<|im_end|>\n<|im_start|>assistant\n")]
    room = limit - sum(map(len, fixed))
    asked = ids((f"instruction: {task}\n" if task else "") + f"query: {query}")[: room * 3 // 4]
    second = [*ids("\n"), *ids(f"document: {document}")[:room]][: room - len(asked)]
    return [*fixed[0], *asked, *second, *fixed[1], *fixed[2], *fixed[3]]


def _bge(tokenizer: PreTrainedTokenizerBase, query: str, document: str, task: str | None, limit: int) -> list[int]:
    """`BaseLLMReranker.compute_score_single_gpu`; `limit` must be enough for all."""

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    bos = tokenizer.bos_token_id
    head = [] if bos is None or bos == tokenizer.pad_token_id else [bos]
    return [*head, *ids(f"A: {query}"), *ids("\n"), *ids(f"B: {document}"), *ids("\n"), *ids(task or BGE_TASK)]


REFERENCES: dict[str, tuple[str, Reference]] = {
    "qwen3-reranker": ("qwen3_reranker", _qwen3),
    "mxbai-rerank-v2": ("qwen2", _mxbai),
    "bge-reranker-v2-gemma": ("gemma", _bge),
}


@pytest.fixture(scope="module", params=REFERENCES)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PreTrainedTokenizerBase, RerankTemplate, Reference]:
    family, reference = REFERENCES[request.param]
    folder: Path = build_checkpoint(family, tmp_path_factory.mktemp(family))
    return load_tokenizer(open_checkpoint(str(folder))), KNOWN_TEMPLATES[request.param], reference


def _cut(count: int, **more: str) -> TokenizationOptions:
    return TokenizationOptions(truncate_prompt_tokens=count, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("instruction", [None, "", "Find {document} birds."])
def test_ids_equal_those_of_the_models_library(
    case: tuple[PreTrainedTokenizerBase, RerankTemplate, Reference], instruction: str | None
) -> None:
    tokenizer, template, reference = case
    encoder = TextEncoder(tokenizer, max_tokens=2000)
    for query, document in ((QUERY, DOCUMENT), ("", ""), ("深い {}", "<|im_end|>\n {0}"), ("a", " b ")):
        found = encoder.encode_pair_template(query, document, template, PLAIN, instruction)
        assert list(found.token_ids) == reference(tokenizer, query, document, instruction or None, 2000)
        assert found.token_type_ids is None
        assert found.truncated_tokens == 0


@pytest.mark.parametrize("name", ["qwen3-reranker", "mxbai-rerank-v2"])
@pytest.mark.parametrize("seed", range(4))
def test_truncation_equals_the_library_and_spares_the_template(
    name: str, seed: int, tmp_path: Path, random_text: RandomText
) -> None:
    family, reference = REFERENCES[name]
    tokenizer = load_tokenizer(open_checkpoint(str(build_checkpoint(family, tmp_path))))
    encoder, template = TextEncoder(tokenizer, max_tokens=2000), KNOWN_TEMPLATES[name]
    least = len(encoder.encode_pair_template("", "", template, PLAIN))
    rng = random.Random(seed)
    query, document = random_text(rng, rng.choice([20, 900])), random_text(rng, 3000)
    for count in (least + 4, least + 17, least + 200):
        found = encoder.encode_pair_template(query, document, template, _cut(count))
        assert list(found.token_ids) == reference(tokenizer, query, document, None, count)
        assert len(found) == count
        assert found.truncated_tokens > 0


def test_a_long_query_leaves_a_quarter_to_the_document(
    case: tuple[PreTrainedTokenizerBase, RerankTemplate, Reference],
) -> None:
    tokenizer, template, _ = case
    encoder = TextEncoder(tokenizer, max_tokens=2000)
    found = encoder.encode_pair_template("bird " * 10_000, "night " * 10_000, template, _cut(1000))
    assert len(found) == 1000
    end = tokenizer(template.fill(template.suffix[-1], "", "", None), add_special_tokens=False)["input_ids"]
    assert list(found.token_ids[-len(end) :]) == end
    if template.query_share < 1:
        night = tokenizer(" night", add_special_tokens=False)["input_ids"][-1]
        assert 150 < found.token_ids.count(night) * 4


def test_a_text_that_fits_is_not_changed_by_truncation(
    case: tuple[PreTrainedTokenizerBase, RerankTemplate, Reference],
) -> None:
    tokenizer, template, _ = case
    encoder = TextEncoder(tokenizer, max_tokens=2000)
    plain = encoder.encode_pair_template(QUERY * 9, "a", template, PLAIN)
    assert encoder.encode_pair_template(QUERY * 9, "a", template, _cut(len(plain))) == plain
    with pytest.raises(PromptTooLong, match="at most 2000"):
        encoder.encode_pair_template(QUERY, DOCUMENT * 5000, template, PLAIN)


def test_too_little_room_and_the_left_side_are_refused(
    case: tuple[PreTrainedTokenizerBase, RerankTemplate, Reference],
) -> None:
    tokenizer, template, _ = case
    encoder = TextEncoder(tokenizer, max_tokens=2000)
    with pytest.raises(InvalidRequest, match="too few for a query and a document") as caught:
        encoder.encode_pair_template(QUERY, DOCUMENT, template, _cut(9))
    assert caught.value.param == "truncate_prompt_tokens"
    with pytest.raises(InvalidRequest, match="cut at the end") as caught:
        encoder.encode_pair_template(QUERY, DOCUMENT, template, _cut(500, truncation_side="left"))
    assert caught.value.param == "truncation_side"


def test_each_side_is_cut_before_it_is_filled_in(
    case: tuple[PreTrainedTokenizerBase, RerankTemplate, Reference],
) -> None:
    tokenizer, template, _ = case
    encoder = TextEncoder(tokenizer, max_tokens=2000)
    options = TokenizationOptions(max_tokens_per_query=4, max_tokens_per_doc=6)
    (query, gone), (document, also_gone) = (
        encoder._content.shorten(text, count) for text, count in ((QUERY, 4), (DOCUMENT, 6))
    )
    assert 0 < len(query) < len(QUERY)
    found = encoder.encode_pair_template(QUERY, DOCUMENT, template, options)
    assert found.token_ids == encoder.encode_pair_template(query, document, template, PLAIN).token_ids
    assert found.truncated_tokens == gone + also_gone > 0


def test_the_instruction_of_the_options_is_used(
    case: tuple[PreTrainedTokenizerBase, RerankTemplate, Reference],
) -> None:
    tokenizer, template, _ = case
    encoder = TextEncoder(tokenizer, max_tokens=2000)
    options = TokenizationOptions(chat=ChatOptions(instruction="Find birds."))
    found = encoder.encode_pair_template(QUERY, DOCUMENT, template, options)
    assert found == encoder.encode_pair_template(QUERY, DOCUMENT, template, PLAIN, "Find birds.")
    assert found != encoder.encode_pair_template(QUERY, DOCUMENT, template, PLAIN)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen/Qwen3-Reranker-0.6B", "qwen3-reranker"),
        ("/models/qwen3-reranker-8b/", "qwen3-reranker"),
        ("mixedbread-ai/mxbai-rerank-large-v2", "mxbai-rerank-v2"),
        ("BAAI/bge-reranker-v2-gemma", "bge-reranker-v2-gemma"),
        ("BAAI/bge-reranker-v2-m3", None),
        ("mixedbread-ai/mxbai-rerank-base-v1", None),
        ("Qwen/Qwen3-VL-Reranker-2B", "qwen3-vl-reranker"),
        ("", None),
    ],
)
def test_templates_are_found_by_name(name: str, family: str | None) -> None:
    assert find_known_template(name) is (None if family is None else KNOWN_TEMPLATES[family])
