"""Static embeddings: every token has a fixed vector, and a text is the mean of its tokens' vectors."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from cenote.adapters.base import LoadOptions
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.head import EmbeddingPooler, build_pooler
from cenote.adapters.matryoshka import matryoshka_sizes
from cenote.adapters.prompts import StoredPrompts
from cenote.adapters.reading import TextReader
from cenote.adapters.static_text import TextRules, model2vec_rules, static_limit
from cenote.checkpoints import Checkpoint, SentenceTransformersFiles
from cenote.checkpoints.modules import NormalizeModule, StaticEmbeddingModule
from cenote.checkpoints.static import (
    StaticTable,
    StaticTokenizer,
    is_model2vec,
    load_static_table,
    load_static_tokenizer,
)
from cenote.config import Resolved
from cenote.errors import CheckpointError, InvalidRequest, ModelNotFound
from cenote.inputs import TextEncoder
from cenote.tasks import check_dimensions
from cenote.types import ModelLimits, PackedBatch, PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions

__all__ = ["StaticAdapter", "StaticEmbeddingModel"]


class StaticEmbeddingModel(TextReader):
    """A table, a tokenizer and a pooler."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        table: StaticTable,
        tokenizer: StaticTokenizer,
        *,
        pooling: EmbeddingPooler,
        max_tokens: Resolved[int],
        dtype: Resolved[torch.dtype],
        rules: TextRules,
    ) -> None:
        """Put the parts together.

        Args:
            checkpoint: for its stored prompts and matryoshka sizes.
            table: on the device and in the dtype to compute with.
            tokenizer: gives no special tokens.
            pooling: token vectors to results.
            max_tokens: longest prompt, and who decided it.
            dtype: of the table, and who decided it.
            rules: what is done to texts.
        """
        files = checkpoint.sentence_transformers
        self.pooler = pooling.pooler
        #: transformers' form of the tokenizer.
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer.rust)  # type: ignore[no-untyped-call]
        self._table, self._rules = table, rules
        self._encoder = TextEncoder(self.tokenizer, max_tokens=max_tokens.value, vocab_size=table.tokens)
        self._prompts = StoredPrompts(files.prompts, files.default_prompt_name) if files else StoredPrompts()
        is_matryoshka, sizes = matryoshka_sizes(checkpoint)
        self.limits = ModelLimits(
            max_tokens=max_tokens.value,
            embedding_size=pooling.embedding_size,
            hidden_size=table.rows.shape[1],
            max_token_id=self._encoder.max_token_id,
            is_matryoshka=is_matryoshka,
            matryoshka_dimensions=sizes,
            token_pooling=pooling.token_pooling,
        )
        self._facts = {
            "tasks": ", ".join(sorted(pooling.pooler.supported_tasks())),
            "pooling": str(pooling.method),
            "normalize": str(pooling.normalize),
            "embedding size": str(pooling.embedding_size),
            **self._prompts.facts(),
            "attention": "none",
            "dtype": str(dtype),
            "max tokens": str(max_tokens),
            "execution": f"a table of {len(table.rows)} vectors for {table.tokens} tokens, no network",
        }

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a prompt, without special tokens whatever is asked.

        Raises:
            InvalidRequest: the prompt is a pair or a conversation, or nothing of it is in the vocabulary (where the
                model's library would give a zero vector), or as `TextEncoder.encode`.
            ModelNotFound: a low-rank adapter was asked for.
        """
        if params.lora is not None:
            raise ModelNotFound(f"There is no low-rank adapter {params.lora!r}: static embeddings take none.")
        if prompt.text_pair is not None or prompt.messages is not None:
            raise InvalidRequest("Static embeddings read one text at a time, no pairs and no conversations.")
        prefix = self._prompts.prefix(prompt, role, params)
        if prompt.token_ids is not None:
            return self._encoder.encode(prompt, tokenization)
        shorter = self._rules.shorten(prompt, tokenization, self.limits.max_tokens)
        return self._rules.keep_known(self._encoder.encode(shorter, tokenization, prefix=prefix))

    def forward(self, batch: PackedBatch) -> Tensor:
        """Look the tokens up: [T, d]."""
        table, ids = self._table, batch.input_ids
        found = table.rows[ids if table.mapping is None else table.mapping[ids]]
        return found if table.weights is None else found * table.weights[ids][:, None]


class StaticAdapter:
    """Loads `StaticEmbedding` modules of sentence-transformers, and Model2Vec's folders."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> StaticEmbeddingModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: table, tokenizer or a module are missing or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        if options.quantization is not None:
            text = f"quantization={options.quantization!r} means nothing for a table of token vectors. Leave it out."
            raise InvalidRequest(text, param="quantization")
        checkpoint = checkpoint if not is_model2vec(checkpoint) else _with_pipeline(checkpoint)
        table = load_static_table(checkpoint)
        tokenizer = load_static_tokenizer(checkpoint, table)
        dtype = resolve_dtype(options.dtype, checkpoint, options.device)
        model = StaticEmbeddingModel(
            checkpoint,
            _placed(table, dtype.value, options.device),
            tokenizer,
            pooling=build_pooler(
                checkpoint,
                options.pooler_config,
                default_method="MEAN",
                hidden_size=table.rows.shape[1],
                device=options.device,
            ),
            max_tokens=static_limit(checkpoint, tokenizer, options.max_model_len),
            dtype=dtype,
            rules=model2vec_rules(tokenizer) if is_model2vec(checkpoint) else TextRules(),
        )
        if options.pooler_config.dimensions is not None:
            check_dimensions(options.pooler_config.dimensions, model.limits, checkpoint.name)
        return model


def _with_pipeline(checkpoint: Checkpoint) -> Checkpoint:
    """Give a Model2Vec folder the modules that its config stands for.

    Raises:
        CheckpointError: it has modules already, and they contradict the config.
    """
    normalize = bool(checkpoint.config.get("normalize", False))
    files = checkpoint.sentence_transformers or SentenceTransformersFiles()
    if files.pipeline and files.has_normalize != normalize:
        raise CheckpointError(
            f"config.json of {checkpoint.name!r} says normalize = {normalize}, modules.json the contrary, so that "
            "model2vec and sentence-transformers would give different vectors. Correct one of the files."
        )
    if files.pipeline:
        return checkpoint
    modules = (StaticEmbeddingModule(type="StaticModel", path=""), NormalizeModule(type="StaticModel"))
    return replace(checkpoint, sentence_transformers=replace(files, pipeline=modules[: 1 + normalize]))


def _placed(table: StaticTable, dtype: torch.dtype, device: str) -> StaticTable:
    mapping, weights = table.mapping, table.weights
    return StaticTable(
        rows=table.rows.to(device=device, dtype=dtype),
        mapping=None if mapping is None else mapping.to(device),
        weights=None if weights is None else weights.to(device),
    )
