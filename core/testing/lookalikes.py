"""Which tiny look-alike stands for a model that can do a task."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LOOKALIKES"]

#: From a task to a family of `cenote.testing.checkpoints`.
LOOKALIKES: Mapping[str, str] = {
    "embed": "bert",
    "token_embed": "bert",
    "classify": "bert_classifier",
    "token_classify": "bert_token_classifier",
    "score": "ms_marco_minilm",
    "sparse_embed": "splade",
    "plugin": "bert",
}
