"""Results of `LLM.classify`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from cenote.outputs.results import PoolingRequestOutput, TypedOutput, one_row

__all__ = ["ClassificationOutput", "ClassificationRequestOutput"]


@dataclass(eq=False)
class ClassificationOutput:
    """What a classifier says of one prompt.

    Attributes:
        probs: [num_classes] floats in the order of the model's labels; logits where no activation was applied, and
            empty after an error.
    """

    probs: list[float] = field(repr=False)

    @property
    def num_classes(self) -> int:
        """Return the number of labels."""
        return len(self.probs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClassificationOutput) and self.probs == other.probs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ClassificationOutput(num_classes={self.num_classes})"


class ClassificationRequestOutput(TypedOutput[ClassificationOutput]):
    """Classification of one prompt."""

    @classmethod
    def from_base(cls, base: PoolingRequestOutput) -> Self:
        """Convert a raw `classify` result.

        Raises:
            ShapeError: the data is not one value per label.
        """
        return cls.convert(base, ClassificationOutput(one_row(base, "A classification")))
