"""The generic adapters: text models of transformers as embedders."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from cenote.adapters.backbone import Backbone
from cenote.adapters.base import LoadOptions
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.families import family_of
from cenote.adapters.head import EmbeddingPooler, build_pooler
from cenote.adapters.linears import prepare_linears
from cenote.adapters.prompts import StoredPrompts
from cenote.adapters.selfcheck import choose_execution, probe
from cenote.checkpoints import Checkpoint, build_config, load_backbone, load_tokenizer
from cenote.inputs import TextEncoder, resolve_max_tokens
from cenote.types import ModelLimits, PackedBatch, PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions

__all__ = ["DecoderAdapter", "EncoderAdapter", "TextPoolingModel"]


class TextPoolingModel:
    """A text backbone with a pooler."""

    def __init__(
        self,
        *,
        backbone: Backbone,
        encoder: TextEncoder,
        prompts: StoredPrompts,
        pooling: EmbeddingPooler,
        limits: ModelLimits,
        facts: dict[str, str],
    ) -> None:
        self.pooler = pooling.pooler
        self.limits = limits
        self._backbone = backbone
        self._encoder = encoder
        self._prompts = prompts
        self._facts = facts

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a prompt, with the stored prompt that it gets in front."""
        return self._encoder.encode(prompt, tokenization, prefix=self._prompts.prefix(prompt, role, params))

    def forward(self, batch: PackedBatch) -> Tensor:
        """Run the backbone: [T, hidden_size]."""
        return self._backbone(batch)

    def report(self) -> dict[str, str]:
        """Say what was resolved, and from where."""
        return dict(self._facts)


class EncoderAdapter:
    """Bidirectional encoders: MEAN pooling where no file says otherwise, as sentence-transformers does."""

    default_pooling: ClassVar[str] = "MEAN"

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> TextPoolingModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        config = build_config(checkpoint)
        dtype = resolve_dtype(options.dtype, checkpoint, options.device)
        model = load_backbone(checkpoint, config, dtype=dtype.value, device=options.device, attn_implementation=None)
        tokenizer = load_tokenizer(checkpoint, options.tokenizer)
        files = checkpoint.sentence_transformers
        max_tokens = resolve_max_tokens(
            config,
            user=options.max_model_len,
            max_seq_length=files.max_seq_length if files else None,
            model_max_length=tokenizer.model_max_length,
        )
        backbone, reason = choose_execution(model, family_of(config.model_type), options.execution, max_tokens.value)
        layers = prepare_linears(model, lambda: probe(backbone, config, max_tokens.value, options.device))
        pooling = build_pooler(
            checkpoint,
            options.pooler_config,
            default_method=cls.default_pooling,
            hidden_size=config.hidden_size,
            device=options.device,
        )
        encoder = TextEncoder(
            tokenizer,
            max_tokens=max_tokens.value,
            vocab_size=_vocabulary(model),
            lower_case=files.do_lower_case if files else False,
            include_prompt=pooling.include_prompt,
        )
        return TextPoolingModel(
            backbone=backbone,
            encoder=encoder,
            prompts=StoredPrompts(files.prompts, files.default_prompt_name) if files else StoredPrompts(),
            pooling=pooling,
            limits=_limits(checkpoint, encoder, config.hidden_size, pooling.embedding_size),
            facts={
                "tasks": ", ".join(sorted(pooling.pooler.supported_tasks())),
                "pooling": str(pooling.method),
                "normalize": str(pooling.normalize),
                "dtype": str(dtype),
                "max tokens": str(max_tokens),
                "embedding size": str(pooling.embedding_size),
                "execution": f"{backbone.execution} ({reason}); {layers}",
            },
        )


class DecoderAdapter(EncoderAdapter):
    """Causal language models: LAST pooling where no file says otherwise."""

    default_pooling = "LAST"


def _vocabulary(model: Any) -> int:
    """Return the rows of the embedding table; an id beyond them would read foreign memory or crash."""
    table = model.get_input_embeddings()
    assert isinstance(table, torch.nn.Embedding)
    return table.num_embeddings


def _limits(checkpoint: Checkpoint, encoder: TextEncoder, hidden_size: int, embedding_size: int) -> ModelLimits:
    sizes = tuple(checkpoint.config.get("matryoshka_dimensions") or ())
    return ModelLimits(
        max_tokens=encoder.max_tokens,
        embedding_size=embedding_size,
        hidden_size=hidden_size,
        max_token_id=encoder.max_token_id,
        is_matryoshka=bool(sizes or checkpoint.config.get("is_matryoshka")),
        matryoshka_dimensions=sizes,
    )
