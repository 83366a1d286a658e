"""The seam between the engine and models: adapters load checkpoints into pooling models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from cenote.checkpoints import Checkpoint
    from cenote.config import PoolerConfig
    from cenote.kernels.linear.reference import Precision, Quantization
    from cenote.poolers import Pooler
    from cenote.types import ModelLimits, PackedBatch, PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions

__all__ = ["LoadOptions", "ModelAdapter", "PoolingModel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What the user asked of loading.

    Attributes:
        dtype: `auto` or the name of a torch floating dtype.
        quantization: `int8` quantises the linear layers of the backbone; None leaves them as dtype says.
        float32_matmul_precision: how exact products of float32 are, as `cenote.kernels.linear.reference` has it.
        device: torch device string.
        max_model_len: cap on prompt tokens, or None for the checkpoint's own.
        convert: `none`, `embed` or `classify`, as resolved by the registry.
        pooler_config: the user's pooling settings.
        trust_remote_code: the checkpoint's own code may run where no native class fits.
        tokenizer: path of another tokenizer, or None for the checkpoint's.
        execution: `auto`, or force `packed` or `padded`.
        compat: `reference` gives what the model's own library gives, `vllm` what vLLM gives where the two differ.
        chat_template: Jinja text in place of the checkpoint's own template, or None.
        known_prompts: put the prompts that a model card asks for in front, where the checkpoint stores none.
        enable_lora: low-rank adapters may be loaded later.
        lora_modules: name and folder of low-rank adapters to load.
        max_lora_rank: highest rank of such an adapter, or None for any.
        mm_processor_kwargs: settings of an image processor in place of the checkpoint's.
        media_cache_bytes: memory for images that are prepared already; 0 keeps none.
        enable_mm_embeds: what a vision tower made of an image is taken in place of the image.
    """

    pooler_config: PoolerConfig
    dtype: str = "auto"
    quantization: Quantization | None = None
    float32_matmul_precision: Precision = "highest"
    device: str = "cpu"
    max_model_len: int | None = None
    convert: str = "embed"
    trust_remote_code: bool = False
    tokenizer: str | None = None
    execution: str = "auto"
    compat: str = "reference"
    chat_template: str | None = None
    known_prompts: bool = False
    enable_lora: bool = False
    lora_modules: tuple[tuple[str, str], ...] = ()
    max_lora_rank: int | None = None
    mm_processor_kwargs: Mapping[str, Any] = field(default_factory=dict)
    media_cache_bytes: int = 0
    enable_mm_embeds: bool = False


class PoolingModel(Protocol):
    """A loaded model. `prepare` is called from many threads, `forward` and `pooler` from one.

    A model that does not answer every task for every role has `check_tasks(tasks, role)`, which raises
    `InvalidRequest`; it is called before anything of a request is queued. A model whose attention takes a part of its
    work that matters has `cost`, a `PromptCost`, by which batches are formed; else only tokens count.
    """

    #: Hidden states to results; the supported tasks come from here.
    pooler: Pooler
    #: What the model accepts and gives.
    limits: ModelLimits

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Turn one prompt into tokens, on the host.

        Raises:
            InvalidRequest: the prompt is empty, too long, out of vocabulary, or asks for something unknown.
        """
        ...

    def forward(self, batch: PackedBatch) -> Tensor:
        """Run the backbone: [T, hidden_size] hidden states in batch order.

        Marked with `cenote.adapters.reentrant`, it may be called for another batch while it runs, in the same
        thread.
        """
        ...

    def report(self) -> dict[str, str]:
        """Say what was resolved and why, for logs and `models inspect`: key to one-line text."""
        ...


class ModelAdapter(Protocol):
    """Loads checkpoints of the architectures that its spec names."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> PoolingModel:
        """Build the model.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
        """
        ...
