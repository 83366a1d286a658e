"""Load the siblings that read texts alone: Llama whose tokens look ahead, as embedder and as reranker."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import LlamaModel

from cenote.adapters import LoadOptions
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.head import build_pooler
from cenote.adapters.pairs import PairReading, choose_pairs
from cenote.adapters.stack import TextStack, load_stack
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote.errors import CheckpointError
from cenote.tasks import check_dimensions
from cenote_nemotron_vl.config import language_checkpoint, pooling_method
from cenote_nemotron_vl.embed import model_pooling, role_prefixes, stated
from cenote_nemotron_vl.head import SCORE, build_scores, load_head
from cenote_nemotron_vl.pair_text import pair_template
from cenote_nemotron_vl.prefixed import PrefixedModel
from cenote_nemotron_vl.weights import look_ahead

__all__ = ["LlamaBidirectionalAdapter", "LlamaBidirectionalRerankAdapter"]

#: What config.json may call the model.
_TYPES = ("llama_bidirec", "llama")


class LlamaBidirectionalAdapter:
    """Loads `LlamaBidirectionalModel`."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> TextPoolingModel:
        """Load a checkpoint.

        Pooling, prompts and normalisation are those of the Sentence-Transformers files where there are any; otherwise
        the mean, or what config.json names, with `query: ` and `passage: ` in front, as the model card has it. With
        `compat="vllm"` nothing is put in front that no file names, and the pooling of config.json wins over all.

        Raises:
            CheckpointError: weights or files are missing, unknown or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        stack = _load(checkpoint, options)
        reference = options.compat != "vllm"
        method = _method(checkpoint)
        pooling = build_pooler(
            checkpoint,
            model_pooling(options.pooler_config, method, reference=reference),
            default_method=method,
            hidden_size=stack.hidden_size,
            device=options.device,
        )
        files = checkpoint.sentence_transformers
        named = bool(files is not None and files.prompts)
        facts = {
            "pooling": stated(pooling.method),
            "normalize": pooling.normalize,
            "embedding size": pooling.embedding_size,
        }
        model = PrefixedModel(
            stack,
            checkpoint,
            prefixes=role_prefixes("query:", "passage:") if reference and not named else {},
            pooler=pooling.pooler,
            embedding_size=pooling.embedding_size,
            include_prompt=pooling.include_prompt,
            token_pooling=pooling.token_pooling,
            facts={key: str(value) for key, value in facts.items()},
        )
        if options.pooler_config.dimensions is not None:
            check_dimensions(options.pooler_config.dimensions, model.limits, checkpoint.name)
        return model


class LlamaBidirectionalRerankAdapter:
    """Loads `LlamaBidirectionalForSequenceClassification`."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> TextPoolingModel:
        """Load a checkpoint.

        A score is a logit, divided by the temperature. With `compat="vllm"` it is the sigmoid of the logit, and pairs
        are written by a template only where the user gives one.

        Raises:
            CheckpointError: weights or files are missing, unknown or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        stack = _load(checkpoint, options, heads=(SCORE,))
        head = load_head(
            checkpoint,
            options,
            pooling=_method(checkpoint),
            language=checkpoint.config,
            hidden_size=stack.hidden_size,
        )
        scores = build_scores(checkpoint, options, head)
        pairs = choose_pairs(checkpoint, stack.tokenizer, options)
        if pairs.template is None and options.compat != "vllm":
            pairs = PairReading(pair_template(checkpoint.config), source="the model's card")
        return TextPoolingModel(
            stack,
            checkpoint,
            pooler=scores.pooler,
            embedding_size=stack.hidden_size,
            labels=head.labels,
            token_pooling=scores.token_pooling,
            pairs=pairs,
            facts={"head": f"{SCORE} on {head.method}", "temperature": f"{head.temperature:g}", **scores.facts},
        )


def _method(checkpoint: Checkpoint) -> str:
    """Return the pooling of config.json.

    Source: NVIDIA's `LlamaBidirectionalConfig`, which takes the mean where the key is missing.
    """
    return pooling_method(checkpoint.config.get("pooling", "avg"))


def _load(checkpoint: Checkpoint, options: LoadOptions, heads: Sequence[str] = ()) -> TextStack:
    """Load the language model, with or without `model.` in front of its names.

    Raises:
        CheckpointError: tensors are missing, unknown or do not fit, or the model does not look ahead.
    """
    if checkpoint.model_type not in _TYPES:
        raise CheckpointError(f"config.json: model_type must be {_TYPES[0]!r}, found {checkpoint.model_type!r:.60}.")
    native = language_checkpoint(checkpoint, checkpoint.config)
    whole = load_backbone(
        native,
        build_config(native),
        dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
        device=options.device,
        attn_implementation=None,
        model_class=LlamaModel,
        allowed_missing=(),
        key_mapping={r"^model\.": ""},
        allowed_unused=("rotary_emb.", *heads),
    )
    look_ahead(whole)
    stack = load_stack(native, options, whole=whole, lora_heads=("model.",))
    if stack.attention != "bidirectional":
        raise CheckpointError("The language model does not look ahead, as this model must.")
    return stack
