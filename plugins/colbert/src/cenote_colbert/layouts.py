"""Which layout a checkpoint has, and its settings: colbert-ai, PyLate, sentence-transformers or jina-colbert-v2."""

from __future__ import annotations

from cenote.checkpoints import Checkpoint, DenseModule
from cenote.errors import CheckpointError
from cenote_colbert.multi_vector import read_multi_vector
from cenote_colbert.overrides import override
from cenote_colbert.packed import PACKED_TENSOR, packed_settings
from cenote_colbert.pylate import read_pylate
from cenote_colbert.settings import LateSettings
from cenote_colbert.stanford import read_stanford

__all__ = ["LINEAR", "read_settings"]

#: The projection of layouts that keep it beside the backbone's weights.
LINEAR = "linear.weight"


def read_settings(checkpoint: Checkpoint) -> LateSettings:
    """Read what the files say, and the user's `late_interaction` over it.

    Raises:
        CheckpointError: the files are of no known layout, or say what cannot be computed as they mean it.
    """
    return override(_of_files(checkpoint), checkpoint.config.get("late_interaction"))


def _of_files(checkpoint: Checkpoint) -> LateSettings:
    files = checkpoint.sentence_transformers
    if files is not None and files.settings.get("model_type") == "MultiVectorEncoder":
        return read_multi_vector(checkpoint)
    if files is not None and any(isinstance(module, DenseModule) for module in files.pipeline):
        return read_pylate(files)
    if not checkpoint.has_tensor(LINEAR):
        raise CheckpointError(
            f"{checkpoint.name!r} has no projection of its tokens: neither a Dense module in modules.json nor the "
            f"tensor {LINEAR!r}. It is no trained ColBERT model."
        )
    return packed_settings(checkpoint) if checkpoint.has_tensor(PACKED_TENSOR) else read_stanford(checkpoint)
