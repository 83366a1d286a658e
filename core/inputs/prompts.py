"""Every form in which callers may give prompts, parsed into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs.media import parse_media
from cenote.inputs.messages import parse_conversation
from cenote.inputs.values import as_list, describe, is_number, parse_ids, parse_type_ids
from cenote.types import Prompt

__all__ = ["parse_prompts"]

_FORMS = (
    "a string, a list of token ids, {'prompt': str}, {'prompt_token_ids': [int]}, {'text': str, 'text_pair': str}, "
    "{'messages': [...]}, or a list of these"
)
#: Accepted keys without effect (python-api.md section 3): what is kept of media is found by their content.
_IGNORED_KEYS = frozenset({"cache_salt", "multi_modal_uuids"})
#: Accepted keys that must be empty: media are prepared in one way for all prompts of a model.
_EMPTY_KEYS = {
    "mm_processor_kwargs": "set mm_processor_kwargs of the model, as in LLM(..., mm_processor_kwargs={...})",
    "media_io_kwargs": "media are decoded in one way",
}
_FORM_KEYS = ("prompt", "prompt_token_ids", "token_type_ids", "text", "text_pair", "messages", "multi_modal_data")
_KEYS = frozenset((*_FORM_KEYS, *_EMPTY_KEYS)) | _IGNORED_KEYS


def parse_prompts(prompts: Any) -> list[Prompt]:
    """Parse one prompt or a batch.

    Args:
        prompts: a string, token ids (a list, tuple or integer array), a mapping, or a list of these. A mapping has
            `prompt`; `prompt_token_ids` (and `token_type_ids`); `text` (and `text_pair`); or `messages`, whose parts
            may be media. For models that read images it may have `multi_modal_data`, alone or with `prompt` or
            `prompt_token_ids`.

    Returns:
        At least one prompt, in order.

    Raises:
        WrongType: a value of another type, or token ids mixed with prompts.
        InvalidRequest: nothing given, or a kind of input that text models do not have.
    """
    if isinstance(prompts, str | Mapping):
        return [_one(prompts)]
    items = as_list(prompts)
    if items is None:
        raise WrongType(f"prompts must be {_FORMS}; got {describe(prompts)}.", param="input")
    if not items:
        raise InvalidRequest(f"prompts is empty; give {_FORMS}.", param="input")
    # vLLM looks at the first element only; here every one is checked.
    if isinstance(items[0], str | Mapping):
        _refuse_numbers(items)
    elif any(is_number(item) for item in items):
        return [Prompt(token_ids=parse_ids(items, "prompts"))]
    return [_element(item, place) for place, item in enumerate(items)]


def _element(prompt: Any, place: int) -> Prompt:
    try:
        return _one(prompt)
    except InvalidRequest as exc:
        exc.locate(place)
        raise


def _one(prompt: Any) -> Prompt:
    if isinstance(prompt, str):
        return Prompt(text=prompt)
    if isinstance(prompt, Mapping):
        return _from_mapping(prompt)
    items = as_list(prompt)
    if items is None:
        raise WrongType(f"A prompt must be {_FORMS}; got {describe(prompt)}.", param="input")
    return Prompt(token_ids=parse_ids(items, "a token prompt"))


def _from_mapping(prompt: Mapping[str, Any]) -> Prompt:
    _refuse_other_kinds(prompt)
    given = {key: prompt[key] for key in _FORM_KEYS if prompt.get(key) is not None}
    if "token_type_ids" in given and "prompt_token_ids" not in given:
        raise InvalidRequest("'token_type_ids' goes with 'prompt_token_ids' only.", param="token_type_ids")
    if "multi_modal_data" in given:
        return _media_prompt(given)
    if "prompt_token_ids" in given:
        return _token_prompt(given)
    if "text_pair" in given and "text" not in given:
        raise InvalidRequest("'text_pair' needs 'text' beside it: {'text': first, 'text_pair': second}.", param="text")
    texts = [key for key in ("prompt", "text", "messages") if key in given]
    if len(texts) > 1:
        raise InvalidRequest(f"A prompt has both {texts[0]!r} and {texts[1]!r}; give one of them.", param=texts[1])
    if "messages" in given:
        return parse_conversation(given["messages"])
    if not texts:
        hint = " A message alone is no prompt: give {'messages': [...]}." if "role" in prompt else ""
        needed = "'prompt' or 'prompt_token_ids', 'text' or 'messages'"
        raise InvalidRequest(f"A prompt mapping needs {needed}.{hint}", param="input")
    pair = given.get("text_pair")
    return Prompt(text=_text(given, texts[0]), text_pair=None if pair is None else _text(given, "text_pair"))


def _token_prompt(given: Mapping[str, Any]) -> Prompt:
    """Parse token ids; as in vLLM, a `prompt` beside them only says what they stand for."""
    for key in ("text", "text_pair", "messages"):
        if key in given:
            raise InvalidRequest(f"A prompt has both 'prompt_token_ids' and {key!r}; give one of them.", param=key)
    if "prompt" in given:
        _text(given, "prompt")
    token_ids = parse_ids(given["prompt_token_ids"], "prompt_token_ids", param="prompt_token_ids")
    types = given.get("token_type_ids")
    return Prompt(token_ids=token_ids, token_type_ids=None if types is None else parse_type_ids(types, len(token_ids)))


def _media_prompt(given: Mapping[str, Any]) -> Prompt:
    """Parse a prompt with media; what its text or token ids mean beside them is the model's business."""
    rest = {key: value for key, value in given.items() if key != "multi_modal_data"}
    for key in ("text", "text_pair", "messages"):
        if key in rest:
            raise InvalidRequest(
                f"'multi_modal_data' goes with 'prompt' or 'prompt_token_ids', not with {key!r}.", param=key
            )
    media = parse_media(given["multi_modal_data"])
    parsed = _from_mapping(rest) if rest else Prompt()
    return replace(parsed, media=media, is_layout=parsed.text is not None)


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given[key]
    if not isinstance(value, str):
        raise WrongType(f"{key!r} must be a string, got {describe(value)}.", param=key)
    return value


def _refuse_other_kinds(prompt: Mapping[str, Any]) -> None:
    if prompt.get("data") is not None:
        raise InvalidRequest("A prompt with 'data' goes with pooling_task=\"plugin\" only.", param="data")
    for key in ("prompt_embeds", "encoder_prompt", "decoder_prompt"):
        if prompt.get(key) is not None:
            raise InvalidRequest(f"A prompt with {key!r} is not supported by this model; give text or ids.", param=key)
    for key, remedy in _EMPTY_KEYS.items():
        if prompt.get(key):
            raise InvalidRequest(f"{key!r} is not offered for single prompts; {remedy}.", param=key)
    known = _KEYS | ({"role", "content"} if "role" in prompt and "messages" not in prompt else set())
    unknown = [str(key) for key in prompt if key not in known and prompt[key] is not None]
    if unknown:
        raise InvalidRequest(f"Unknown keys in a prompt: {', '.join(sorted(unknown))}. Give {_FORMS}.", param="input")


def _refuse_numbers(items: Sequence[Any]) -> None:
    """Check that a batch which begins with a text has no number where a prompt should be."""
    at = next((at for at, item in enumerate(items) if is_number(item)), None)
    if at is not None:
        raise WrongType(
            f"prompts begins with a {'text' if isinstance(items[0], str) else 'mapping'}, so that every element must "
            f"be a prompt; element {at} is {describe(items[at])}. Put token ids in a list of their own.",
            param="input",
        )
