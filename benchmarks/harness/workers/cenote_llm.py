"""cenote itself, by its offline API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from harness.job import Job, Runner, Telling
from harness.ragged import read_maxsim

__all__ = ["PACKAGES", "load"]

PACKAGES = ("cenote", "torch", "transformers")
#: How a setting is asked for.
SETTINGS: dict[str, dict[str, Any]] = {
    "float32": {"dtype": "float32"},
    "float32, high": {"dtype": "float32", "float32_matmul_precision": "high"},
    "bfloat16": {"dtype": "bfloat16"},
    "int8": {"dtype": "bfloat16", "quantization": "int8"},
}


def load(job: Job) -> Runner:
    """Load a model in `LLM`, which chooses its batches itself, or documents for MaxSim."""
    if job.work == "maxsim":
        return _maxsim(job)
    from cenote.engine import LLM

    # A checkpoint may name fewer tokens than its model can take, and than the others are told to take.
    longest = {"max_model_len": job.max_tokens} if job.work == "embed" else {}
    llm = LLM(job.folder, **SETTINGS[job.setting], **longest)
    cut = {"truncate_prompt_tokens": min(job.max_tokens, llm.limits.max_tokens)}

    def embed(texts: Sequence[Any], _: int) -> Any:
        import numpy as np

        outputs = llm.embed(list(texts), use_tqdm=False, tokenization_kwargs=cut)
        return np.array([output.outputs.embedding for output in outputs], dtype=np.float32)

    def rerank(pairs: Sequence[Any], _: int) -> Any:
        import numpy as np

        queries, documents = [list(side) for side in zip(*pairs, strict=True)]
        outputs = llm.score(queries, documents, use_tqdm=False, tokenization_kwargs=cut)
        return np.array([output.outputs.score for output in outputs], dtype=np.float32)

    def encode(texts: Sequence[Any], _: int) -> Any:
        import numpy as np

        outputs = llm.encode(list(texts), pooling_task="token_embed", use_tqdm=False, tokenization_kwargs=cut)
        return np.concatenate([np.asarray(output.outputs.data, dtype=np.float32) for output in outputs])

    def vectors(texts: Sequence[Any], _: int) -> Any:
        outputs = llm.encode(list(texts), pooling_task="embed", use_tqdm=False, tokenization_kwargs=cut)
        return [output.outputs.data for output in outputs]  # no copy of all: the peak of memory is what is looked for

    runners: dict[str, Runner] = {"embed": embed, "rerank": rerank, "encode": encode, "vectors": vectors}
    return Telling(runners[job.work], {"execution": _without_reasons(llm.report()["execution"]), **_operators()})


def _without_reasons(execution: str) -> str:
    """Return what a model's report says of its execution, without what is in parentheses: reasons and figures."""
    return re.sub(r" \([^()]*\)", "", execution)


def _operators() -> dict[str, str]:
    """Return the backend that is chosen for each operator."""
    from cenote.kernels import OPERATORS, backend_of

    return {operator: backend_of(operator, "cpu") for operator in OPERATORS}


def _maxsim(job: Job) -> Runner:
    """Score documents that lie end to end in the setting's type, as `output_dtype` would have given them."""
    import torch

    from cenote.scoring import INT8_STEP, maxsim

    torch.set_num_threads(job.threads)
    query, vectors, lengths = read_maxsim(job.folder)
    rows, one, scale = torch.from_numpy(vectors), torch.from_numpy(query), 1.0
    if job.setting == "int8":
        rows, one, scale = (rows * 127).round().to(torch.int8), (one * 127).round().to(torch.int8), INT8_STEP**2
    else:
        rows, one = rows.to(getattr(torch, job.setting)), one.to(getattr(torch, job.setting))

    def run(_: Sequence[Any], __: int) -> Any:
        return maxsim(one, rows, lengths, scale=scale).float().numpy()

    return run
