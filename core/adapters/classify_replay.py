"""The head of a transformers class, run on hidden states that were computed elsewhere.

A class such as `BertForSequenceClassification` calls its base model and then computes logits in a way of its own.
Here a stand-in takes the base model's place and hands out prepared hidden states, so that the class's own code
computes the head, whatever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from cenote.errors import CheckpointError

__all__ = ["ReplayedHead", "build_replay", "replay_base"]

#: From hidden states [n, L, h] to the base model's `pooler_output`.
Pooling: TypeAlias = Callable[[Tensor], Tensor]

#: Names that base models give the function after their pooling layer, where that is a plain linear one.
_POOLER_ACTIVATIONS = ("pooler_activation", "activation")


class _Stage(nn.Module):
    """Stands where the base model was."""

    def __init__(self, output_class: type[Any], pooler: nn.Module | None, pooling: Pooling | None) -> None:
        super().__init__()
        self._output_class = output_class
        self._pooler = pooler  # registered, so that it follows the head's dtype and device
        self._pooling = pooling
        self._hidden: Tensor | None = None

    @contextmanager
    def playing(self, hidden: Tensor) -> Iterator[None]:
        """Hand out these hidden states inside the block, and nothing after it."""
        self._hidden = hidden
        try:
            yield
        finally:
            self._hidden = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the base model would return, whatever it is asked."""
        assert self._hidden is not None
        values = {"last_hidden_state": self._hidden}
        if self._pooling is not None:
            values["pooler_output"] = self._pooling(self._hidden)
        return self._output_class(**values)


class ReplayedHead:
    """A model with a head, without its base model. Used from one thread; keeps nothing between calls."""

    def __init__(self, whole: Any, stage: _Stage) -> None:
        """Take a model whose base model was replaced by a stage."""
        #: Token id that counts as padding.
        self.padding = int(whole.config.get_text_config().pad_token_id)
        self._whole = whole
        self._stage = stage

    def __call__(self, hidden: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute logits in float32.

        Args:
            hidden: [n, L, h], in any float format.
            ids: [n, L] int64, the tokens that the rows belong to; some heads look for one of them.
            mask: [n, L] int64, 0 where a row is padding; None is no padding.

        Returns:
            [n, labels], or [n, L, labels] of a token classifier.
        """
        with self._stage.playing(hidden.float()):
            output = self._whole(input_ids=ids, attention_mask=torch.ones_like(ids) if mask is None else mask)
        logits: Tensor = output.logits
        return logits


def build_replay(whole: Any, base: Any, example: Any) -> Callable[[], ReplayedHead]:
    """Prepare to replace the base model of a model with a head.

    The pooling layer is copied at once, before anything changes the base model's layers. The replacement happens
    when the returned function is called, after the base model was taken out of `whole` for running it.

    Args:
        whole: transformers model with a head.
        base: its base model, found somewhere inside.
        example: output of the base model for some sequence, with [1, L, h] hidden states.

    Raises:
        CheckpointError: the base model's pooling is of a form that is not known.
    """
    pooler, pooling = _copy_pooling(base, example)
    _place_of(whole, base)
    return lambda: replay_base(whole, base, type(example), pooler, pooling)


def replay_base(
    whole: Any,
    base: Any,
    output_class: type[Any],
    pooler: nn.Module | None = None,
    pooling: Pooling | None = None,
) -> ReplayedHead:
    """Replace the base model inside a model with a head, which is float32 from then on.

    Args:
        whole: transformers model with a head.
        base: its base model.
        output_class: what the base model returns.
        pooler: module that `pooling` uses.
        pooling: from hidden states to `pooler_output`; None where the base model has none.

    Raises:
        CheckpointError: `base` is not a part of `whole`.
    """
    parent, name = _place_of(whole, base)
    stage = _Stage(output_class, pooler, pooling)
    setattr(parent, name, stage)
    whole.config = _with_padding(whole.config)
    _untie(whole, base)
    whole.float()
    whole.train(False)
    return ReplayedHead(whole, stage)


def _untie(whole: Any, base: Any) -> None:
    """Copy weights of a head that are the base model's too (output layers tied to the embedding table).

    They are about to become float32, which must leave a base model in a shorter format alone.
    """
    shared = {id(weight) for weight in base.parameters() if weight.dtype != torch.float32}
    for module in whole.modules():
        for name, weight in module.named_parameters(recurse=False):
            if id(weight) in shared:
                setattr(module, name, nn.Parameter(weight.detach().clone(), requires_grad=False))


def _place_of(whole: Any, base: Any) -> tuple[nn.Module, str]:
    for parent in whole.modules():
        for name, child in parent.named_children():
            if child is base:
                return parent, name
    raise CheckpointError(f"{type(whole).__name__} has no base model of its own. Install a plugin for this model.")


def _copy_pooling(base: Any, example: Any) -> tuple[nn.Module | None, Pooling | None]:
    """Copy what computes `pooler_output`, in float32: a module of its own, or a linear layer and a function."""
    expected = getattr(example, "pooler_output", None)
    pooler = getattr(base, "pooler", None)
    if expected is None or not isinstance(pooler, nn.Module):
        return None, None
    copied = deepcopy(pooler).float()
    close = 1e-4 if expected.dtype == torch.float32 else 5e-2
    forms: list[Pooling] = [copied]
    for name in _POOLER_ACTIVATIONS:
        function = getattr(base, name, None)
        if callable(function):
            forms.append(lambda hidden, function=function: function(copied(hidden[:, 0])))  # type: ignore[misc]
    for form in forms:
        found = form(example.last_hidden_state.float())
        if found.shape == expected.shape and torch.allclose(found, expected.float(), rtol=close, atol=close):
            return copied, form
    raise CheckpointError(
        f"{type(base).__name__} pools in a way that the generic adapter does not know. Install a plugin for this model."
    )


def _with_padding(config: Any) -> Any:
    """Return a copy of a config with a padding id: without one, heads of decoders refuse more than one row.

    No token has the id that is put in.
    """
    copied = deepcopy(config)
    text = copied.get_text_config()
    if getattr(text, "pad_token_id", None) is None:
        text.pad_token_id = -1
    return copied
