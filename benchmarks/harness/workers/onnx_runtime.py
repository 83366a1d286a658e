"""sentence-transformers on ONNX Runtime, with graphs from its own exporters."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from harness.exports import exported
from harness.job import Job, Runner
from harness.workers.sentence_transformers_torch import runner_of

__all__ = ["PACKAGES", "load"]

PACKAGES = ("sentence-transformers", "onnxruntime", "optimum-onnx")
_FILES = {"float32": "model_O3.onnx", "int8": "model_qint8_avx512_vnni.onnx"}


def load(job: Job) -> Runner:
    """Load the graph optimised at level O3 (`float32`), or quantised dynamically to 8 bits (`int8`)."""
    runtime = importlib.import_module("onnxruntime")
    session = runtime.SessionOptions()
    session.intra_op_num_threads = job.threads
    folder = exported(job, "onnx-runtime", _export)
    options = {
        "provider": "CPUExecutionProvider",
        "session_options": session,
        "file_name": _FILES[job.setting],
        "subfolder": "onnx",
    }
    return runner_of(Job(job.work, folder, max_tokens=job.max_tokens), backend="onnx", model_kwargs=options)


def _export(job: Job, folder: Path) -> None:
    library: Any = importlib.import_module("sentence_transformers")
    backend = importlib.import_module("sentence_transformers.backend")
    kind = library.CrossEncoder if job.work == "rerank" else library.SentenceTransformer
    model = kind(
        str(folder), device="cpu", backend="onnx", model_kwargs={"provider": "CPUExecutionProvider", "export": True}
    )
    model.save_pretrained(str(folder))
    backend.export_optimized_onnx_model(model, "O3", str(folder))
    backend.export_dynamic_quantized_onnx_model(model, "avx512_vnni", str(folder))
