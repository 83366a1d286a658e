"""The templates that are published for other servers give the prompts that these models have without them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from cenote import LLM
from cenote.errors import PromptTooLong
from cenote.testing.compare import assert_close
from cenote.testing.live import serving
from cenote.testing.pictures import sample_picture
from cenote.types import PromptType

_POOLING = Path(__file__).parents[3] / "examples" / "pooling"
_EMBED = _POOLING / "embed" / "template" / "nemotron_embed_vl.jinja"
_RERANK = _POOLING / "score" / "template" / "nemotron-vl-rerank.jinja"
_PREFIXES = {"query": "query: ", "document": "passage: ", "user": "", "other": ""}
_QUERY = "What fills a cenote?"
_TILES = "<img>" + "<IMG_CONTEXT>" * 12 + "</img> "


def _address(image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


_PAGE = {"type": "image_url", "image_url": {"url": _address(sample_picture(150, 90))}}
_TEXT = {"type": "text", "text": "Hello"}
#: Contents of a message, and what is written of them behind a prefix.
_CONTENTS: dict[str, tuple[Any, str]] = {
    "string": ("Hello", "Hello"),
    "text": ([_TEXT], "Hello"),
    "image": ([_PAGE], _TILES),
    "text, image": ([_TEXT, _PAGE], _TILES + "Hello"),
    "image, text": ([_PAGE, _TEXT], _TILES + "Hello"),
    "texts": ([_TEXT, {"type": "text", "text": " world"}], "Hello world"),
    "named beside it": (
        [_PAGE, {"type": "text", "text": "a\ue000<image>\ue000\ue001 b"}],
        _TILES + "a\ue000<image>\ue000\ue001 b",
    ),
}
#: What is written of a text that names an image where there is none.
_NAMED = {role: f"{prefix}an <image> in <image>" for role, prefix in _PREFIXES.items()}
_NAMED["document"] = "passage: an  in <image>"
_MESSAGES = [
    *(
        ({"role": role, "content": content}, _PREFIXES[role] + text)
        for role, (content, text) in product(_PREFIXES, _CONTENTS.values())
    ),
    *(({"role": role, "content": "an <image> in <image>"}, text) for role, text in _NAMED.items()),
]
_DOCUMENTS: list[Any] = [
    "Ground water.",
    {"content": [_PAGE]},
    {"content": [_PAGE, _TEXT]},
    {"content": [_TEXT]},
    "an <image> in words",
]


@pytest.fixture(scope="module")
def embedder(folder_of: Callable[[str], Path]) -> Iterator[LLM]:
    """The embedder without a template; images have up to two tiles and a small picture of the whole."""
    with LLM(str(folder_of("llama_nemotron_vl")), mm_processor_kwargs={"max_input_tiles": 2}) as model:
        yield model


@pytest.fixture(scope="module")
def reranker(folder_of: Callable[[str], Path]) -> Iterator[LLM]:
    with LLM(str(folder_of("llama_nemotron_vl_rerank"))) as model:
        yield model


def _embed(model: LLM) -> list[Any]:
    prompts: list[PromptType] = [{"messages": [message]} for message, _ in _MESSAGES]
    return model.embed(prompts, use_tqdm=False)


def test_messages_are_written_by_their_role(embedder: LLM) -> None:
    tokenizer = embedder.get_tokenizer()
    for (message, text), output in zip(_MESSAGES, _embed(embedder), strict=True):
        assert output.prompt_token_ids == tokenizer(text)["input_ids"], message


def test_the_template_of_embeddings_gives_the_same_prompts(embedder: LLM, folder_of: Callable[[str], Path]) -> None:
    settings = {"max_input_tiles": 2}
    folder = str(folder_of("llama_nemotron_vl"))
    with LLM(folder, mm_processor_kwargs=settings, chat_template=_EMBED.read_text("utf-8")) as model:
        found = _embed(model)
    for own, output in zip(_embed(embedder), found, strict=True):
        assert output.prompt_token_ids == own.prompt_token_ids
        assert_close(output.outputs.embedding, own.outputs.embedding, tolerance=1e-5)


def test_the_template_of_embeddings_keeps_the_limit_of_queries(embedder: LLM, folder_of: Callable[[str], Path]) -> None:
    query: PromptType = {"messages": [{"role": "query", "content": "water " * 600}]}
    document: PromptType = {"messages": [{"role": "document", "content": "water " * 600}]}
    cut = {"truncate_prompt_tokens": -1}
    with LLM(str(folder_of("llama_nemotron_vl")), chat_template=_EMBED.read_text("utf-8")) as templated:
        for model in (embedder, templated):
            with pytest.raises(PromptTooLong):
                model.embed([query], use_tqdm=False)
        for prompt in (query, document):
            (own,), (found,) = (
                model.embed([prompt], tokenization_kwargs=cut, use_tqdm=False) for model in (embedder, templated)
            )
            assert found.prompt_token_ids == own.prompt_token_ids
            assert (len(own.prompt_token_ids) == 512) == (prompt is query)


def test_the_template_of_pairs_gives_the_same_prompts(reranker: LLM, folder_of: Callable[[str], Path]) -> None:
    template = _RERANK.read_text("utf-8")
    expected = reranker.score(_QUERY, _DOCUMENTS, use_tqdm=False)
    asked = reranker.score(_QUERY, _DOCUMENTS, chat_template=template, use_tqdm=False)
    with LLM(str(folder_of("llama_nemotron_vl_rerank")), chat_template=template) as model:
        assert model.report()["pairs"] == "template (user)"
        given = model.score(_QUERY, _DOCUMENTS, use_tqdm=False)
    for own, first, second in zip(expected, asked, given, strict=True):
        assert own.prompt_token_ids == first.prompt_token_ids == second.prompt_token_ids
        assert_close([first.outputs.score, second.outputs.score], [own.outputs.score] * 2, tolerance=1e-5)


def test_a_template_of_ones_own_reads_an_instruction_and_the_place_of_the_image(reranker: LLM) -> None:
    template = (
        "{{ instruction }}|{% for m in messages if m['role'] in ['query', 'document'] %}{{ m['content'] }};{% endfor %}"
    )
    (output,) = reranker.score(
        _QUERY, {"content": [_PAGE, _TEXT]}, chat_template=template, instruction="Be strict", use_tqdm=False
    )
    expected = f"Be strict|{_QUERY};{_TILES[:-1]}Hello;"
    assert output.prompt_token_ids == reranker.get_tokenizer()(expected)["input_ids"]


def test_a_server_with_the_template_of_embeddings_gives_the_same_vectors(
    embedder: LLM, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = str(folder_of("llama_nemotron_vl"))
    options = ("--chat-template", str(_EMBED), "--mm-processor-kwargs", '{"max_input_tiles": 2}')
    with (
        serving(tmp_path / "log", folder, *options) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        for (message, _), own in zip(_MESSAGES, _embed(embedder), strict=True):
            answer = client.post("/v1/embeddings", json={"messages": [message]})
            assert answer.status_code == 200, answer.text
            assert answer.json()["usage"]["prompt_tokens"] == len(own.prompt_token_ids)
            assert_close(answer.json()["data"][0]["embedding"], own.outputs.embedding, tolerance=1e-5)


@pytest.mark.parametrize("options", [{}, {"chat_template": str(_RERANK)}], ids=["own", "template"])
def test_a_server_scores_and_ranks_pages_as_python_does(
    reranker: LLM,
    folder_of: Callable[[str], Path],
    posted: Callable[..., list[httpx.Response]],
    options: dict[str, str],
) -> None:
    expected = [output.outputs.score for output in reranker.score(_QUERY, _DOCUMENTS, use_tqdm=False)]
    *answers, refused = posted(
        folder_of("llama_nemotron_vl_rerank"),
        ("/score", {"queries": _QUERY, "documents": _DOCUMENTS}),
        ("/rerank", {"query": _QUERY, "documents": _DOCUMENTS}),
        ("/score", {"queries": {"content": [_PAGE]}, "documents": "Water."}),
        **options,
    )
    scores, ranked = (answer.raise_for_status().json() for answer in answers)
    assert_close([row["score"] for row in scores["data"]], expected, tolerance=1e-5)
    order = [row["index"] for row in ranked["results"]]
    assert order == sorted(range(len(expected)), key=lambda place: -expected[place])
    assert_close([row["relevance_score"] for row in ranked["results"]], [expected[at] for at in order], tolerance=1e-5)
    assert refused.status_code == 400
    assert "documents only" in refused.json()["error"]["message"]
