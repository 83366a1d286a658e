"""Build the pooler of an embedder: the user's settings over Sentence-Transformers files over the model's default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from cenote.adapters.activation import build_activation
from cenote.checkpoints import (
    Checkpoint,
    DenseModule,
    LayerNormModule,
    NormalizeModule,
    PoolingModule,
    TransformerModule,
)
from cenote.checkpoints.modules import Module
from cenote.config import PoolerConfig, Resolved, first_set
from cenote.errors import CheckpointError
from cenote.kernels import kernel_for
from cenote.poolers import (
    Dense,
    EmbeddingHead,
    LayerNorm,
    SequencePooler,
    TaskPooler,
    TokenPooler,
    choose_steps,
    get_method,
)
from cenote.poolers.heads import Step

__all__ = ["EmbeddingPooler", "build_pooler", "build_steps", "build_token_steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingPooler:
    """A pooler and how it was decided.

    Attributes:
        pooler: answers `embed` and `token_embed`.
        method: sequence pooling method.
        normalize: L2 normalisation by default.
        embedding_size: components of an `embed` vector before any cut.
        include_prompt: tokens of a stored prompt take part in pooling.
        token_pooling: how rows of tokens are chosen: `ALL` or `STEP`.
    """

    pooler: TaskPooler
    method: Resolved[str]
    normalize: Resolved[bool]
    embedding_size: int
    include_prompt: bool
    token_pooling: str


def build_pooler(
    checkpoint: Checkpoint,
    wanted: PoolerConfig,
    *,
    default_method: str,
    hidden_size: int,
    device: str,
    before_cut: Step | None = None,
) -> EmbeddingPooler:
    """Resolve every pooling setting and build the pooler.

    Args:
        checkpoint: for its Sentence-Transformers files and the weights of their modules.
        wanted: the user's settings.
        default_method: sequence method where neither the user nor a file says one.
        hidden_size: width of the backbone.
        device: where the head's weights go.
        before_cut: what the model does to a vector before it is cut to a size that was asked for.

    Raises:
        CheckpointError: a module of the files cannot be built, or sizes do not fit.
    """
    files = checkpoint.sentence_transformers
    pooling = files.pooling if files else None
    method = first_set(
        user=wanted.seq_pooling_type,
        sentence_transformers="+".join(pooling.methods) if pooling else None,
        default=default_method,
    )
    normalize = first_set(
        user=wanted.use_activation,
        sentence_transformers=files.has_normalize if files and pooling else None,
        default=True,
    )
    steps, size = build_steps(checkpoint, hidden_size * len(method.value.split("+")), device)
    head = EmbeddingHead(
        steps=steps,
        normalize=normalize.value,
        dimensions=wanted.dimensions,
        final_cut=files.truncate_dim if files else None,
        before_cut=before_cut,
    )
    token_head = head if len(method.value.split("+")) == 1 else EmbeddingHead(normalize=normalize.value)
    rows = choose_steps(wanted)
    pooler = TaskPooler(
        {"embed": SequencePooler(get_method(method.value), head), "token_embed": TokenPooler(token_head, steps=rows)}
    )
    return EmbeddingPooler(
        pooler=pooler,
        method=method,
        normalize=normalize,
        embedding_size=min(size, head.final_cut or size),
        include_prompt=pooling.include_prompt if pooling else True,
        token_pooling="ALL" if rows is None else "STEP",
    )


def build_steps(
    checkpoint: Checkpoint, size: int, device: str, *, scores: bool = False
) -> tuple[tuple[Step, ...], int]:
    """Build what follows the pooling in a checkpoint's pipeline, except a last normalisation, which is the head's own.

    Args:
        checkpoint: the opened checkpoint.
        size: width of what pooling gives.
        device: where the weights go.
        scores: the pipeline ends in the scores of a cross-encoder.

    Returns:
        The steps, and the width they end in.

    Raises:
        CheckpointError: a module cannot be built, or sizes do not fit.
    """
    files = checkpoint.sentence_transformers
    steps: list[Step] = []
    modules = [] if files is None else [item for item in files.modules if not isinstance(item, TransformerModule)]
    if modules and not isinstance(modules[0], PoolingModule):
        raise CheckpointError(
            f"modules.json starts pooling with {modules[0].type!r}, a late-interaction or custom pipeline. "
            "Install the plugin of this model (pip install cenote-colbert for ColBERT models); where it is installed, "
            "choose it with --adapter colbert."
        )
    rest = modules[1:]
    if rest and isinstance(rest[-1], NormalizeModule):
        rest = rest[:-1]
    for module in rest:
        if isinstance(module, DenseModule) and (module.on_tokens or (module.scores and not scores)):
            raise _misplaced(module, "after pooling")
        step, size = _step(checkpoint, module, size, device, "after pooling")
        steps.append(step)
    return tuple(steps), size


def build_token_steps(
    checkpoint: Checkpoint, modules: Sequence[Module], size: int, device: str
) -> tuple[tuple[Step, ...], int]:
    """Build modules that work on the vectors of tokens, without pooling (late interaction).

    Args:
        checkpoint: for the weights of the modules.
        modules: in order: Dense, LayerNorm and Normalize.
        size: width of the hidden states.
        device: where the weights go.

    Returns:
        The steps, and the width they end in.

    Raises:
        CheckpointError: a module cannot be built, or sizes do not fit.
    """
    steps: list[Step] = []
    for module in modules:
        if isinstance(module, DenseModule) and module.scores:
            raise _misplaced(module, "for vectors of tokens")
        step, size = _step(checkpoint, module, size, device, "for vectors of tokens")
        steps.append(step)
    return tuple(steps), size


def _step(checkpoint: Checkpoint, module: Module, size: int, device: str, where: str) -> tuple[Step, int]:
    """Build one module; also return the width of what it gives."""
    if isinstance(module, DenseModule):
        return _dense(checkpoint, module, size, device), module.out_features
    if isinstance(module, LayerNormModule):
        return _layer_norm(checkpoint, module, size, device), size
    if isinstance(module, NormalizeModule):
        return lambda rows: kernel_for("l2_normalize", rows)(rows), size
    raise _misplaced(module, where)


def _misplaced(module: Module, where: str) -> CheckpointError:
    return CheckpointError(f"modules.json has {module.type!r} {where}, which cenote cannot build there.")


def _finite(weight: Tensor, where: str) -> Tensor:
    """Return a weight as it is.

    Raises:
        CheckpointError: there is NaN or infinity in it.
    """
    if not bool(weight.isfinite().all()):
        raise CheckpointError(f"{where} holds NaN or infinity; the weights are broken.")
    return weight


def _tensor(tensors: Mapping[str, Tensor], names: tuple[str, ...], shape: tuple[int, ...], where: str) -> Tensor:
    for name in names:
        if name in tensors:
            if tuple(tensors[name].shape) != shape:
                raise CheckpointError(f"{where}: {name} has shape {list(tensors[name].shape)}, needed {list(shape)}.")
            return _finite(tensors[name].float(), f"{where}: {name}")
    raise CheckpointError(f"{where} has no tensor {names[0]!r}; it has {', '.join(sorted(tensors)) or 'none'}.")


def _dense(checkpoint: Checkpoint, module: DenseModule, size: int, device: str) -> Step:
    if module.in_features != size:
        raise CheckpointError(f"{module.path}: in_features is {module.in_features}, what comes before gives {size}.")
    tensors = checkpoint.read_tensors(module.path)
    shape = (module.out_features, module.in_features)
    weight = _tensor(tensors, ("linear.weight", "weight", "dense.weight"), shape, module.path)
    bias = _tensor(tensors, ("linear.bias", "bias", "dense.bias"), shape[:1], module.path) if module.bias else None
    dense = Dense(weight.to(device), None if bias is None else bias.to(device), build_activation(module.activation))
    if not module.use_residual:
        return dense
    if shape[0] == shape[1]:
        return lambda rows: dense(rows) + rows
    residual = _tensor(tensors, ("residual.weight",), shape, module.path).to(device)
    return lambda rows: dense(rows) + rows @ residual.T


def _layer_norm(checkpoint: Checkpoint, module: LayerNormModule, size: int, device: str) -> Step:
    tensors = checkpoint.read_tensors(module.path)
    weight, bias = (_tensor(tensors, (f"norm.{name}",), (size,), module.path) for name in ("weight", "bias"))
    return LayerNorm(weight.to(device), bias.to(device))
