"""Tokens, vectors and scores of videos equal those of the reference: the files in `goldens/video`.

They are written by `scripts/colqwen_video_goldens.py`.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from cenote import LLM, AsyncLLM
from cenote.media import Clip
from cenote.server import build_app
from cenote.testing.compare import assert_close

_FOLDER = Path(__file__).parent / "goldens" / "video"
_GOLDEN: dict[str, Any] = json.loads((_FOLDER / "colqwen3_5.json").read_text())
_ROWS: dict[str, dict[str, Any]] = {row["name"]: row for row in _GOLDEN["videos"]}
_VECTORS, _SCORES = 2e-5, 1e-4


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    """The reference's vectors, by name."""
    with np.load(_FOLDER / "colqwen3_5.npz") as arrays:
        return dict(arrays)


def _prompt(row: dict[str, Any]) -> dict[str, Any]:
    *shape, seed = row["pixels"]
    frames = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    metadata = {name: row[name] for name in ("fps", "frames_indices") if name in row}
    text = {"prompt": row["text"]} if "text" in row else {}
    return {"multi_modal_data": {"video": (frames, metadata)}, **text}


@pytest.mark.parametrize("name", [name for name, row in _ROWS.items() if "max_video_pixels" not in row])
def test_tokens_and_vectors_are_those_of_the_reference(
    name: str, loaded: Callable[..., LLM], encode: Callable[..., list[Any]], vectors: dict[str, Any]
) -> None:
    (output,) = encode(loaded("colqwen3_5"), [_prompt(_ROWS[name])])
    assert output.prompt_token_ids == _ROWS[name]["ids"]
    assert_close(output.outputs.data.numpy(), vectors[name], tolerance=_VECTORS, name=name)


def test_a_limit_of_the_user_makes_frames_smaller(
    folder_of: Callable[[str], Path], encode: Callable[..., list[Any]], vectors: dict[str, Any]
) -> None:
    row = _ROWS["large"]
    with LLM(str(folder_of("colqwen3_5")), mm_processor_kwargs={"max_video_pixels": row["max_video_pixels"]}) as model:
        (output,) = encode(model, [_prompt(row)])
    assert output.prompt_token_ids == row["ids"]
    assert_close(output.outputs.data.numpy(), vectors["large"], tolerance=_VECTORS)


def test_videos_beside_texts_and_pages_in_one_batch_get_the_same_vectors(
    loaded: Callable[..., LLM], encode: Callable[..., list[Any]], picture: Callable[..., Any], vectors: dict[str, Any]
) -> None:
    names = ["as it is", "small", "chosen", "with a text"]
    page = {"multi_modal_data": {"image": picture(150, 70)}}
    prompts = [page, *(_prompt(_ROWS[name]) for name in names), "a text"]
    outputs = encode(loaded("colqwen3_5"), prompts)
    for name, output in zip(names, outputs[1:-1], strict=True):
        assert_close(output.outputs.data.numpy(), vectors[name], tolerance=_VECTORS, name=name)


def test_scores_are_those_of_the_reference(loaded: Callable[..., LLM]) -> None:
    rows = [row for row in _ROWS.values() if "max_video_pixels" not in row]
    outputs = loaded("colqwen3_5").score(_GOLDEN["query"], [_prompt(row) for row in rows], use_tqdm=False)
    assert_close([output.outputs.score for output in outputs], [row["score"] for row in rows], tolerance=_SCORES)


def _encoded(frames: Any) -> bytes:
    """Return frames as MP4 without loss, so that what is decoded is nearly what went in."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264rgb", rate=2)
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt, stream.options = "rgb24", {"crf": "0"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def _answers(folder: Path, requests: list[tuple[str, Any]]) -> list[httpx.Response]:
    """Send bodies to the routes of a server in this process: reading videos needs none of its own."""

    async def run() -> list[httpx.Response]:
        engine = AsyncLLM(str(folder))
        transport = httpx.ASGITransport(build_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = [await client.post(path, json=body) for path, body in requests]
        await engine.shutdown()
        return answers

    return asyncio.run(run())


def test_a_server_reads_encoded_videos(folder_of: Callable[[str], Path], vectors: dict[str, Any]) -> None:
    frames, _ = _prompt(_ROWS["as it is"])["multi_modal_data"]["video"]
    encoded = _encoded(frames)
    assert (np.stack(list(Clip.of_bytes(encoded).frames(range(8)))) == frames).all()
    address = "data:video/mp4;base64," + base64.b64encode(encoded).decode()
    broken = "data:video/mp4;base64," + base64.b64encode(encoded[:3000]).decode()
    document = {"content": [{"type": "video_url", "video_url": {"url": address}}]}
    requests = [("/pooling", _pooling(each)) for each in (address, broken, "data:image/png;base64,AAAA")]
    requests.append(("/rerank", {"query": _GOLDEN["query"], "documents": [document, "a text"]}))
    *answers, last = _answers(folder_of("colqwen3_5"), requests)
    ranked = last.raise_for_status().json()["results"]
    rows = np.asarray(answers[0].raise_for_status().json()["data"][0]["data"])
    assert_close(rows, vectors["as it is"], tolerance=_VECTORS)
    for answer in answers[1:]:
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "video_url"
    score = next(row["relevance_score"] for row in ranked if row["index"] == 0)
    assert abs(score - _ROWS["as it is"]["score"]) <= _SCORES


def _pooling(address: str) -> dict[str, Any]:
    message = {"role": "user", "content": [{"type": "video_url", "video_url": {"url": address}}]}
    return {"task": "token_embed", "messages": [message]}
