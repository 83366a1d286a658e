"""Late-interaction models that read pages: Qwen3-VL or Qwen3.5 and, but for NVIDIA's, a projection of each token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.qwen_vl_configs import (
    HIDDEN_SIZE,
    VECTOR_SIZE,
    colqwen3,
    colqwen3_5,
    native_qwen3_5,
    native_qwen3_vl,
    nemotron_colembed,
    ops_colqwen3,
    qwen3_vl,
)
from cenote.testing.checkpoints.qwen_vl_files import (
    CHAT_TEMPLATE,
    answering_tokenizer,
    nemotron_files,
    visual_files,
    visual_tokenizer,
)

__all__ = ["QWEN_VL"]

#: Pixels per merged patch, which is one token.
_PATCH = 32 * 32
#: Spread of embeddings that are also the output layer: probabilities stay away from 0 and 1.
_TIED_STD = 0.1


def _projection(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size, HIDDEN_SIZE), f"{name}.bias": (size,)}


def _output_layer(name: str, config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return a layer over the vocabulary, which is stored and read by nobody."""
    return {name: (config["text_config"]["vocab_size"], HIDDEN_SIZE)}


def _qwen3_vl(name: str, architecture: str, **settings: Any) -> Family:
    """A family on Qwen3-VL, with the tensors of `Qwen3VLModel`."""
    given: dict[str, Any] = {
        "model_class": "Qwen3VLModel",
        "tokenizer": visual_tokenizer,
        "native": native_qwen3_vl,
        "native_layout": True,
        "chat_template": CHAT_TEMPLATE,
        "side_files": False,
    }
    return Family(name=name, architecture=architecture, **given | settings)


def _reranker(name: str, *, tied: bool) -> Family:
    """Return one of Qwen3-VL-Reranker, with the output layer in the files where it is no embedding table."""
    return _qwen3_vl(
        name,
        "Qwen3VLForConditionalGeneration",
        tokenizer=answering_tokenizer,
        config=lambda tokenizer: qwen3_vl(tokenizer, tied=tied),
        prefix="model.",
        heads=None if tied else lambda config: _output_layer("lm_head.weight", config),
        embedding_std=_TIED_STD,
        files=visual_files("Qwen3VLProcessor", 16777216),
    )


QWEN_VL: tuple[Family, ...] = (
    # TomoroAI/tomoro-colqwen3-embed-4b
    _qwen3_vl(
        "colqwen3",
        "ColQwen3",
        config=colqwen3,
        prefix="vlm.model.",
        heads=lambda _: _projection("embedding_proj_layer", VECTOR_SIZE),
        # The cap of 1280 tokens is the code's, not the file's.
        files=visual_files("ColQwen3Processor", 16777216),
    ),
    # TomoroAI/tomoro-colqwen3-embed-8b, which stores its output layer
    _qwen3_vl(
        "colqwen3_untied",
        "ColQwen3",
        config=colqwen3,
        prefix="vlm.model.",
        heads=lambda config: (
            _projection("embedding_proj_layer", VECTOR_SIZE) | _output_layer("vlm.lm_head.weight", config)
        ),
        files=visual_files("ColQwen3Processor", 16777216),
    ),
    # OpenSearch-AI/Ops-Colqwen3-4B
    _qwen3_vl(
        "ops_colqwen3",
        "OpsColQwen3Model",
        config=ops_colqwen3,
        prefix="",
        heads=lambda _: _projection("custom_text_proj", HIDDEN_SIZE),
        files=visual_files("OpsColQwen3Processor", 1280 * _PATCH),
    ),
    # nvidia/nemotron-colembed-vl-4b-v2
    _qwen3_vl(
        "nemotron_colembed",
        "Qwen3VLNemotronEmbedModel",
        config=nemotron_colembed,
        prefix="model.",
        heads=lambda config: _output_layer("lm_head.weight", config),
        files=nemotron_files(1024 * _PATCH),
    ),
    # athrael-soju/colqwen3.5-4.5B-v3
    _qwen3_vl(
        "colqwen3_5",
        "ColQwen3_5",
        model_class="Qwen3_5Model",
        native=native_qwen3_5,
        config=colqwen3_5,
        prefix="",
        heads=lambda _: _projection("custom_text_proj", VECTOR_SIZE),
        files=visual_files("Qwen3VLProcessor", 16777216),
        extra_tensors={
            "mtp.fc.weight": (HIDDEN_SIZE, 2 * HIDDEN_SIZE),
            "mtp.layers.0.input_layernorm.weight": (HIDDEN_SIZE,),
            "mtp.norm.weight": (HIDDEN_SIZE,),
        },
    ),
    # Qwen/Qwen3-VL-Embedding-2B; larger ones store their output layer
    _qwen3_vl(
        "qwen3_vl_embedding",
        "Qwen3VLForConditionalGeneration",
        config=lambda tokenizer: qwen3_vl(tokenizer, tied=False),
        prefix="model.",
        heads=lambda config: _output_layer("lm_head.weight", config),
        files=visual_files("Qwen3VLProcessor", 16777216),
    ),
    # Qwen/Qwen3-VL-Reranker-2B and -8B
    _reranker("qwen3_vl_reranker", tied=True),
    _reranker("qwen3_vl_reranker_untied", tied=False),
)
