"""What a prompt costs to compute, estimated from the shape of a model before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["PromptCost", "cost_of"]

#: How much longer an operation of attention takes than one of a linear layer: the products of attention are small.
#: Measured on CPUs with heads of 32 and 64 components: 2 to 6 times.
_ATTENTION_FACTOR = 3.0
#: Intermediate size in hidden sizes where a config names none.
_USUAL_INTERMEDIATE = 4


@dataclass(frozen=True, slots=True)
class PromptCost:
    """The work of prompts, in units of what the linear layers do for one token.

    Attributes:
        pair: work of attention for two tokens that see each other; 0 where a model has no attention, or nobody knows.
    """

    pair: float = 0.0

    def of(self, tokens: int) -> float:
        """Return the cost of a prompt of so many tokens."""
        return tokens + self.pair * tokens * tokens


def cost_of(config: Any) -> PromptCost:
    """Return the costs of a transformers model with attention in all of its layers.

    Operations of a layer per token are 8 h^2 + 4 h i in the linear layers (four projections, and two of the
    feed-forward part) and 4 h per token that is attended to. Their ratio does not depend on the number of layers. A
    gated feed-forward part or fewer key heads change it by less than the factor of attention is known to.

    Args:
        config: names `hidden_size`, and `intermediate_size` where that is not four times as much.
    """
    hidden = getattr(config, "hidden_size", None)
    if not isinstance(hidden, int) or hidden < 1:
        return PromptCost()
    intermediate = getattr(config, "intermediate_size", None)
    inner = intermediate if isinstance(intermediate, int) and intermediate > 0 else _USUAL_INTERMEDIATE * hidden
    return PromptCost(_ATTENTION_FACTOR * 4 * hidden / (8 * hidden * hidden + 4 * hidden * inner))
