"""Load a backbone and its tokenizer, and decide how they run: what every text adapter begins with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cenote.adapters.backbone import Backbone, PackedBackbone, PaddedBackbone, segments
from cenote.adapters.base import LoadOptions
from cenote.adapters.causality import measure_causality
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.families import family_of
from cenote.adapters.fused import fuse_layers
from cenote.adapters.linears import prepare_linears, refuse_quantization
from cenote.adapters.lora import LoraStore
from cenote.adapters.probes import Probe, padding_id, vocabulary
from cenote.adapters.regimes import RegimeBackbone, regime_of
from cenote.adapters.selfcheck import choose_execution
from cenote.checkpoints import Checkpoint, build_config, load_backbone, load_tokenizer
from cenote.checkpoints.quiet import quiet_transformers
from cenote.config import Fact, Resolved
from cenote.inputs import resolve_max_tokens
from cenote.types import CausalKind

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["TextStack", "load_stack"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStack:
    """A backbone that is ready to run, and its tokenizer.

    Attributes:
        config: transformers' config of the model.
        whole: the transformers model as loaded: the base model itself, or a class with a head around it.
        base: the base model, which `backbone` runs.
        backbone: runs the base model over packed batches.
        loras: the low-rank adapters that the sequences of a batch may name.
        tokenizer: as the checkpoint has it.
        max_tokens: longest prompt, and who decided it.
        vocabulary: rows of the embedding table.
        hidden_size: width of the hidden states, as measured.
        dtype: of the backbone's weights, and who decided it.
        attention: whether tokens see later ones, measured on the loaded weights.
        chat_template: the user's, in place of the tokenizer's.
        known_prompts: the user wants the prompts of the model card where the checkpoint stores none.
        execution: how the backbone runs and why, for people.
    """

    config: PreTrainedConfig
    whole: PreTrainedModel
    base: PreTrainedModel
    backbone: Backbone
    loras: LoraStore
    tokenizer: PreTrainedTokenizerBase
    max_tokens: Resolved[int]
    vocabulary: int
    hidden_size: int
    dtype: Resolved[torch.dtype]
    attention: CausalKind
    chat_template: str | None
    known_prompts: bool
    execution: str

    @property
    def segments(self) -> int:
        """Return how many segments of a prompt the model tells apart; 0 where it takes no segment ids."""
        return segments(self.base)

    def facts(self) -> dict[str, str]:
        """Return what a model's report says of its backbone."""
        return {
            "attention": Fact(self.attention, "measured", text=self.attention),
            "dtype": str(self.dtype),
            "max tokens": str(self.max_tokens),
            "execution": self.execution,
        }


def load_stack(
    checkpoint: Checkpoint,
    options: LoadOptions,
    *,
    config: PreTrainedConfig | None = None,
    whole: PreTrainedModel | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    expands: bool = False,
    lora_heads: tuple[str, ...] = (),
) -> TextStack:
    """Load the base model of a checkpoint with its tokenizer, and choose packed or padded execution.

    Args:
        checkpoint: the opened checkpoint.
        options: what the user asked for.
        config: in place of the one that `build_config` gives.
        whole: a model that is loaded already (`load_backbone` with a class that has a head, or one that an adapter
            filled itself); its base model is run.
        tokenizer: in place of the checkpoint's, for one that transformers cannot read.
        expands: prompts may end in tokens that are computed and not attended to (`PreparedInput.attended`); the check
            at load then compares such prompts as well.
        lora_heads: where the base model may stand in the larger one that low-rank adapters are made for.

    Raises:
        CheckpointError: weights or files are missing or do not fit.
        InvalidRequest: an option does not fit the checkpoint.
    """
    dtype = resolve_dtype(options.dtype, checkpoint, options.device)
    base: Any
    if whole is None:
        config = config or build_config(checkpoint)
        base = load_backbone(checkpoint, config, dtype=dtype.value, device=options.device, attn_implementation=None)
        whole = base
    else:
        base = whole.base_model
    if tokenizer is None:
        tokenizer = load_tokenizer(checkpoint, options.tokenizer)
    files = checkpoint.sentence_transformers
    max_tokens = resolve_max_tokens(
        base.config,
        user=options.max_model_len,
        max_seq_length=files.max_seq_length if files else None,
        model_max_length=tokenizer.model_max_length,
    )
    family = family_of(base.config.model_type)
    attention = _own_causality(base, max_tokens.value, options.device)
    backbone, reason, probe = choose_execution(base, family, options.execution, max_tokens.value, expands=expands)
    layers = _prepare_layers(base, backbone, probe, options)
    rows = vocabulary(base)  # an adapter may wrap the table
    # An embedder is loaded without the base class's own pooling layer; a classifier may need it.
    ignored = ("pooler.",) if whole is base else ()
    loras = LoraStore(base, backbone, probe, ignored=ignored, max_rank=options.max_lora_rank, heads=lora_heads)
    for name, folder in options.lora_modules:
        loras.load(name, folder)
    return TextStack(
        config=base.config,
        whole=whole,
        base=base,
        backbone=loras.backbone,
        loras=loras,
        tokenizer=tokenizer,
        max_tokens=max_tokens,
        vocabulary=rows,
        hidden_size=probe.alone(backbone, 0).shape[-1],
        dtype=dtype,
        chat_template=options.chat_template,
        known_prompts=options.known_prompts,
        attention=attention or measure_causality(backbone, base, max_tokens.value, device=options.device),
        execution=Fact(backbone.execution, f"{reason}; {layers}", f"{backbone.execution} ({reason}); {layers}"),
    )


def _own_causality(base: Any, max_tokens: int, device: str) -> CausalKind | None:
    """Return whether a model looks ahead, by its own attention, or None where it cannot be run so.

    Own attention leaves earlier tokens exactly as they are. Faster kernels round in an order that later tokens change,
    which in bfloat16 and int8 is as much as a model with little attention moves.
    """
    own = regime_of(base)(PaddedBackbone(base, padding_id(base.config)))
    try:
        with quiet_transformers():
            return measure_causality(own, base, max_tokens, device=device)
    except Exception as exc:
        # Whatever a foreign model raises: the check of its execution says it better.
        _log.info("a model's own attention could not be measured: %s: %s", type(exc).__name__, exc)
        return None


def _prepare_layers(base: Any, backbone: Backbone, probe: Probe, options: LoadOptions) -> str:
    """Bring the layers of a base model into the form that runs fastest, and say in words which one that is.

    Low-rank adapters add to single linear layers, which fused layers do not have; a model that may get some keeps
    its own layers.

    Raises:
        InvalidRequest: quantisation was asked for, and the model or device does not take it.
    """
    refuse_quantization(base, options.quantization)
    quantization, precision = options.quantization, options.float32_matmul_precision

    def check() -> Tensor:
        return probe.together(backbone)

    done: list[str] = []
    if options.enable_lora or options.lora_modules:
        _log.info("layers are not fused, which is slower for all requests: low-rank adapters need the model's own")
        done.append("layers as in transformers, for low-rank adapters")
    elif backbone.execution == "packed":
        inner = backbone.inner if isinstance(backbone, RegimeBackbone) else backbone
        packed = inner if isinstance(inner, PackedBackbone) else None
        done.append(fuse_layers(base, check, backbone=packed, quantization=quantization, precision=precision))
    if not done or any(type(module) is nn.Linear for module in base.modules()):
        done.append(prepare_linears(base, check, quantization=quantization, precision=precision))
    return "; ".join(done)
