"""Infinity's engine without its server."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from typing import Any

from harness.job import Job, Runner

__all__ = ["PACKAGES", "load"]

PACKAGES = ("infinity-emb", "sentence-transformers", "torch", "transformers")


def load(job: Job) -> Runner:
    """Load a bi-encoder in float32; an engine has one batch size, so each size that is tried has an engine.

    An engine is started once and stays so, as in its server: to stop one takes half a second. Its event loop goes on
    where the last call left it.
    """
    library: Any = importlib.import_module("infinity_emb")
    importlib.import_module("torch").set_num_threads(job.threads)
    loop = asyncio.new_event_loop()
    engines: dict[int, Any] = {}
    running: list[Any] = []

    def engine_of(batch: int) -> Any:
        if batch not in engines:
            settings = library.EngineArgs(
                model_name_or_path=job.folder,
                engine="torch",
                device="cpu",
                dtype=job.setting,
                batch_size=batch,
                bettertransformer=False,
                model_warmup=False,
            )
            engines[batch] = library.AsyncEmbeddingEngine.from_args(settings)
        return engines[batch]

    async def embed(texts: list[str], batch: int) -> Any:
        engine = engine_of(batch)
        if running != [engine]:
            for other in running:
                await other.astop()
            await engine.astart()
            running[:] = [engine]
        vectors, _ = await engine.embed(sentences=texts)
        return vectors

    def run(texts: Sequence[Any], batch: int) -> Any:
        return loop.run_until_complete(embed(list(texts), batch))

    engine_of(32)
    return run
