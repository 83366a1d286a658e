"""Body fields of text-embeddings-inference (TEI), and the shapes of its `inputs`.

Source: docs/openapi.json of TEI 1.9.3.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from cenote.server.fields import parse_role
from cenote.server.text import show
from cenote.types import Prompt, Role, TokenizationOptions

__all__ = ["TeiEmbedFields", "TeiFields", "TeiInputs", "TeiPairs", "TeiTruncation", "parse_inputs", "parse_pairs"]

_EMBED_SHAPES = "a string, a list of token ids, or a list of strings and lists of token ids"
_PAIR_SHAPES = "a string, a pair of strings, or a list of lists of one or two strings"


def parse_inputs(value: object) -> tuple[Prompt, ...]:
    """Parse the `inputs` of embeddings; a flat list of integers is one prompt, and strings and lists may be mixed.

    Raises:
        ValueError: any other shape; names the first element that does not fit.
    """
    if isinstance(value, str):
        return (Prompt(text=value),)
    if not isinstance(value, list):
        raise ValueError(f"inputs must be {_EMBED_SHAPES}")
    if value and type(value[0]) is int:
        return (_token_prompt(value, "inputs"),)
    return tuple(_embed_item(item, f"inputs[{index}]") for index, item in enumerate(value))


def _embed_item(value: object, where: str) -> Prompt:
    if isinstance(value, str):
        return Prompt(text=value)
    if isinstance(value, list):
        return _token_prompt(value, where)
    raise ValueError(f"{where} is {show(value)}; inputs must be {_EMBED_SHAPES}")


def _token_prompt(ids: list[Any], where: str) -> Prompt:
    for index, item in enumerate(ids):
        if type(item) is not int or not 0 <= item < 2**32:
            raise ValueError(f"{where}[{index}] is {show(item)}, but must be a token id")
    return Prompt(token_ids=tuple(ids))


def parse_pairs(value: object) -> tuple[bool, tuple[Prompt, ...]]:
    """Parse the `inputs` of predictions: whether it is a batch, and its texts and pairs.

    A flat list of strings is one text or one pair, as in TEI; a batch is a list of such lists.

    Raises:
        ValueError: any other shape.
    """
    if isinstance(value, str):
        return False, (Prompt(text=value),)
    if isinstance(value, list) and value and isinstance(value[0], str):
        return False, (_texts(value, "inputs"),)
    if isinstance(value, list):
        return True, tuple(_texts(item, f"inputs[{index}]") for index, item in enumerate(value))
    raise ValueError(f"inputs must be {_PAIR_SHAPES}")


def _texts(value: object, where: str) -> Prompt:
    if not isinstance(value, list) or len(value) not in (1, 2) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{where} is {show(value)}; inputs must be {_PAIR_SHAPES}")
    return Prompt(text=value[0], text_pair=value[1] if len(value) == 2 else None)


_STRING: dict[str, Any] = {"type": "string", "minLength": 1}
_IDS: dict[str, Any] = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_MIXED = {"type": "array", "items": {"anyOf": [_STRING, _IDS]}, "minItems": 1}
_ONE_OR_TWO = {"type": "array", "items": _STRING, "minItems": 1, "maxItems": 2}
#: What to embed.
TeiInputs: TypeAlias = Annotated[
    tuple[Prompt, ...], PlainValidator(parse_inputs), WithJsonSchema({"anyOf": [_STRING, _IDS, _MIXED]})
]
#: What to label.
TeiPairs: TypeAlias = Annotated[
    tuple[bool, tuple[Prompt, ...]],
    PlainValidator(parse_pairs),
    WithJsonSchema({"anyOf": [_STRING, _ONE_OR_TWO, {"type": "array", "items": _ONE_OR_TWO, "minItems": 1}]}),
]


class TeiFields(BaseModel):
    """Fields of every body. TEI serves one model; `model` chooses among several here, and `input_type` is ours too."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, protected_namespaces=())

    model: str | None = Field(default=None, description="A served name; none is the first model that can answer.")
    input_type: str | None = Field(default=None, description="query or document, or a synonym of one.")

    def role(self) -> Role | None:
        """Return what the inputs are for.

        Raises:
            InvalidRequest: `input_type` is not one of the known words.
        """
        return parse_role(self.input_type)


class TeiTruncation(BaseModel):
    """How an input that is too long is cut."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, protected_namespaces=())

    truncate: bool = Field(default=False, description="Cut what is too long for the model; it is refused otherwise.")
    truncation_direction: Literal["Left", "Right", "left", "right"] = Field(
        default="Right", description="Where to cut: Right keeps the beginning."
    )

    def tokenization(self) -> TokenizationOptions:
        """Return how to tokenise; like TEI's, this cut leaves special tokens alone."""
        side: Literal["left", "right"] = "left" if self.truncation_direction in ("Left", "left") else "right"
        keep = -1 if self.truncate else None
        return TokenizationOptions(truncate_prompt_tokens=keep, truncation_side=side, keep_special_tokens=True)


class TeiEmbedFields(TeiFields, TeiTruncation):
    """Fields of the bodies that embed."""

    inputs: TeiInputs = Field(description="What to embed.")
    prompt_name: str | None = Field(default=None, description="Put the model's stored prompt of this name in front.")
