"""Every form in which callers may give prompts, parsed into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import index
from typing import Any

from cenote.errors import InvalidRequest
from cenote.types import Prompt

__all__ = ["parse_prompts"]

_FORMS = "a string, a list of token ids, {'prompt': str}, {'prompt_token_ids': [int]}, or a list of these"
#: Accepted keys without effect on text models (python-api.md section 3).
_IGNORED_KEYS = frozenset({"cache_salt", "multi_modal_uuids", "mm_processor_kwargs", "media_io_kwargs"})
_KEYS = frozenset({"prompt", "prompt_token_ids", "token_type_ids"}) | _IGNORED_KEYS


def parse_prompts(prompts: Any) -> list[Prompt]:
    """Parse one prompt or a batch.

    Args:
        prompts: a string, token ids (a list, tuple or integer array), a mapping with `prompt` or `prompt_token_ids`
            (and `token_type_ids`), or a list of these.

    Returns:
        At least one prompt, in order.

    Raises:
        InvalidRequest: nothing given, a value of another type, token ids mixed with prompts, or a kind of input
            that text models do not have.
    """
    if isinstance(prompts, str | Mapping):
        return [_one(prompts)]
    items = _as_list(prompts)
    if items is None:
        raise InvalidRequest(f"prompts must be {_FORMS}; got {_describe(prompts)}.", param="input")
    if not items:
        raise InvalidRequest(f"prompts is empty; give {_FORMS}.", param="input")
    if _is_prompt(items[0]):
        _refuse_numbers(items)
    elif any(_is_number(item) for item in items):
        return [Prompt(token_ids=_token_ids(items, "prompts"))]
    return [_one(item) for item in items]


def _one(prompt: Any) -> Prompt:
    if isinstance(prompt, str):
        return Prompt(text=prompt)
    if isinstance(prompt, Mapping):
        return _from_mapping(prompt)
    items = _as_list(prompt)
    if items is None:
        raise InvalidRequest(f"A prompt must be {_FORMS}; got {_describe(prompt)}.", param="input")
    return Prompt(token_ids=_token_ids(items, "a token prompt"))


def _from_mapping(prompt: Mapping[str, Any]) -> Prompt:
    for key in ("multi_modal_data", "prompt_embeds", "encoder_prompt", "decoder_prompt", "data"):
        if prompt.get(key) is not None:
            raise InvalidRequest(f"A prompt with {key!r} is not supported by this model; give text or ids.", param=key)
    unknown = [str(key) for key in prompt if key not in _KEYS and prompt[key] is not None]
    if unknown:
        raise InvalidRequest(f"Unknown keys in a prompt: {', '.join(sorted(unknown))}. Give {_FORMS}.", param="input")
    text, ids = prompt.get("prompt"), prompt.get("prompt_token_ids")
    if text is not None and not isinstance(text, str):
        raise InvalidRequest(f"'prompt' must be a string, got {_describe(text)}.", param="prompt")
    if ids is None:
        if text is None:
            raise InvalidRequest("A prompt mapping needs 'prompt' or 'prompt_token_ids'.", param="input")
        if prompt.get("token_type_ids") is not None:
            raise InvalidRequest("'token_type_ids' goes with 'prompt_token_ids' only.", param="token_type_ids")
        return Prompt(text=text)
    # As in vLLM, the ids win where both are given: the text then only says what they stand for.
    token_ids = _token_ids(_required_list(ids, "prompt_token_ids"), "prompt_token_ids")
    types = prompt.get("token_type_ids")
    if types is None:
        return Prompt(token_ids=token_ids)
    return Prompt(token_ids=token_ids, token_type_ids=_type_ids(types, len(token_ids)))


def _type_ids(value: Any, length: int) -> tuple[int, ...]:
    """Check segment ids: zeros, then ones (python-api.md section 16)."""
    types = _token_ids(_required_list(value, "token_type_ids"), "token_type_ids")
    if len(types) != length:
        raise InvalidRequest(
            f"token_type_ids has {len(types)} entries, prompt_token_ids has {length}.", param="token_type_ids"
        )
    if any(a > b for a, b in pairwise(types)) or not set(types) <= {0, 1}:
        raise InvalidRequest("token_type_ids must be zeros followed by ones.", param="token_type_ids")
    return types


def _required_list(value: Any, name: str) -> Sequence[Any]:
    items = _as_list(value)
    if items is None:
        raise InvalidRequest(f"{name!r} must be a list of integers, got {_describe(value)}.", param=name)
    return items


def _as_list(value: Any) -> Sequence[Any] | None:
    """Return lists and tuples as they are and arrays as lists; None for anything else."""
    if isinstance(value, list | tuple):
        return value
    convert = getattr(value, "tolist", None)
    if convert is not None and not isinstance(value, bytes | bytearray):
        items = convert()
        return items if isinstance(items, list) else None
    return None


def _is_prompt(value: Any) -> bool:
    return isinstance(value, str | Mapping)


def _refuse_numbers(items: Sequence[Any]) -> None:
    """Check that a batch which begins with a text has no number where a prompt should be."""
    at = next((at for at, item in enumerate(items) if _is_number(item)), None)
    if at is not None:
        raise InvalidRequest(
            f"prompts begins with a {'text' if isinstance(items[0], str) else 'mapping'}, so that every element must "
            f"be a prompt; element {at} is {_describe(items[at])}. Put token ids in a list of their own.",
            param="input",
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or _is_id(value)


def _is_id(value: Any) -> bool:
    """Accept ints and the integer scalars of numpy and torch, whose arrays have `__index__` too; refuse booleans."""
    is_bool = isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
    return hasattr(value, "__index__") and not is_bool and getattr(value, "ndim", 0) == 0


def _token_ids(items: Sequence[Any], name: str) -> tuple[int, ...]:
    try:
        if all(type(item) is int or _is_id(item) for item in items):
            return tuple(map(index, items))
    except TypeError:
        pass  # numpy's floats and booleans have the method and refuse the call
    wrong = next((item for item in items if not isinstance(item, int) or isinstance(item, bool)), items)
    raise InvalidRequest(f"{name} must hold integers only, found {_describe(wrong)}.", param="input")


def _describe(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"
