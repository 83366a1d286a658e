"""Load BGE-M3: an encoder, and two linear layers on its hidden states."""

from __future__ import annotations

import torch

from cenote.adapters import LoadOptions
from cenote.adapters.head import build_pooler
from cenote.adapters.stack import load_stack
from cenote.checkpoints import Checkpoint
from cenote.config import PoolerConfig
from cenote.errors import InvalidRequest
from cenote.poolers import Dense, EmbeddingHead, Pooler, TaskPooler, TokenPooler
from cenote.tasks import check_dimensions
from cenote_bge_m3.heads import Head, read_heads
from cenote_bge_m3.model import BgeM3Model
from cenote_bge_m3.weights import Ends, WeightPooler

__all__ = ["BgeM3Adapter"]


class BgeM3Adapter:
    """BGE-M3 and models trained from it."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> BgeM3Model:
        """Load a checkpoint; `compat="vllm"` changes nothing, since vLLM's numbers are FlagEmbedding's.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option does not fit the model.
        """
        wanted = options.pooler_config
        _check_options(wanted)
        sparse, colbert = read_heads(checkpoint)
        stack = load_stack(checkpoint, options)
        size, device = stack.hidden_size, options.device
        dense = build_pooler(checkpoint, wanted, default_method="CLS", hidden_size=size, device=device)
        vectors = colbert.fit(outputs=None, hidden_size=size, device=device)
        tokenizer = stack.tokenizer
        # BERT's tokenizers have no eos token, but the one behind a text all the same.
        last = tokenizer.sep_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
        ends = Ends(tokenizer.cls_token_id, last)
        others = (tokenizer.pad_token_id, tokenizer.unk_token_id)
        weights = WeightPooler(
            head=sparse.fit(outputs=1, hidden_size=size, device=device),
            ends=ends,
            unused=tuple(each for each in (ends.first, ends.last, *others) if each is not None),
            vocabulary=stack.vocabulary,
            use_activation=wanted.use_activation is not False,
        )
        model = BgeM3Model(
            stack,
            checkpoint,
            ends=ends,
            pooler=_join(dense.pooler.poolers["embed"], _vectors(vectors, wanted), weights),
            embedding_size=dense.embedding_size,
            include_prompt=dense.include_prompt,
            facts={
                "pooling": str(dense.method),
                "normalize": str(dense.normalize),
                "embedding size": str(dense.embedding_size),
                "head": f"{sparse.source}, {colbert.source}",
                "token vectors": str(len(vectors.bias)),
            },
        )
        if wanted.dimensions is not None:
            check_dimensions(wanted.dimensions, model.limits, checkpoint.name)
        return model


def _check_options(wanted: PoolerConfig) -> None:
    """Refuse settings of process reward models."""
    given = {
        "tok_pooling_type": wanted.tok_pooling_type == "STEP",
        "step_tag_id": wanted.step_tag_id is not None,
        "returned_token_ids": wanted.returned_token_ids is not None,
    }
    for name, is_given in given.items():
        if is_given:
            raise InvalidRequest(f"{name} means nothing for BGE-M3, whose tokens are no steps.", param=name)


def _vectors(head: Head, wanted: PoolerConfig) -> TokenPooler:
    linear = Dense(head.weight, head.bias, torch.nn.Identity())
    return TokenPooler(EmbeddingHead(steps=(linear,), normalize=wanted.use_activation is not False))


def _join(dense: Pooler, vectors: Pooler, weights: Pooler) -> TaskPooler:
    """Return one pooler for all tasks; the weights are computed once for their two."""
    return TaskPooler({"embed": dense, "token_embed": vectors, "token_classify": weights, "sparse_embed": weights})
