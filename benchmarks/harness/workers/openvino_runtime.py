"""sentence-transformers on OpenVINO, with graphs from its own exporters."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from harness.exports import exported
from harness.job import Job, Runner
from harness.workers.sentence_transformers_torch import runner_of

__all__ = ["PACKAGES", "load"]

PACKAGES = ("sentence-transformers", "openvino", "optimum-intel")
#: What is not quantised in the int8 graph is computed in bfloat16, as OpenVINO does by itself where that is fast.
_PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "int8": "bf16"}
_INT8_FILE = "openvino_model_qint8_quantized.xml"


def load(job: Job) -> Runner:
    """Load the graph with a precision hint (`float32`, `bfloat16`), or the one quantised with calibration (`int8`).

    Without the hint OpenVINO computes in bfloat16 by itself wherever the processor can.
    """
    hints = {"INFERENCE_PRECISION_HINT": _PRECISIONS[job.setting], "INFERENCE_NUM_THREADS": str(job.threads)}
    name = _INT8_FILE if job.setting == "int8" else "openvino_model.xml"
    options = {"ov_config": hints, "file_name": name, "subfolder": "openvino"}
    folder = exported(job, "openvino", _export)
    return runner_of(Job(job.work, folder, max_tokens=job.max_tokens), backend="openvino", model_kwargs=options)


def _export(job: Job, folder: Path) -> None:
    library: Any = importlib.import_module("sentence_transformers")
    backend = importlib.import_module("sentence_transformers.backend")
    kind = library.CrossEncoder if job.work == "rerank" else library.SentenceTransformer
    model = kind(str(folder), device="cpu", backend="openvino", model_kwargs={"export": True})
    model.save_pretrained(str(folder))
    backend.export_static_quantized_openvino_model(
        model, None, str(folder), job.calibration, "default", "train", "text"
    )
