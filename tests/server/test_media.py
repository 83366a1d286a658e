"""Images in every dialect: what the model reads of them is what was sent, whichever way it was written."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import cohere
import httpx
import numpy as np
import pytest
from PIL import Image

RED, BLUE = (255, 0, 0), (0, 0, 255)
WORDS = "deep blue"


def picture(colour: tuple[int, int, int], size: tuple[int, int] = (16, 8)) -> bytes:
    """Return a PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def address(colour: tuple[int, int, int], size: tuple[int, int] = (16, 8)) -> str:
    return "data:image/png;base64," + plain(colour, size)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (16, 8)) -> str:
    return base64.b64encode(picture(colour, size)).decode()


def part(colour: tuple[int, int, int], size: tuple[int, int] = (16, 8)) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": address(colour, size)}}


def talk(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def rows(colour: tuple[int, int, int] | None = None, patches: int = 2, text: str = "") -> np.ndarray[Any, Any]:
    """Return the vectors [tokens, 5] that the model has for an image and a text behind it."""
    seen = [] if colour is None else [[*(value / 255 for value in colour), 0, 1]] * patches
    return np.array(seen + [[0, 0, 0, len(word), 1] for word in text.split()])


def pooled(colour: tuple[int, int, int] | None = None, patches: int = 2, text: str = "") -> np.ndarray[Any, Any]:
    mean = rows(colour, patches, text).mean(0)
    return np.asarray(mean / np.linalg.norm(mean))


@pytest.fixture(scope="module")
def served(
    picture_model: ModuleType, plain_engine: Any, start_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A server of the model, which may read the files of one folder."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "red.png").write_bytes(picture(RED))
    engine = plain_engine(picture_model.PictureModel(), allowed_local_media_path=str(folder))
    with start_server(engine=engine, names=("pictures",)) as running:
        running.folder = folder
        yield running
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def pictures(served: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client


def _post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def _embeddings(client: httpx.Client, **body: Any) -> np.ndarray[Any, Any]:
    return np.array([item["embedding"] for item in _post(client, "/v1/embeddings", **body)["data"]])


@pytest.mark.parametrize(
    "given",
    [
        part(RED),
        {"type": "image_url", "image_url": address(RED)},
        {"type": "image_url", "image_url": {"url": address(RED), "detail": "low"}, "uuid": "mine"},
        {"type": "input_image", "image_url": address(RED)},
        {"image_url": {"url": address(RED)}},
    ],
)
def test_a_part_of_a_conversation_is_an_image_in_every_spelling(pictures: httpx.Client, given: dict[str, Any]) -> None:
    np.testing.assert_allclose(_embeddings(pictures, messages=talk(given)), [pooled(RED)], atol=1e-6)
    found = _embeddings(pictures, input=[talk(given, {"type": "text", "text": WORDS}), talk(WORDS)])
    np.testing.assert_allclose(found, [pooled(RED, text=WORDS), pooled(text=WORDS)], atol=1e-6)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"image": address(RED)}, pooled(RED)),
        ({"image": plain(RED)}, pooled(RED)),
        ({"bytes": plain(RED)}, pooled(RED)),
        ({"url": address(RED)}, pooled(RED)),
        ({"image": plain(RED), "text": WORDS}, pooled(RED, text=WORDS)),
        ({"content": [part(RED), {"type": "text", "text": WORDS}]}, pooled(RED, text=WORDS)),
        ({"content": [{"image": plain(RED)}, {"text": WORDS}]}, pooled(RED, text=WORDS)),
        ({"content": WORDS}, pooled(text=WORDS)),
        ({"text": WORDS, "image": None}, pooled(text=WORDS)),
    ],
)
def test_inputs_are_objects_as_jina_has_them(
    pictures: httpx.Client, item: dict[str, Any], expected: np.ndarray[Any, Any]
) -> None:
    np.testing.assert_allclose(_embeddings(pictures, input=item), [expected], atol=1e-6)
    found = _embeddings(pictures, input=[{"text": "pit"}, item, "pit", {"image": address(BLUE)}], normalized=True)
    np.testing.assert_allclose(found, [pooled(text="pit"), expected, pooled(text="pit"), pooled(BLUE)], atol=1e-6)


def test_a_file_that_the_operator_allows_is_an_image(served: Any, pictures: httpx.Client) -> None:
    url = (served.folder / "red.png").as_uri()
    np.testing.assert_allclose(_embeddings(pictures, input={"image": url}), [pooled(RED)], atol=1e-6)


def test_pooling_says_where_on_the_image_each_vector_belongs(pictures: httpx.Client) -> None:
    body = {"messages": talk(part(RED, (24, 16)), WORDS), "task": "token_embed", "return_positions": True}
    answer = _post(pictures, "/pooling", **body)
    (entry,) = answer["data"]
    np.testing.assert_allclose(entry["data"], rows(RED, 6, WORDS), atol=1e-6)
    assert entry["positions"] == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], 6, 7]
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] == 8


def test_several_images_are_numbered_in_positions(pictures: httpx.Client) -> None:
    body = {"messages": talk(part(RED), part(BLUE)), "outputs": ["multi"], "return_positions": True}
    (entry,) = _post(pictures, "/v1/embeddings", **body)["data"]
    np.testing.assert_allclose(entry["multi"], np.concatenate([rows(RED), rows(BLUE)]), atol=1e-6)
    assert entry["positions"] == [[0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 1]]


@pytest.mark.parametrize("path", ["/pooling", "/invocations"])
def test_pooling_takes_several_images_as_objects_among_texts(pictures: httpx.Client, path: str) -> None:
    items = [{"content": [part(RED)]}, WORDS, {"image": plain(BLUE)}, {"text": "pit"}]
    answer = _post(pictures, path, input=items, task="embed")
    expected = [pooled(RED), pooled(text=WORDS), pooled(BLUE), pooled(text="pit")]
    np.testing.assert_allclose([entry["data"] for entry in answer["data"]], expected, atol=1e-6)
    answer = _post(pictures, "/classify", input=items)
    assert [int(np.argmax(entry["probs"])) for entry in answer["data"]][::2] == [0, 2]


def test_an_image_is_labelled(pictures: httpx.Client) -> None:
    answer = _post(pictures, "/classify", messages=talk(part(BLUE)))
    assert np.argmax(answer["data"][0]["probs"]) == 2
    assert answer["usage"]["prompt_tokens"] == 2


def test_sagemakers_route_takes_images(pictures: httpx.Client) -> None:
    answer = _post(pictures, "/invocations", messages=talk(part(RED)), task="embed")
    np.testing.assert_allclose(answer["data"][0]["data"], pooled(RED), atol=1e-6)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_cohere_embeds_images_and_bills_their_tokens(pictures: httpx.Client, version: str) -> None:
    body = {"images": [address(RED), address(BLUE, (32, 8))], "input_type": "image", "embedding_types": ["float"]}
    answer = _post(pictures, f"/{version}/embed", **body)
    np.testing.assert_allclose(answer["embeddings"]["float"], [pooled(RED), pooled(BLUE)], atol=1e-6)
    assert answer["meta"]["billed_units"] == {"input_tokens": 0, "image_tokens": 6}
    assert "texts" not in answer
    contents = [
        {"content": [part(RED), {"type": "text", "text": WORDS}]},
        {"content": [{"type": "text", "text": "pit"}]},
    ]
    answer = _post(pictures, f"/{version}/embed", inputs=contents, embedding_types=["float"])
    expected = [pooled(RED, text=WORDS), pooled(text="pit")]
    np.testing.assert_allclose(answer["embeddings"]["float"], expected, atol=1e-6)
    assert answer["meta"]["billed_units"] == {"input_tokens": 0, "image_tokens": 5}
    answer = _post(pictures, f"/{version}/embed", texts=[WORDS])
    assert answer["meta"]["billed_units"] == {"input_tokens": 2, "image_tokens": 0}


def test_coheres_client_sends_images(served: Any) -> None:
    with httpx.Client() as plain_client:
        client = cohere.ClientV2(api_key="none", base_url=served.url, httpx_client=plain_client)
        answer = client.embed(model="pictures", input_type="image", images=[address(RED)], embedding_types=["float"])
    np.testing.assert_allclose(answer.embeddings.float_, [pooled(RED)], atol=1e-6)


QUERIES = [WORDS, {"text": WORDS}, {"content": WORDS}, {"content": [{"type": "text", "text": WORDS}]}]
IMAGES = [{"content": [part(RED)]}, {"image": address(RED)}, {"image": plain(RED)}, {"image_url": address(RED)}]


@pytest.mark.parametrize("names", [("queries", "documents"), ("queries", "items"), ("data_1", "data_2")])
def test_texts_and_images_are_scored_on_both_sides(pictures: httpx.Client, names: tuple[str, str]) -> None:
    expected = float(pooled(text=WORDS) @ pooled(RED))
    for query in QUERIES:
        answer = _post(pictures, "/score", **{names[0]: query, names[1]: IMAGES}, score_type="dense")
        np.testing.assert_allclose([item["score"] for item in answer["data"]], [expected] * 4, atol=1e-6)
        assert answer["usage"]["prompt_tokens"] == 2 + 4 * 2
    answer = _post(pictures, "/v1/score", **{names[0]: IMAGES[0], names[1]: {"image": plain(BLUE)}}, score_type="dense")
    assert answer["data"][0]["score"] == pytest.approx(float(pooled(RED) @ pooled(BLUE)), abs=1e-6)


def test_rankings_repeat_documents_as_they_were_given(pictures: httpx.Client) -> None:
    documents = [WORDS, {"content": [part(BLUE)]}, {"image": plain(RED), "id": 7}, {"text": "pit", "image": plain(RED)}]
    body = {"query": {"content": [part(RED)]}, "documents": documents, "score_type": "dense"}
    vectors = [pooled(text=WORDS), pooled(BLUE), pooled(RED), pooled(RED, text="pit")]
    results = _post(pictures, "/rerank", **body)["results"]
    assert {item["index"] for item in results} == set(range(4))
    assert results[0]["index"] == 2
    found = {item["index"]: item for item in results}
    for place, vector in enumerate(vectors):
        assert found[place]["relevance_score"] == pytest.approx(float(pooled(RED) @ vector), abs=1e-6)
    shown = [found[place]["document"] for place in range(4)]
    assert shown[0] == {"text": WORDS, "multi_modal": None}
    assert shown[1] == {"text": None, "multi_modal": [part(BLUE)]}
    for place in (2, 3):
        assert documents[place].items() <= shown[place].items(), shown[place]
    bare = _post(pictures, "/v1/rerank", **body, return_documents=False)["results"]
    assert all("document" not in item for item in bare)


def test_without_a_name_the_first_model_that_reads_images_answers(
    pictures: httpx.Client, served: Any, engine: Any, start_server: Any
) -> None:
    both = {"texts": engine, "pictures": next(iter(served.state.models)).engine}
    with start_server(engine=both) as running, httpx.Client(base_url=running.url) as client:
        for path, body in (
            ("/v1/embeddings", {"messages": talk(part(RED))}),
            ("/v1/embeddings", {"input": [{"image": plain(RED)}]}),
            ("/pooling", {"messages": talk(part(RED)), "task": "embed"}),
        ):
            assert _post(client, path, **body)["model"] == "pictures", path
        assert _post(client, "/v1/embeddings", input=WORDS)["model"] == "texts"
        found = _post(client, "/v2/embed", images=[address(RED)])["embeddings"]["float"]
        np.testing.assert_allclose(found, [pooled(RED)], atol=1e-6)


def test_an_image_of_ten_megabytes_is_read(pictures: httpx.Client) -> None:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (1900, 1900, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((1900, 1900)).save(file, "BMP")
    data = file.getvalue()
    assert len(data) > 10_000_000
    body = {"messages": talk({"type": "image_url", "image_url": {"url": _encoded(data)}}), "task": "embed"}
    answer = pictures.post("/pooling", json=body)
    assert answer.status_code == 400  # it was decoded: what is refused is its number of tokens
    assert answer.json()["error"]["param"] == "input_tokens"


def _encoded(data: bytes) -> str:
    return "data:image/bmp;base64," + base64.b64encode(data).decode()


def test_metrics_tell_how_often_prepared_images_were_found(
    picture_model: ModuleType, plain_engine: Any, start_server: Any
) -> None:
    engine = plain_engine(picture_model.PictureModel())
    with start_server(engine=engine, names=("m",), metrics_vllm_names=True) as running:
        with httpx.Client(base_url=running.url) as client:
            _post(client, "/v1/embeddings", input=[{"image": plain(RED)}, {"image": plain(BLUE)}, "words"])
            _post(client, "/v1/embeddings", messages=talk(part(RED)))
            text = client.get("/metrics").text
            engine.reset_mm_cache()
            _post(client, "/v1/embeddings", messages=talk(part(RED)))
            assert 'cenote:mm_cache_hits_total{model_name="m"} 1.0' in client.get("/metrics").text
    asyncio.run(engine.shutdown())
    for line in (
        'cenote:mm_cache_queries_total{model_name="m"} 3.0',
        'cenote:mm_cache_hits_total{model_name="m"} 1.0',
        'vllm:mm_cache_queries_total{engine="0",model_name="m"} 3.0',
        'vllm:mm_cache_hits_total{engine="0",model_name="m"} 1.0',
    ):
        assert line in text


def test_request_logs_hold_no_pictures(
    picture_model: ModuleType, plain_engine: Any, start_server: Any, server_log: pytest.LogCaptureFixture
) -> None:
    engine = plain_engine(picture_model.PictureModel())
    with start_server(engine=engine, names=("m",), enable_log_requests=True, uvicorn_log_level="debug") as running:
        with httpx.Client(base_url=running.url) as client:
            _post(client, "/v1/embeddings", input=[{"image": plain(RED)}, {"text": WORDS}])
            _post(client, "/score", queries=WORDS, documents=IMAGES, score_type="dense")
            _post(client, "/score", queries=address(RED), documents=[address(RED)], score_type="dense")
            _post(client, "/pooling", messages=talk(part(RED), WORDS), task="embed")
    asyncio.run(engine.shutdown())
    assert plain(RED)[:20] not in server_log.text
    assert "base64" not in server_log.text
