"""Put layers that keep packed sequences apart in the place of a model's own, and take them out again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from cenote.adapters.gated_delta import PackedGatedDelta, is_gated_delta
from cenote.adapters.short_conv import PackedShortConv, is_short_conv
from cenote.errors import ShapeError

__all__ = ["install_mixers", "remove_mixers"]


@dataclass(frozen=True, slots=True)
class _Mixer:
    """A kind of layer.

    Attributes:
        ending: what the names of its classes in transformers end in.
        known: tells whether a layer of such a name computes what the packed layer does.
        packed: makes the packed layer of a model's own.
    """

    ending: str
    known: Callable[[Any], bool]
    packed: Callable[[Any], nn.Module]


_MIXERS = {
    "short_conv": _Mixer("ShortConv", is_short_conv, PackedShortConv),
    "gated_delta": _Mixer("GatedDeltaNet", is_gated_delta, PackedGatedDelta),
}


def install_mixers(model: nn.Module, kinds: Iterable[str]) -> list[tuple[nn.Module, str, nn.Module]]:
    """Put packed layers in the place of a model's own, and return what was where.

    Args:
        model: transformers model.
        kinds: `Family.mixers`.

    Raises:
        ShapeError: a layer has the name of such a kind and is another; then nothing is changed.
    """
    found = [
        (mixer, parent, name, layer)
        for mixer in (_MIXERS[kind] for kind in kinds)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if type(layer).__name__.endswith(mixer.ending)
    ]
    for mixer, _, name, layer in found:
        if not mixer.known(layer):
            raise ShapeError(f"its {name} ({type(layer).__name__}) is not of the kind that is known to run packed")
    for mixer, parent, name, layer in found:
        setattr(parent, name, mixer.packed(layer))
    return [(parent, name, layer) for _, parent, name, layer in found]


def remove_mixers(originals: list[tuple[nn.Module, str, nn.Module]]) -> None:
    """Put a model's own layers back."""
    for parent, name, layer in originals:
        setattr(parent, name, layer)
