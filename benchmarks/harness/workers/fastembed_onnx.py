"""FastEmbed on the ONNX graphs that sentence-transformers exports: it pads batches in the given order."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.exports import existing
from harness.job import Job, Runner

__all__ = ["PACKAGES", "load"]

PACKAGES = ("fastembed", "onnxruntime")
_FILES = {"float32": "onnx/model.onnx", "int8": "onnx/model_qint8_avx512_vnni.onnx"}


def load(job: Job) -> Runner:
    """Load the plain graph (`float32`) or the dynamically quantised one (`int8`) with mean pooling."""
    library: Any = importlib.import_module("fastembed")
    described: Any = importlib.import_module("fastembed.common.model_description")
    name = f"local/{Path(job.folder).name}-{job.setting}"
    width = json.loads((Path(job.folder) / "config.json").read_text())["hidden_size"]
    library.TextEmbedding.add_custom_model(
        model=name,
        pooling=described.PoolingType.MEAN,
        normalization=True,
        sources=described.ModelSource(hf=name),
        dim=width,
        model_file=_FILES[job.setting],
    )
    folder = existing(job, "onnx-runtime")
    model = library.TextEmbedding(model_name=name, specific_model_path=folder, threads=job.threads)
    model.model.tokenizer.enable_truncation(job.max_tokens)

    def run(texts: Sequence[Any], batch: int) -> Any:
        return list(model.embed(list(texts), batch_size=batch))

    return run
