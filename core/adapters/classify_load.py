"""Load a transformers class with a head, and prove that its head can be run apart from its base model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cenote.adapters.backbone import accepts
from cenote.adapters.base import LoadOptions
from cenote.adapters.classify_head import Probes, head_probes
from cenote.adapters.classify_replay import ReplayedHead, build_replay
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.probes import tolerance, vocabulary
from cenote.adapters.stack import TextStack, load_stack
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote.errors import CheckpointError

__all__ = ["HeadedModel", "load_headed"]

_NO_HEAD = (
    "If the checkpoint was never trained to classify, train a head first, or make a classifier of its language "
    "model's own words: hf_overrides={'classifier_from_token': ['no', 'yes'], 'method': 'from_2_way_softmax'}."
)
_NOT_APART = (
    "The head of this model needs more of its base model than the last hidden states, so that it cannot be run on "
    "packed batches. Install a plugin for this model."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadedModel:
    """A base model that is ready to run, and the head that was on it.

    Attributes:
        stack: the base model and its tokenizer.
        head: computes logits of hidden states.
        probes: token ids of the sequences that head and base model were compared on.
    """

    stack: TextStack
    head: ReplayedHead
    probes: Probes


def load_headed(checkpoint: Checkpoint, options: LoadOptions, model_class: Any, *, hint: str = _NO_HEAD) -> HeadedModel:
    """Load a class with a head, and take the head apart from its base model.

    Args:
        checkpoint: the opened checkpoint.
        options: what the user asked for.
        model_class: transformers class with a head.
        hint: what to do where the files lack tensors of the head.

    Raises:
        CheckpointError: tensors are missing, or head and base model together do not give what the complete model gives.
    """
    whole: Any = load_backbone(
        checkpoint,
        build_config(checkpoint),
        dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
        device=options.device,
        attn_implementation=None,
        model_class=model_class,
        allowed_missing=(),
        keep_pooler=True,
        hint=hint,
    )
    probes = head_probes(whole.config, vocabulary(whole))
    expected, examples = _run_complete(whole, [torch.tensor([ids], device=options.device) for ids in probes])
    replace = build_replay(whole, whole.base_model, examples[0])
    stack = load_stack(checkpoint, options, whole=whole)
    head = replace()
    _check(head, probes, examples, expected, tolerance(stack.dtype.value))
    return HeadedModel(stack=stack, head=head, probes=probes)


def _check(head: ReplayedHead, probes: Probes, examples: list[Any], expected: list[Tensor], allowed: float) -> None:
    """Compare the head, on the base model's hidden states, with the complete model.

    Raises:
        CheckpointError: it fails, or gives something else.
    """
    try:
        with torch.inference_mode():
            found = [
                head(example.last_hidden_state, torch.tensor([ids], device=logits.device))
                for ids, example, logits in zip(probes, examples, expected, strict=True)
            ]
    except Exception as exc:
        # A foreign head may raise anything where it misses something; it is the same as a wrong result.
        raise CheckpointError(f"{_NOT_APART} ({type(exc).__name__}: {exc})") from exc
    largest = max(float(logits.abs().max()) for logits in expected)
    # In a short format the complete model's head rounds, and the one here does not.
    difference = max(float((one - other).abs().max()) for one, other in zip(found, expected, strict=True))
    if not difference <= allowed * max(largest, 1e-6):
        raise CheckpointError(_NOT_APART)


def _run_complete(whole: Any, probes: list[Tensor]) -> tuple[list[Tensor], list[Any]]:
    """Run the complete model, and its base model, by their own attention on one sequence after the other."""
    logits: list[Any] = []
    outputs: list[Any] = []
    base = whole.base_model
    try:
        for ids in probes:
            for model, kept in ((whole, logits), (base, outputs)):
                extra = {"use_cache": False} if accepts(model, "use_cache") else {}
                with torch.inference_mode():
                    kept.append(model(input_ids=ids, attention_mask=torch.ones_like(ids), **extra))
    except Exception as exc:
        # A foreign model may raise anything; it means that the generic adapter does not know how to call it.
        raise CheckpointError(
            f"{type(whole).__name__} cannot be run by the generic adapter ({type(exc).__name__}: {exc}). Install a "
            "plugin for this model."
        ) from exc
    return [output.logits.float() for output in logits], outputs
