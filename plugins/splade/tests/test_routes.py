"""Models whose queries are not read by the network: each side equals sentence-transformers, also in mixed batches."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from sentence_transformers import SparseEncoder

from cenote import LLM
from cenote.engine import AsyncLLM
from cenote.engine.token_view import view_tokens
from cenote.errors import CheckpointError, InvalidRequest
from cenote.inputs import parse_prompts
from cenote.testing.compare import assert_all_close
from cenote.types import Prompt

_CUT = {"truncate_prompt_tokens": -1}
_TOLERANCE = 2e-5
_ROUTER = "router_config.json"


@pytest.fixture(scope="session")
def published(folder_of: Callable[[str], Path]) -> Path:
    """The look-alike, whose network is in the root."""
    return folder_of("splade_doc")


@pytest.fixture(scope="session")
def saved(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as sentence-transformers 6 saves it, the network in a folder of its own."""
    folder = tmp_path_factory.mktemp("saved")
    SparseEncoder(str(published), device="cpu").save(str(folder), create_model_card=False)
    assert not (folder / "config.json").exists()
    return folder


@pytest.fixture(scope="session", params=["published", "saved"])
def folder(request: pytest.FixtureRequest) -> Path:
    """Both layouts."""
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.fixture(scope="session")
def routed(published: Path) -> Iterator[LLM]:
    """The look-alike, loaded."""
    with LLM(str(published)) as llm:
        yield llm


def _rows(llm: LLM, texts: list[str], role: Any, task: str = "sparse_embed") -> list[Any]:
    outputs = llm.encode(texts, pooling_task=task, role=role, tokenization_kwargs=_CUT)
    return [output.outputs.data.to_dense() for output in outputs]


def test_each_side_is_the_reference(folder: Path, encoder_of: Callable[[Path], Any], texts: list[str]) -> None:
    encoder = encoder_of(folder)
    sides = {"query": encoder.encode_query, "document": encoder.encode_document, None: encoder.encode}
    with LLM(str(folder)) as llm:
        for role, encode in sides.items():
            expected = list(encode(texts, convert_to_sparse_tensor=False))
            for task in ("sparse_embed", "embed"):
                assert_all_close(_rows(llm, texts, role, task), expected, tolerance=_TOLERANCE, name=f"{role} {task}")


def test_both_sides_share_batches(routed: LLM, published: Path, texts: list[str]) -> None:
    async def mixed() -> list[list[Any]]:
        engine = AsyncLLM(str(published))
        try:
            calls = [
                engine.run(parse_prompts([text]), task="sparse_embed", role=role)
                for text in texts[:5]
                for role in ("query", "document")
            ]
            return await asyncio.gather(*calls)
        finally:
            await engine.shutdown()

    found = [part[0].outputs.data.to_dense() for part in asyncio.run(mixed())]
    assert_all_close(found[::2], _rows(routed, texts[:5], "query"), tolerance=_TOLERANCE)
    assert_all_close(found[1::2], _rows(routed, texts[:5], "document"), tolerance=_TOLERANCE)


def test_queries_are_tokenised_without_special_tokens(routed: LLM) -> None:
    outputs = [
        routed.encode(["deep water"], pooling_task="sparse_embed", role=role)[0] for role in ("query", "document")
    ]
    query, document = (output.prompt_token_ids for output in outputs)
    assert document[1:-1] == query
    assert set(outputs[0].outputs.data.indices()[0].tolist()) <= set(query)


def test_tokens_of_queries_have_no_vectors(routed: LLM) -> None:
    assert routed.encode(["x"], pooling_task="token_embed", role="document")[0].outputs.data.ndim == 2
    with pytest.raises(InvalidRequest, match="have no vectors"):
        routed.encode(["x"], pooling_task="token_embed", role="query")


def test_vectors_of_query_tokens_are_refused_before_they_share_a_batch(published: Path) -> None:
    async def mixed() -> tuple[list[Any], int]:
        engine = AsyncLLM(str(published))
        engine.pause()
        try:
            good = [engine.run(parse_prompts([text]), task="sparse_embed", role="document") for text in ("a", "b", "c")]
            wrong = engine.run(parse_prompts(["x"]), task="embed", also=("token_embed",), role="query")
            calls = [asyncio.ensure_future(call) for call in (*good, wrong)]
            (refused,), _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED, timeout=60)
            assert refused is calls[-1]  # while the engine runs nothing
            while engine.stats().waiting < len(good):
                await asyncio.sleep(0.01)
            engine.resume()
            return await asyncio.gather(*calls, return_exceptions=True), engine.stats().forwards
        finally:
            await engine.shutdown()

    (*results, error), forwards = asyncio.run(mixed())
    assert all(result[0].outputs.data.values().numel() for result in results)
    assert isinstance(error, InvalidRequest)
    assert error.param == "task"
    assert forwards == 1


def test_a_query_without_tokens_has_no_terms(routed: LLM, published: Path, encoder_of: Callable[[Path], Any]) -> None:
    blank = ["", "  \n"]
    reference = encoder_of(published).encode_query(blank, convert_to_sparse_tensor=False)
    for text, expected in zip(blank, reference, strict=True):
        assert not expected.any()
        (alone,) = routed.encode([text], pooling_task="sparse_embed", role="query")
        assert alone.prompt_token_ids == []
        assert alone.outputs.data.shape == expected.shape
        assert alone.outputs.data.values().numel() == 0
    among = [text for word in ("deep", "water") for text in (word, *blank)]
    assert [bool(row.any()) for row in _rows(routed, among, "query", "embed")] == [True, False, False] * 2
    assert [item.outputs.score for item in routed.score(blank, ["deep", "water"])] == [0.0, 0.0]


def test_queries_are_single_texts(routed: LLM) -> None:
    with pytest.raises(InvalidRequest, match="single texts"):
        routed.encode([{"text": "a", "text_pair": "b"}], pooling_task="embed", role="query")


def _edited(source: Path, target: Path, file: str, change: Callable[[Any], Any]) -> Path:
    shutil.copytree(source, target)
    content = json.loads((target / file).read_text())
    change(content)
    (target / file).write_text(json.dumps(content))
    return target


def test_without_a_default_route_a_text_must_say_what_it_is(published: Path, tmp_path: Path) -> None:
    parameters = {"default_route": None, "allow_empty_key": False}
    folder = _edited(published, tmp_path / "model", _ROUTER, lambda content: content.update(parameters=parameters))
    with LLM(str(folder)) as llm:
        assert _rows(llm, ["x"], "document")[0].any()
        with pytest.raises(InvalidRequest, match="say with input_type") as caught:
            llm.encode(["x"], pooling_task="embed")
        assert caught.value.param == "input_type"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["structure"].update(passage=content["structure"]["document"]), "the routes"),
        (lambda content: content["parameters"].update(route_mappings={"('query', 'text')": "query"}), "further rules"),
        (lambda content: content["parameters"].update(default_route="passage"), "the default 'passage'"),
        (lambda content: content["structure"].update(document=content["structure"]["query"]), "0 masked language"),
        (lambda content: content["structure"]["document"].pop(), "modules.json lists"),
        (lambda content: content["structure"].update(query=["nowhere"]), "types has"),
        (lambda content: content.pop("structure"), "structure"),
    ],
)
def test_other_routers_are_refused(change: Callable[[Any], Any], message: str, published: Path, tmp_path: Path) -> None:
    folder = _edited(published, tmp_path / "model", _ROUTER, change)
    with pytest.raises(CheckpointError, match=message):
        LLM(str(folder), adapter="splade")


@pytest.mark.parametrize("tensors", [{"weight": torch.ones(624)}, {"idf": torch.ones(625)}, {"weight": torch.ones(1)}])
def test_weights_that_do_not_fit_the_vocabulary_are_refused(
    tensors: dict[str, torch.Tensor], published: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(published, folder)
    save_file(tensors, folder / "query_0_SparseStaticEmbedding" / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"one tensor 'weight' \[625\]"):
        LLM(str(folder))


def test_the_tokens_of_a_query_are_shown_with_their_places(published: Path) -> None:
    with LLM(str(published)) as llm:
        view = view_tokens(llm, Prompt(text="deep water"), role="query")
        document = view_tokens(llm, Prompt(text="deep water"), role="document")
        empty = view_tokens(llm, Prompt(text=""), role="query")
        (read,) = llm.encode(["deep water"], pooling_task="sparse_embed", role="query")
    assert list(view.ids) == read.prompt_token_ids
    assert view.located is not None
    assert "".join("deep water"[start:end] for start, end in view.located.spans) == "deepwater"
    assert view.located.ids == view.ids
    assert len(document.ids) == len(view.ids) + 2
    assert empty.ids == ()
