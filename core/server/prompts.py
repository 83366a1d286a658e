"""The shapes of `input`: a text, a pair or token ids, or a list of one of these; or objects, among texts as well."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from cenote.server.input_items import ITEM_SHAPES, is_item, parse_item
from cenote.server.text import show
from cenote.types import Prompt

__all__ = ["INPUT_SHAPES", "PromptInput", "parse_input"]

_SHAPES = (
    'a string, a list of strings, a list of token ids, a list of lists of token ids, {"text": ..., "text_pair": ...}, '
    'a list of such pairs, or a list of strings and objects such as {"image": ...} and {"content": [...]}'
)


def parse_input(value: object) -> tuple[Prompt, ...]:
    """Parse `input`, checking every element: booleans are no token ids, and lists are not mixed.

    Raises:
        ValueError: any other shape; names the first element that does not fit.
        InvalidRequest: an object holds nothing that can be read.
    """
    if isinstance(value, str):
        return (Prompt(text=value),)
    if isinstance(value, dict):
        return (parse_item(value, "input") if is_item(value) else _pair(value, "input"),)
    if not isinstance(value, list):
        raise ValueError(f"input must be {_SHAPES}")
    if not value:
        raise ValueError(f"input is an empty list; it must be {_SHAPES}")
    if any(map(is_item, value)):
        return tuple(_text_or_item(item, index) for index, item in enumerate(value))
    first = value[0]
    if isinstance(first, str):
        _check(value, str, "a string, as the first is")
        return tuple(Prompt(text=text) for text in value)
    if type(first) is int:
        return (_token_prompt(value, ""),)
    if isinstance(first, list):
        _check(value, list, "a list of token ids, as the first is")
        return tuple(_token_prompt(ids, f" of list {index}") for index, ids in enumerate(value))
    if isinstance(first, dict):
        return tuple(_pair(item, f"element {index}") for index, item in enumerate(value))
    raise ValueError(f"element 0 is {show(first)}; input must be {_SHAPES}")


def _text_or_item(item: Any, index: int) -> Prompt:
    if isinstance(item, str):
        return Prompt(text=item)
    if is_item(item):
        return parse_item(item, f"input[{index}]")
    raise ValueError(f"element {index} is {show(item)}, but must be a string or an object with text, image or content")


def _pair(value: object, where: str) -> Prompt:
    if isinstance(value, dict) and len(value) == 2:
        text, other = value.get("text"), value.get("text_pair")
        if isinstance(text, str) and isinstance(other, str):
            return Prompt(text=text, text_pair=other)
    raise ValueError(f'{where} is {show(value)}, but must be a pair {{"text": string, "text_pair": string}}')


def _token_prompt(ids: list[Any], where: str) -> Prompt:
    _check(ids, int, "an integer token id", where)
    return Prompt(token_ids=tuple(ids))


def _check(items: list[Any], kind: type, wanted: str, where: str = "") -> None:
    for index, item in enumerate(items):
        if type(item) is not kind:
            raise ValueError(f"element {index}{where} is {show(item)}, but must be {wanted}")


_TOKEN_IDS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_PAIR = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "text_pair": {"type": "string"}},
    "required": ["text", "text_pair"],
}
#: The JSON schemas of what `input` may be.
INPUT_SHAPES = (
    {"type": "string"},
    {"type": "array", "items": {"type": "string"}, "minItems": 1},
    _TOKEN_IDS,
    {"type": "array", "items": _TOKEN_IDS, "minItems": 1},
    _PAIR,
    {"type": "array", "items": _PAIR, "minItems": 1},
    *ITEM_SHAPES,
    {"type": "array", "items": {"anyOf": [{"type": "string"}, *ITEM_SHAPES]}, "minItems": 1},
)
#: A body field that holds parsed prompts.
PromptInput: TypeAlias = Annotated[
    tuple[Prompt, ...], PlainValidator(parse_input), WithJsonSchema({"anyOf": list(INPUT_SHAPES)})
]
