"""From hidden states to vectors: the projection with its bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cenote.checkpoints import Checkpoint
from cenote.config import PoolerConfig
from cenote.errors import CheckpointError, InvalidRequest
from cenote.poolers import Dense, EmbeddingHead
from cenote_colpali.names import HEADS, StoredNames

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["build_head", "check_options"]


def build_head(
    checkpoint: Checkpoint, names: StoredNames, wanted: PoolerConfig, *, hidden_size: int, device: str
) -> tuple[EmbeddingHead, int]:
    """Read the projection, and return what makes vectors with their size.

    The models are trained with a bias; vLLM 0.32 leaves it out without a word, which is not copied for
    `compat="vllm"` either.

    Args:
        checkpoint: whose `embedding_dim` is checked where its config has one.
        names: of its tensors.
        wanted: the user's settings: `dimensions` and `use_activation`.
        hidden_size: width of what is projected.
        device: where the weights go.

    Raises:
        CheckpointError: weights are missing, broken or of another size than config.json says.

    Source: `ColPaliForRetrieval` and `ColModernVBertForRetrieval` of transformers 5.23.
    """
    missing = [part for part in ("weight", "bias") if part not in names.head]
    if missing:
        raise CheckpointError(
            f"{checkpoint.name!r} has no {' and no '.join(missing)} of the projection of its tokens "
            f"({' or '.join(HEADS)}). Its vectors cannot be made without."
        )
    weight, bias = (_read(checkpoint, names.head[part]) for part in ("weight", "bias"))
    size = weight.shape[0]
    if weight.ndim != 2 or weight.shape[1] != hidden_size or bias.shape != (size,):
        raise CheckpointError(
            f"{names.head['weight']} has shape {list(weight.shape)} and its bias {list(bias.shape)}; needed are "
            f"[size, {hidden_size}] and [size]."
        )
    declared = checkpoint.config.get("embedding_dim")
    if declared not in (None, size):
        raise CheckpointError(
            f"config.json: embedding_dim is {declared!r:.40}, but {names.head['weight']} gives vectors of size {size}."
        )
    head = EmbeddingHead(
        steps=(Dense(weight.to(device), bias.to(device), lambda values: values),),
        normalize=True if wanted.use_activation is None else wanted.use_activation,
        dimensions=wanted.dimensions,
    )
    return head, size


def check_options(wanted: PoolerConfig) -> None:
    """Refuse settings of other models.

    Raises:
        InvalidRequest: there are any.
    """
    given = {
        "seq_pooling_type": wanted.seq_pooling_type is not None,
        "tok_pooling_type": wanted.tok_pooling_type == "STEP",
        "step_tag_id": wanted.step_tag_id is not None,
        "returned_token_ids": wanted.returned_token_ids is not None,
        "enable_chunked_processing": wanted.enable_chunked_processing,
    }
    for name, is_given in given.items():
        if is_given:
            text = f"{name} means nothing for a late-interaction model, which gives a vector for each token."
            raise InvalidRequest(text, param=name)


def _read(checkpoint: Checkpoint, name: str) -> Tensor:
    tensor = checkpoint.read_tensor(name)
    if not tensor.is_floating_point():
        raise CheckpointError(f"{name} holds {tensor.dtype}; quantised projections cannot be read.")
    tensor = tensor.float()
    if not bool(tensor.isfinite().all()):
        raise CheckpointError(f"{name} holds NaN or infinity; the weights are broken.")
    return tensor
