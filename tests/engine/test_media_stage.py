"""Prompts with media: checked first, then loaded and prepared in threads of their own."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cenote import LLM, AsyncLLM
from cenote.config import EngineConfig
from cenote.engine import Engine
from cenote.engine.bulk import BulkRun
from cenote.engine.loader import LoadedModel
from cenote.engine.media import MediaStage
from cenote.engine.progress import TokenProgress
from cenote.engine.request import RequestOptions
from cenote.engine.token_view import view_tokens
from cenote.errors import EngineClosed, InvalidRequest, MediaFetchError, MediaUnavailable, QueueFull
from cenote.inputs import parse_prompts
from cenote.inputs.embeds import RawEmbeds
from cenote.media import Clip, MediaCache, Picture
from cenote.registry import default_registry
from cenote.types import MediaAddress, MediaItem, ModelLimits, PreparedInput, Prompt

OPTIONS = RequestOptions(task="embed")
PLAIN = EngineConfig()


def png(width: int, height: int = 1) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def picture_of(url: str, *, kind: str = "image") -> Prompt:
    return Prompt(media=(MediaItem(kind, MediaAddress(url, f"{kind}_url")),))


def wide(width: int) -> Prompt:
    return picture_of("data:image/png;base64," + base64.b64encode(png(width)).decode())


class Host:
    """Loads `host:` addresses: an image as wide as the address says, or what a test wants to happen."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.before: Callable[[str], object] = lambda word: None

    def load(self, url: str, policy: Any) -> bytes:
        word = url.removeprefix("host:")
        self.asked.append(word)
        self.before(word)
        if word == "busy":
            raise MediaUnavailable("The host is busy.")
        if word == "gone":
            raise MediaFetchError("The host has none.")
        return b"no image" if word == "broken" else png(int(word))


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    undo = default_registry().register("cenote.media_loaders", "host", made, distribution="acme", version="1")
    yield made
    undo()


@pytest.fixture
def seer(plain: ModuleType) -> Any:
    """A model that makes of each image a token: how wide it is."""

    class Seer(plain.PlainModel):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.limits = ModelLimits(
                max_tokens=100, embedding_size=2, hidden_size=2, max_token_id=1000, modalities=("text", "image")
            )
            self.media_cache = MediaCache(1000)

        def prepare(self, prompt: Prompt, *rest: Any) -> PreparedInput:
            seen = tuple(item.value.width for item in prompt.media)
            found = super().prepare(Prompt(token_ids=(*(prompt.token_ids or ()), *seen)), *rest)
            assert isinstance(found, PreparedInput)
            return replace(found, media=seen)

    return Seer()


@pytest.fixture
def engine(seer: Any) -> Iterator[Engine]:
    made = Engine(seer, EngineConfig(limit_mm_per_prompt={"image": 2}, media_workers=1), "cpu")
    yield made
    made.shutdown()


@pytest.fixture
def face(seer: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncLLM]:
    loaded = LoadedModel("seer", seer, None, "cpu")  # type: ignore[arg-type]
    monkeypatch.setattr("cenote.engine.async_face.load_model", lambda config: loaded)
    made = AsyncLLM("seer")
    yield made
    asyncio.run(made.shutdown())


def ids(prepared: list[PreparedInput]) -> list[tuple[int, ...]]:
    return [item.token_ids for item in prepared]


def test_texts_and_images_come_back_in_their_order(engine: Engine) -> None:
    text = Prompt(token_ids=(7,))
    both = Prompt(token_ids=(5,), media=(*wide(4).media, *wide(3).media))
    prompts = [text, wide(1), wide(2), text, text, both, text]
    assert ids(engine.prepare(prompts, OPTIONS).result(10)) == [(7,), (1,), (2,), (7,), (7,), (5, 4, 3), (7,)]


def test_media_in_every_form_are_read_before_the_model_sees_them() -> None:
    stage = MediaStage(("text", "image", "video"), EngineConfig(enable_mm_embeds=True))
    frames = np.zeros((2, 4, 6, 3), np.uint8)
    (prompt,) = parse_prompts({"multi_modal_data": {"image": [Image.new("RGB", (3, 2)), png(5)], "video": frames}})
    embeds = MediaItem("image_embeds", RawEmbeds([[1, 2.5]], "image_embeds"))
    first, second, third, fourth = stage.load(Prompt(media=(*prompt.media, embeds))).media
    assert isinstance(first.value, Picture)
    assert isinstance(second.value, Picture)
    assert (first.value.width, second.value.width) == (3, 5)
    assert isinstance(third.value, Clip)
    assert fourth.kind == "image_embeds"
    assert {name: array.tolist() for name, array in fourth.value.items()} == {"image_embeds": [[1.0, 2.5]]}


@pytest.mark.parametrize(
    ("prompt", "param", "message"),
    [
        (picture_of("host:1", kind="video"), "video_url", "text and image only; the prompt has a video"),
        (Prompt(media=picture_of("host:1").media * 3), "image_url", "3 media of the kind 'image'; at most 2"),
        (Prompt(media=(MediaItem("image_embeds", RawEmbeds([1.0], "image_embeds")),)), "image_embeds", "enable_mm_emb"),
    ],
    ids=["another kind", "too many", "embeddings"],
)
def test_what_can_be_refused_at_once_is_refused_before_anything_is_loaded(
    engine: Engine, host: Host, prompt: Prompt, param: str, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"^Prompt 1: .*{message}") as refused:
        engine.prepare([picture_of("host:1"), prompt], OPTIONS, first=0).result(10)
    assert refused.value.param == param
    assert host.asked == []


@pytest.mark.parametrize(
    ("word", "kind"), [("busy", MediaUnavailable), ("gone", MediaFetchError), ("broken", InvalidRequest)]
)
def test_the_first_error_is_raised_with_its_place(engine: Engine, host: Host, word: str, kind: type[Exception]) -> None:
    prompts = [wide(1), picture_of(f"host:{word}"), picture_of("host:busy"), Prompt(token_ids=())]
    with pytest.raises(kind, match=r"^Prompt 6: The ") as failed:
        engine.prepare(prompts, OPTIONS, first=5).result(10)
    assert getattr(failed.value, "param", None) == "image_url"
    assert getattr(failed.value, "index", None) == 6


def test_errors_of_single_items_leave_the_others_alone(face: AsyncLLM, host: Host) -> None:
    urls = ("host:1", "host:busy", "host:gone", "host:broken", "host:5")
    prompts = [*map(picture_of, urls), picture_of("host:1", kind="video"), Prompt(token_ids=())]
    outputs = asyncio.run(face.run(prompts, task="embed", on_error="item"))
    assert [output.error and output.error.code for output in outputs] == [None, 500, 422, 400, None, 400, 400]
    assert outputs[1].error is not None
    assert (outputs[1].error.kind, outputs[1].error.param) == (MediaUnavailable, "image_url")
    assert outputs[1].error.message == "Prompt 1: The host is busy."
    assert [outputs[at].outputs.data[0].item() for at in (0, 4)] == [1.0, 5.0]


def test_images_of_a_call_are_loaded_together(engine: Engine, host: Host) -> None:
    meeting = threading.Barrier(3)
    host.before = lambda word: meeting.wait(20) and None
    assert ids(engine.prepare([picture_of(f"host:{n}") for n in (1, 2, 3)], OPTIONS).result(30)) == [(1,), (2,), (3,)]


def test_texts_never_wait_behind_images(engine: Engine, host: Host) -> None:
    loaded = threading.Event()
    host.before = lambda word: loaded.wait(20) and None
    slow = [engine.prepare([picture_of("host:1")] * 10, OPTIONS) for _ in range(3)]
    assert ids(engine.prepare([Prompt(token_ids=(7,))], OPTIONS).result(10)) == [(7,)]
    assert not any(future.done() for future in slow)
    loaded.set()
    assert [len(future.result(30)) for future in slow] == [10, 10, 10]


def test_a_cancelled_call_loads_no_more(engine: Engine, host: Host) -> None:
    loaded, begun = threading.Event(), threading.Event()
    host.before = lambda word: begun.set() or (loaded.wait(20) and None)
    future = engine.prepare([picture_of(f"host:{n}") for n in range(1, 30)], OPTIONS)
    assert begun.wait(20)
    assert future.cancel()
    loaded.set()
    engine.prepare([picture_of("host:99")], OPTIONS).result(20)
    assert len(host.asked) < 10


def many(*words: str) -> Prompt:
    return Prompt(media=tuple(item for word in words for item in picture_of(f"host:{word}").media))


def test_a_cancelled_prompt_loads_none_of_its_other_images(engine: Engine, host: Host) -> None:
    loaded, begun = threading.Event(), threading.Event()
    host.before = lambda word: begun.set() or (loaded.wait(20) and None)
    future = engine.prepare([many("1", "2")], OPTIONS)
    assert begun.wait(20)
    assert future.cancel()
    loaded.set()
    engine.prepare([picture_of("host:99")] * 5, OPTIONS).result(20)
    assert "2" not in host.asked


def test_images_that_are_there_do_not_wait_for_hosts(engine: Engine, host: Host) -> None:
    loaded = threading.Event()
    host.before = lambda word: loaded.wait(20) and None
    slow = engine.prepare([picture_of("host:1")] * 20, OPTIONS)
    assert ids(engine.prepare([wide(3)], OPTIONS).result(10)) == [(3,)]
    assert not slow.done()
    loaded.set()
    slow.result(20)


def test_the_images_of_a_prompt_share_their_time_and_bytes(seer: Any, host: Host) -> None:
    size = len(png(1))
    small = MediaStage(("image",), EngineConfig(max_media_bytes=2 * size + 1))
    assert len(small.load(many("1", "1")).media) == 2
    with pytest.raises(InvalidRequest, match=f"more than the {2 * size + 1} bytes that are allowed together"):
        small.load(many("1", "1", "1"))
    host.before = lambda word: time.sleep(0.02)
    brief = MediaStage(("image",), EngineConfig(media_timeout=0.01))
    with pytest.raises(MediaUnavailable, match=r"within 0\.01 seconds in all") as failed:
        brief.load(many("1", "2"))
    assert (failed.value.param, host.asked[-1]) == ("image_url", "1")


def test_what_waits_fails_when_the_engine_stops(engine: Engine, host: Host) -> None:
    loaded, begun = threading.Event(), threading.Event()
    host.before = lambda word: begun.set() or (loaded.wait(20) and None)
    future = engine.prepare([picture_of(f"host:{n}") for n in range(1, 30)], OPTIONS)
    assert begun.wait(20)
    engine.shutdown()
    loaded.set()
    with pytest.raises(EngineClosed):
        future.result(20)


def test_a_model_of_texts_has_no_threads_for_media(model: Any) -> None:
    before = {thread.name for thread in threading.enumerate()}
    made = Engine(model, PLAIN, "cpu")
    made.prepare([Prompt(token_ids=(1,))], OPTIONS).result(10)
    with pytest.raises(InvalidRequest, match="reads text only; the prompt has an image"):
        made.prepare([wide(1)], OPTIONS).result(10)
    started = {thread.name for thread in threading.enumerate()} - before
    assert not any(name.startswith("cenote-media") for name in started)
    made.shutdown()


def test_a_huge_call_holds_few_prepared_images(engine: Engine, seer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    alive, most, lock = 0, 0, threading.Lock()
    prepare, forward = seer.prepare, seer.forward

    def counted(*given: Any) -> PreparedInput:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        made: PreparedInput = prepare(*given)
        return made

    def ran(batch: Any) -> Any:
        nonlocal alive
        with lock:
            alive -= len(batch.lengths)
        return forward(batch)

    monkeypatch.setattr(seer, "prepare", counted)
    monkeypatch.setattr(seer, "forward", ran)
    prompts = [wide(1)] * 600
    places = BulkRun(engine, prompts, [OPTIONS] * 600, TokenProgress(False, 0), lambda place, *_: place).run()
    assert places == list(range(600))
    assert most <= 66


def test_a_huge_call_of_a_server_is_run_some_at_a_time(face: AsyncLLM, seer: Any, host: Host) -> None:
    prompts = [Prompt(token_ids=(7,)), *(picture_of(f"host:{n}") for n in range(1, 151)), Prompt(token_ids=(8,))]
    prepared: list[int] = []
    host.before = lambda word: prepared.append(len(host.asked) - sum(map(len, seer.batches)))
    outputs = asyncio.run(face.run(prompts, task="embed", request_id="r"))
    assert [output.outputs.data[0].item() for output in outputs] == [7, *range(1, 151), 8]
    assert [output.request_id for output in outputs] == [f"r-{at}" for at in range(152)]
    assert max(prepared) <= 64
    late = [*prompts, picture_of("host:broken")]
    with pytest.raises(InvalidRequest, match=r"^Prompt 152: The medium is no image"):
        asyncio.run(face.run(late, task="embed"))
    scores = asyncio.run(face.score({"image": "host:3"}, [{"image": f"host:{n}"} for n in range(1, 101)]))
    assert len(scores) == 100
    assert max(range(100), key=lambda at: scores[at].outputs.score) == 2
    with pytest.raises(MediaUnavailable, match=r"^documents\[100\]: The host is busy"):
        asyncio.run(face.score({"image": "host:3"}, [{"image": "host:3"}] * 100 + [{"image": "host:busy"}]))


@pytest.fixture
def narrow(seer: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncLLM]:
    """Four prompts may wait."""
    loaded = LoadedModel("seer", seer, None, "cpu")  # type: ignore[arg-type]
    monkeypatch.setattr("cenote.engine.async_face.load_model", lambda config: loaded)
    made = AsyncLLM("seer", max_num_queued_reqs=4)
    yield made
    asyncio.run(made.shutdown())


def test_prompts_whose_media_are_loaded_count_as_waiting(narrow: AsyncLLM, host: Host) -> None:
    loaded = threading.Event()
    host.before = lambda word: loaded.wait(20) and None

    async def fill() -> None:
        calls = [asyncio.ensure_future(narrow.run([picture_of("host:1")] * 2, task="embed")) for _ in range(2)]
        await asyncio.sleep(0)
        assert narrow.stats().waiting == 4
        for prompt in (picture_of("host:2"), Prompt(token_ids=(7,))):
            with pytest.raises(QueueFull, match="4 prompts wait and 1 more were sent; at most 4 may wait"):
                await narrow.run([prompt], task="embed")
        left = calls.pop()
        left.cancel()
        await asyncio.wait([left])
        assert narrow.stats().waiting == 2
        calls.append(asyncio.ensure_future(narrow.run([picture_of("host:3"), Prompt(token_ids=(7,))], task="embed")))
        await asyncio.sleep(0)
        assert narrow.stats().waiting == 3
        loaded.set()
        answers = await asyncio.gather(*calls)
        assert [[item.outputs.data[0].item() for item in answer] for answer in answers] == [[1, 1], [3, 7]]
        assert narrow.stats().waiting == 0
        with pytest.raises(MediaUnavailable):
            await narrow.run([picture_of("host:busy")], task="embed")
        assert narrow.stats().waiting == 0

    asyncio.run(fill())


def test_a_call_of_more_images_than_may_wait_takes_half_of_the_queue(narrow: AsyncLLM, host: Host) -> None:
    loaded = threading.Event()
    host.before = lambda word: loaded.wait(20) and None

    async def fill() -> None:
        large = asyncio.ensure_future(narrow.run([picture_of("host:1")] * 70, task="embed"))
        await asyncio.sleep(0)
        assert narrow.stats().waiting == 64
        text = await narrow.run([Prompt(token_ids=(7,))], task="embed")
        assert text[0].outputs.data[0].item() == 7
        with pytest.raises(QueueFull, match="2 prompts wait and 3 more were sent; at most 4 may wait"):
            await narrow.run([picture_of("host:2")] * 3, task="embed")
        loaded.set()
        assert len(await large) == 70

    asyncio.run(fill())


def test_conversations_with_images_are_seen_in_the_view_of_tokens(face: AsyncLLM) -> None:
    (prompt,) = parse_prompts({"prompt_token_ids": [5], "multi_modal_data": {"image": Image.new("L", (9, 1))}})
    assert view_tokens(face, prompt).ids == (5, 9)


def test_scores_of_images_name_the_side_that_is_wrong(face: AsyncLLM, host: Host) -> None:
    image: dict[str, Any] = {"image": Image.new("L", (9, 1))}
    scores = asyncio.run(face.score(image, [image, Image.new("L", (3, 1)), {"image": "host:2"}]))
    assert [round(score.outputs.score, 3) for score in scores] == [1.0, 0.978, 0.938]
    with pytest.raises(MediaUnavailable, match=r"^documents\[1\]: The host is busy"):
        asyncio.run(face.score(image, [image, {"image": "host:busy"}]))
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]: This model reads text and image only") as refused:
        asyncio.run(face.score(image, [image, {"video": "host:1"}]))
    assert refused.value.param == "documents"


def test_the_cache_of_a_model_can_be_emptied(face: AsyncLLM, seer: Any) -> None:
    def made() -> np.ndarray[Any, Any]:
        return np.zeros(1)

    seer.media_cache.get("a", made)
    seer.media_cache.get("a", made)
    assert seer.media_cache.hits == 1
    face.reset_mm_cache()
    seer.media_cache.get("a", made)
    assert (seer.media_cache.queries, seer.media_cache.hits) == (3, 1)


def test_models_of_texts_say_so_to_whoever_ranks_images() -> None:
    with LLM() as llm:
        image = Image.new("L", (2, 2))
        with pytest.raises(
            InvalidRequest, match=r"^documents\[1\]: This model reads text only; the prompt has an image"
        ):
            llm.rerank("a", ["b", image], use_tqdm=False)
        with pytest.raises(InvalidRequest, match=r"^query: This model reads text only"):
            llm.rerank({"content": [{"type": "image_pil", "image_pil": image}]}, ["b"], use_tqdm=False)
        given = {"text": "b", "id": 7}
        assert llm.rerank("a", ["b", given], use_tqdm=False, top_n=1)[0].document in ("b", given)
