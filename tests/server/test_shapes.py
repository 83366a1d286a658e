"""Bodies of every shape on every inference route: a success or a 4xx in the route's envelope, and never a 5xx."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint

_JSON = {"Content-Type": "application/json"}
#: One model for each kind of answer, by served name.
_FAMILIES = {"sparse": "splade", "pairs": "bge_reranker_v2_m3", "labels": "bert_classifier"}


@dataclass(frozen=True)
class Route:
    """A route and a body that it answers.

    Attributes:
        path: of the route.
        model: that can answer.
        body: without `model`.
        envelope: `native`, `tei` or `cohere`: how it writes errors.
        fields: further fields that bodies may have.
        empty: fields that may be an empty list.
    """

    path: str
    model: str
    body: Mapping[str, Any]
    envelope: str = "native"
    fields: tuple[str, ...] = ()
    empty: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.path}:{'+'.join(self.body)}"


_COMMON = ("input_type", "priority", "request_id", "user", "on_error", "cache_salt", "mm_processor_kwargs")
_TOKENS = ("truncate_prompt_tokens", "truncation_side", "add_special_tokens", "padding")
_VECTORS = ("encoding_format", "dimensions", "outputs", "output_dtype", "embed_dtype", "endianness", "return_tokens")
_EMBED = (*_COMMON, *_TOKENS, *_VECTORS, "use_activation", "prompt_name", "prompt", "messages")
_SCORE = (*_COMMON, *_TOKENS, "score_type", "instruction", "use_activation", "use_prompts", "max_tokens_per_doc")
_RANK = (*_SCORE, "top_n", "top_k", "return_documents", "rank_fields", "max_chunks_per_doc")
_JINA = ("task", "late_chunking", "embedding_type", "return_multivector", "truncation", "output_dimension")
_COHERE = ("embedding_types", "truncate", "max_tokens", "output_dimension", *_COMMON)
_TEI = ("truncate", "truncation_direction", "normalize", "prompt_name", "dimensions")

ROUTES = (
    Route("/v1/embeddings", "sparse", {"input": "x"}, fields=(*_EMBED, *_JINA)),
    Route("/v1/embeddings", "sparse", {"messages": [{"role": "user", "content": "x"}]}, fields=_EMBED),
    Route("/embeddings", "sparse", {"input": ["x", "y"]}, fields=(*_EMBED, "modality")),
    Route("/pooling", "sparse", {"input": ["x", "y"], "task": "sparse_embed"}, fields=_EMBED),
    Route("/pooling", "sparse", {"data": {"any": "thing"}}, fields=(*_EMBED, "task")),
    Route("/classify", "labels", {"input": "x"}, fields=(*_COMMON, *_TOKENS, "use_activation", "messages")),
    Route("/score", "pairs", {"queries": "x", "documents": ["y", "z"]}, fields=_SCORE),
    Route("/score", "sparse", {"queries": "x", "items": "y", "score_type": "sparse"}, fields=_SCORE),
    Route("/v1/score", "pairs", {"data_1": ["x"], "data_2": ["y"]}, fields=_SCORE),
    Route("/v1/score", "pairs", {"text_1": "x", "text_2": "y"}, fields=_SCORE),
    Route("/rerank", "pairs", {"query": "x", "documents": ["y", "z"]}, fields=_RANK),
    Route("/v1/rerank", "pairs", {"query": "x", "documents": [{"text": "y"}]}, fields=_RANK),
    Route("/v2/rerank", "pairs", {"query": "x", "documents": ["y"]}, fields=_RANK),
    Route("/rerank", "pairs", {"query": "x", "texts": ["y", "z"]}, "tei", fields=(*_TEI, "raw_scores", "return_text")),
    Route("/v1/embed", "sparse", {"texts": ["x"], "input_type": "search_query"}, "cohere", fields=_COHERE),
    Route("/v2/embed", "sparse", {"texts": ["x"], "embedding_types": ["float"]}, fields=_COHERE),
    Route("/tokenize", "sparse", {"prompt": "x"}, fields=("messages", "add_special_tokens", "return_token_strs")),
    Route("/tokenize", "sparse", {"inputs": "x"}, "tei", fields=("add_special_tokens", "prompt_name")),
    Route("/detokenize", "sparse", {"tokens": [1, 2]}, empty=("tokens",)),
    Route("/v1/tokenize", "sparse", {"text": "x"}, "cohere"),
    Route("/v1/detokenize", "sparse", {"tokens": [1, 2]}, "cohere", empty=("tokens",)),
    Route("/embed", "sparse", {"inputs": "x"}, "tei", fields=_TEI),
    Route("/embed_all", "sparse", {"inputs": ["x", "y"]}, "tei", fields=_TEI),
    Route("/embed_sparse", "sparse", {"inputs": ["x", "y"]}, "tei", fields=_TEI),
    Route("/predict", "labels", {"inputs": "x"}, "tei", fields=(*_TEI, "raw_scores")),
    Route("/similarity", "sparse", {"inputs": {"source_sentence": "x", "sentences": ["y"]}}, "tei", fields=_TEI),
    Route("/decode", "sparse", {"ids": [1, 2]}, "tei", fields=("skip_special_tokens",), empty=("ids",)),
    Route("/invocations", "sparse", {"input": "x"}, fields=(*_EMBED, "task")),
)

_WORDS = (
    *("", " ", "x", "float", "base64", "query", "left", "END", "sparse_embed", "[CLS]", "[MASK]", "../../etc/passwd"),
    *("\x00", "\u202e", "\ud800", "a\udfff", "\N{GRINNING FACE}", "e\u0301", "a" * 3000, "%s{}\\", "\r\nX: y"),
)
_NUMBERS = (0, 1, -1, 2, 3, 624, 625, 30522, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**40, 10**400, 0.5, -0.0,
            1e308, -1e308, 5e-324, float("inf"), float("nan"))  # fmt: skip
_NAMES = (
    "text",
    "text_pair",
    "content",
    "role",
    "type",
    "messages",
    "image",
    "image_url",
    "source_sentence",
    "input",
    "",
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(_NUMBERS),
    st.sampled_from(_WORDS),
    st.integers(),
    st.text(st.characters(exclude_categories=()), max_size=8),
)
#: Any JSON value: lists are mixed and nested, objects look like parts of messages.
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, min_size=1, max_size=1).map(lambda item: item * 3),
        st.dictionaries(st.sampled_from(_NAMES), inner, max_size=3),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def shapes(start_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("shapes")
    engines = {name: AsyncLLM(str(build_checkpoint(kind, folder / name))) for name, kind in _FAMILIES.items()}
    with start_server(engine=engines) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield client
    for each in engines.values():
        asyncio.run(each.shutdown())


def _bodies(route: Route) -> st.SearchStrategy[dict[str, Any]]:
    """Return bodies that the route answers, with one or two fields replaced or added."""
    names = st.sampled_from((*route.body, *route.body, "model", *route.fields))  # its own fields more often
    changes = st.dictionaries(names, _VALUES, min_size=1, max_size=2)
    bodies = changes.map(lambda changed: {"model": route.model, **route.body, **changed})
    return bodies.filter(lambda body: body["model"] is not None)  # that is the first model, which may do something else


def _check_error(answer: httpx.Response, envelope: str) -> None:
    """Check status and body of an error. A body that turns out to be of another dialect may have that one's."""
    content = answer.json()
    assert 400 <= answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text
    if envelope == "tei":
        assert set(content) == {"error", "error_type"}
        assert answer.status_code != 424, content  # the model failed
    elif envelope == "cohere":
        assert set(content) == {"message"}
    else:
        assert set(content) - {"detail"} == {"error"}
        assert set(content["error"]) == {"message", "type", "param", "code"}
        assert content["error"]["code"] == answer.status_code
        assert isinstance(content["error"]["param"], str | None)
        assert content["error"]["message"]


def _envelope(route: Route, raw: bytes) -> str:
    """Return the envelope of a body: on shared paths its fields say which dialect it speaks, if it can be read."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _envelope_of_path(route)
    if route.path == "/tokenize":
        given = [name for name in ("prompt", "messages", "inputs") if body.get(name) is not None]
        return "tei" if given == ["inputs"] else "native"
    if route.path == "/invocations" and not {"texts", "inputs"}.isdisjoint(body):
        return "tei"
    return route.envelope


def _envelope_of_path(route: Route) -> str:
    if route.path in ("/embed", "/embed_all", "/embed_sparse", "/predict", "/similarity", "/decode"):
        return "tei"
    return "cohere" if route.envelope == "cohere" else "native"


def _post(client: httpx.Client, route: Route, raw: bytes) -> httpx.Response:
    return client.post(route.path, content=raw, headers=_JSON)


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_bodies_with_a_field_of_any_shape_are_answered_in_the_envelope(shapes: httpx.Client, route: Route) -> None:
    seen: Counter[int] = Counter()

    @settings(max_examples=30, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=_bodies(route))
    def check(body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        answer = _post(shapes, route, raw)
        seen[answer.status_code] += 1
        if answer.status_code != 200:
            _check_error(answer, _envelope(route, raw))

    check()
    assert sum(seen.values()) - seen[200] > 5, seen
    alive = shapes.post(route.path, json={"model": route.model, **route.body})
    assert alive.status_code in (200, 400), alive.text  # 400: no plugin takes data


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_documents_that_are_no_body_are_refused_in_the_envelope(shapes: httpx.Client, route: Route) -> None:
    nested = b'{"' + next(iter(route.body)).encode() + b'": '
    for raw in (
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"model": NaN}',
        b'{"model": "\\ud800"}',
        *(nested + opened * depth + closed * depth + b"}" for depth in (2000, 100_000) for opened, closed in _BRACKETS),
    ):
        _check_error(_post(shapes, route, raw), _envelope_of_path(route))


_BRACKETS = ((b"[", b"]"), (b'{"a":', b"}"))


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_bodies_with_nothing_in_them_are_refused_in_the_envelope(shapes: httpx.Client, route: Route) -> None:
    for value in (None, [], {}, [[]], [{}], [None], [[], "x"]):
        for name in route.body:
            if value == [] and name in route.empty:
                continue
            body = {"model": route.model, **route.body, name: value}
            answer = shapes.post(route.path, json=body)
            if answer.status_code != 200:
                _check_error(answer, _any_envelope(answer))
    answer = shapes.post(route.path, json={"model": route.model})
    _check_error(answer, _any_envelope(answer))


def _any_envelope(answer: httpx.Response) -> str:
    """Return the envelope that an answer has: without its fields a body on a shared path has no dialect."""
    content = answer.json()
    return "tei" if "error_type" in content else "cohere" if "message" in content else "native"


@pytest.mark.parametrize(
    ("path", "name"),
    [("/v1/embeddings", "input"), ("/pooling", "input"), ("/embeddings", "input"), ("/classify", "input")],
)
@pytest.mark.parametrize(
    "value",
    [[True], [False, True], ["1", 2], [1, "2"], [[1, "a"]], [[True]], [1.5], 5, True, [["a"]], [[1], "a"], [1, [2]],
     [2**63], [2**64], [10**40], [-1], [[625]], [1e308], ["x", None], [[[1]]], [{}], {}],
    ids=repr,
)  # fmt: skip
def test_lists_that_are_mixed_or_hold_no_ids_are_refused(
    shapes: httpx.Client, path: str, name: str, value: Any
) -> None:
    model = "labels" if path == "/classify" else "sparse"
    answer = shapes.post(path, json={"model": model, name: value})
    _check_error(answer, "native")
    assert answer.status_code == 400
    assert name in answer.json()["error"]["param"]


@settings(max_examples=30, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(st.sampled_from(["water", "a well", "Brot", "x " * 50, "\N{GRINNING FACE}"]), min_size=1, max_size=6)
)
def test_every_text_of_a_list_is_answered_in_order_and_equal_texts_equally(
    shapes: httpx.Client, texts: list[str]
) -> None:
    answers = {
        "/v1/embeddings": ("sparse", {"input": texts}, lambda found: [item["embedding"] for item in found["data"]]),
        "/classify": ("labels", {"input": texts}, lambda found: [item["probs"] for item in found["data"]]),
        "/score": (
            "pairs",
            {"queries": "q", "documents": texts},
            lambda found: [item["score"] for item in found["data"]],
        ),
        "/embed_sparse": ("sparse", {"inputs": texts}, lambda found: found),
    }
    for path, (model, body, read) in answers.items():
        answer = shapes.post(path, json={"model": model, **body})
        assert answer.status_code == 200, answer.text
        rows = read(answer.json())
        assert len(rows) == len(texts)
        for text, row in zip(texts, rows, strict=True):
            assert row == pytest.approx(rows[texts.index(text)], abs=1e-5) if path != "/embed_sparse" else row
