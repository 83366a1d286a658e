"""jina-colbert-v2: XLM-RoBERTa with rotary positions and fused projections, in the layout of its own code."""

from __future__ import annotations

import math
from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object
from cenote.checkpoints.repairs import refuse_unless
from cenote.errors import CheckpointError
from cenote_colbert.settings import LateSettings
from cenote_colbert.stanford import METADATA
from cenote_colbert.values import Reader, length

__all__ = ["PACKED_TENSOR", "SIZES", "packed_settings", "repair_config"]

#: Only this layout has a tensor of this name.
PACKED_TENSOR = "roberta.encoder.layers.0.mixer.Wqkv.weight"
#: The sizes that the vectors were trained to be cut to.
SIZES = (128, 96, 64)

#: What transformers' class computes.
_IMPLEMENTED: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": ("rotary",),
    "hidden_act": ("gelu",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
}
#: Base of the rotary frequencies where a config names none, in the model's own configuration class.
_DEFAULT_BASE = 10000.0


def repair_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config for transformers' `jina_embeddings_v3`, whose class would take 20000 for the rotary base.

    Raises:
        CheckpointError: the model has parts that transformers' class lacks.

    Source: the configuration class that the checkpoint names (jinaai/xlm-roberta-flash-implementation).
    """
    refuse_unless(config, "jina-colbert-v2", _IMPLEMENTED)
    base = config.get("rotary_emb_base", _DEFAULT_BASE)
    if isinstance(base, bool) or not isinstance(base, int | float) or not 1 < base < math.inf:
        raise CheckpointError(f"rotary_emb_base must be a number above 1, found {base!r}.")
    rope = config.get("rope_parameters") or {"rope_type": "default", "rope_theta": float(base)}
    return {**config, "model_type": "jina_embeddings_v3", "rope_parameters": rope}


def packed_settings(checkpoint: Checkpoint) -> LateSettings:
    """Return the settings that the model card gives to PyLate, with the lengths of `artifact.metadata`.

    What else that file says is not used: it changed over revisions (whether the filling is attended to), and PyLate's
    own test of this model passes the markers and the attention itself.

    Raises:
        CheckpointError: a length is none.
    """
    values = read_object(checkpoint.path / METADATA) if checkpoint.has_file(METADATA) else {}
    read = Reader(values, METADATA, "the model card")
    names = ("query_marker", "document_marker", "query_expansion", "attend_to_expansion_tokens", "skiplist_words")
    read.sources.update(dict.fromkeys((*names, "similarity"), "model card"))
    return LateSettings(
        layout="jina-colbert-v2",
        query_length=read.take("query_length", "query_maxlen", length, 32),
        document_length=read.take("document_length", "doc_maxlen", length, 300),
        query_marker="[QueryMarker]",
        document_marker="[DocumentMarker]",
        attend_to_expansion_tokens=True,
        sources=read.sources,
    )
