"""Run a tiny model of a class through the engine, and compare it with the class itself."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import BigBirdModel
from transformers.models.bigbird_pegasus.modeling_bigbird_pegasus import BigBirdPegasusEncoder

from cenote import LLM, PoolingParams
from cenote.errors import CheckpointError, UnknownArchitecture
from cenote.testing.architectures.build import build_architecture
from cenote.testing.architectures.classes import Architecture

__all__ = ["TEXTS", "Outcome", "run_architecture"]

#: Texts of unlike lengths, none too short for models that halve them, the longest beyond every block and window of the
#: tiny models; two are equally long.
TEXTS = (
    "The water is cold.",
    "Divers follow the line, and turn back when a third of the gas is used; then they wait.",
    "one two three",
    "How deep is the well? Nobody knows.",
    "a b",
    "a c",
    "The train to the coast leaves at 7:45 from platform 12 and arrives at 10:20, with one change on the way; "
    "rain falls on the flat plain, sinks through cracks in the rock.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a class runs.

    Attributes:
        execution: `packed`; `padded`; `equal lengths` or `alone`, which are padded execution with fewer sequences side
            by side; or `refused`.
        reason: why not packed.
        difference: largest difference from the class's own numbers, relative to the largest of their text.
    """

    execution: str
    reason: str = ""
    difference: float = 0.0


def run_architecture(architecture: Architecture, folder: Path, task: str = "token_embed") -> Outcome:
    """Build a tiny checkpoint, load it by the convert rules, and compare a batch of texts with the class run alone.

    Args:
        architecture: a text class.
        folder: empty.
        task: `token_embed` compares hidden states, `classify` and `token_classify` logits.

    Returns:
        What the engine decided, and how exact it is.
    """
    model = build_architecture(architecture, folder)
    try:
        llm = _load(folder)
    except (CheckpointError, UnknownArchitecture) as exc:
        return Outcome(execution="refused", reason=str(exc).replace(repr(str(folder)), "the checkpoint"))
    with llm:
        execution, reason = _execution(llm.report()["execution"])
        params = PoolingParams(use_activation=False)
        outputs = llm.encode(list(TEXTS), params, pooling_task=task, use_tqdm=False)
    reference = _Reference(model, task)
    pairs = [(reference(output.prompt_token_ids), output.outputs.data) for output in outputs]
    if any(expected.shape != found.shape for expected, found in pairs):
        return Outcome(execution=execution, reason=reason, difference=float("inf"))
    difference = max(float((found - expected).abs().max() / expected.abs().max()) for expected, found in pairs)
    return Outcome(execution=execution, reason=reason, difference=difference)


def _load(folder: Path) -> LLM:
    try:
        return LLM(str(folder))
    except UnknownArchitecture:  # its name has no ending that says what it is
        return LLM(str(folder), convert="embed")


def _execution(text: str) -> tuple[str, str]:
    """Take apart what a model's report says of its execution."""
    kind, _, rest = text.partition(" (")
    reason = rest.rpartition(")")[0]
    if "only equal lengths run together" in reason:
        return "equal lengths", reason
    if "every sequence runs alone" in reason:
        return "alone", reason
    return kind, "" if kind == "packed" else reason


class _Reference:
    """A class with its own attention, one sequence at a time."""

    def __init__(self, model: Any, task: str) -> None:
        self._module = _body(model) if task == "token_embed" else model
        self._result = "last_hidden_state" if task == "token_embed" else "logits"
        takes_cache = "use_cache" in inspect.signature(self._module.forward).parameters
        self._options = {"use_cache": False} if takes_cache else {}
        self._sparse = [part for part in model.modules() if isinstance(part, BigBirdModel | BigBirdPegasusEncoder)]

    def __call__(self, token_ids: list[int]) -> Tensor:
        """Return the hidden states or logits of one sequence."""
        for part in self._sparse:  # they leave sparse attention for good once they have seen a short text
            part.set_attention_type("block_sparse")
        ids = torch.tensor([token_ids])
        with torch.no_grad():
            output = self._module(input_ids=ids, attention_mask=torch.ones_like(ids), **self._options)
        result: Tensor = getattr(output, self._result)[0]
        return result


def _body(model: Any) -> Any:
    import transformers

    name = type(model).__name__
    if name.endswith(("ForCausalLM", "LMHeadModel", "WithLMHead", "Decoder")):
        return model.model if model.base_model is model else model.base_model
    if hasattr(transformers, f"{name.removesuffix('Model')}EncoderModel"):
        return model.get_encoder()
    return model
