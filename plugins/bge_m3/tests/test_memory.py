"""Memory of the whole way from a text to its three forms and scores: it grows with tokens, not with the vocabulary."""

from __future__ import annotations

import asyncio
import json
import shutil
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cenote import AsyncLLM
from cenote.engine import ComputeLoop
from cenote.inputs import parse_prompts
from cenote.server import build_app

#: Ten times the published one: a row of it is larger than any tensor of the small model and a short text.
_VOCABULARY = 2_500_000
_TEXT = "How deep is the well?"
_TABLE = "embeddings.word_embeddings.weight"

Asked = Callable[[AsyncLLM], Awaitable[Any]]


class _Largest(TorchDispatchMode):
    """Sees the bytes of the largest tensor that is computed; of a sparse one, those of its parts."""

    size = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for part in result if isinstance(result, tuple | list) else (result,):
            if isinstance(part, torch.Tensor) and not part.is_sparse:
                self.size = max(self.size, part.nbytes)
        return result


@pytest.fixture(scope="module")
def large(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The look-alike with an embedding table of many more rows, in float16 to be small."""
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("large") / "model")
    tensors = torch.load(copy / "pytorch_model.bin")
    rows = torch.zeros(_VOCABULARY, 32, dtype=torch.float16)
    rows[: len(tensors[_TABLE])] = tensors[_TABLE]
    torch.save(tensors | {_TABLE: rows}, copy / "pytorch_model.bin")
    content = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(content | {"vocab_size": _VOCABULARY}))
    return copy


async def _forms(engine: AsyncLLM) -> Any:
    (found,) = await engine.run(parse_prompts(_TEXT), task="embed", also=("sparse_embed", "token_embed"))
    return found


async def _scores(engine: AsyncLLM) -> Any:
    return await engine.score(_TEXT, ["Deep.", "Bread."], score_type="colbert+sparse+dense")


def _over_http(path: str, **body: Any) -> Asked:
    async def ask(engine: AsyncLLM) -> Any:
        transport = httpx.ASGITransport(build_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


_ASKED: dict[str, Asked] = {
    "forms": _forms,
    "scores": _scores,
    "pooling": _over_http("/pooling", input=_TEXT, outputs=["dense", "sparse", "multi"]),
    "embed_sparse": _over_http("/embed_sparse", inputs=_TEXT),
}


async def _measure(engine: AsyncLLM, loop: ComputeLoop, ask: Asked) -> tuple[int, int]:
    """Return the bytes of the largest tensor, and the peak of what Python and numpy hold."""
    await ask(engine)  # what is made once, as the application, is not counted
    seen = _Largest()
    loop.call(seen.__enter__).result()
    tracemalloc.start()
    try:
        with seen:
            await ask(engine)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        loop.call(seen.__exit__, None, None, None).result()
    return seen.size, peak


def _measure_all(folder: Path) -> dict[str, tuple[int, int]]:
    async def run() -> dict[str, tuple[int, int]]:
        loop = ComputeLoop()
        engine = AsyncLLM(str(folder), loop=loop)
        try:
            return {name: await _measure(engine, loop, ask) for name, ask in _ASKED.items()}
        finally:
            await engine.shutdown()
            loop.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def measured(folder: Path, large: Path) -> list[dict[str, tuple[int, int]]]:
    """What each way takes with the small vocabulary, and with the large one, whose model is loaded once."""
    return [_measure_all(each) for each in (folder, large)]


@pytest.mark.parametrize("name", _ASKED)
def test_a_larger_vocabulary_takes_no_more_memory_on_the_way(
    name: str, measured: list[dict[str, tuple[int, int]]]
) -> None:
    (small, some), (largest, peak) = (found[name] for found in measured)
    assert largest == small > 0
    assert small < 4 * _VOCABULARY  # one row of it would have been seen
    assert peak < some + _VOCABULARY / 8
