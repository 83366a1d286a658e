"""How many tokens a prompt may have, and who decided it."""

from __future__ import annotations

from typing import Any

from cenote.config import Resolved
from cenote.errors import InvalidRequest

__all__ = ["DEFAULT_MAX_TOKENS", "position_capacity", "resolve_max_tokens"]

#: Where nothing says how long a prompt may be (as vLLM).
DEFAULT_MAX_TOKENS = 2048
_LENGTH_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length")
#: Families whose position ids start at pad_token_id + 1, so that many rows of the table are never used.
_OFFSET_FAMILIES = frozenset(
    {
        "camembert",
        "data2vec-text",
        "ibert",
        "longformer",
        "luke",
        "mluke",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
#: RoPE variants that reach `factor` times `max_position_embeddings`. With `linear` the files mostly give the
#: stretched length there already, so only an explicit original length counts.
_STRETCHING_ROPE = frozenset({"dynamic", "yarn"})
#: tokenizers say 1e30 where they know no limit.
_NO_LIMIT = 10**9


def resolve_max_tokens(
    config: Any,
    *,
    user: int | None = None,
    max_seq_length: int | None = None,
    model_max_length: int | None = None,
) -> Resolved[int]:
    """Decide the longest prompt in tokens, special tokens included.

    Args:
        config: transformers config, or any object with such attributes.
        user: `max_model_len`, or None.
        max_seq_length: of the Sentence-Transformers files, or None.
        model_max_length: of the tokenizer, or None.

    Returns:
        The limit and who decided it. Sentence-Transformers' value replaces the config's, except that no limit
        exceeds a table of absolute positions.

    Raises:
        InvalidRequest: the user asks for more than the model has.
    """
    text_config = config.get_text_config() if hasattr(config, "get_text_config") else config
    capacity = position_capacity(text_config)
    absolute = not _is_rotary(text_config)
    derived = _derive(capacity, absolute, max_seq_length, model_max_length)
    if user is None:
        return derived
    most = max(derived.value, capacity or 0)
    if user < 1 or user > most:
        raise InvalidRequest(
            f"max_model_len is {user}, but this model takes 1 to {most} tokens. Give a smaller value, or none.",
            param="max_model_len",
        )
    return Resolved(user, "user")


def _derive(
    capacity: int | None, absolute: bool, max_seq_length: int | None, model_max_length: int | None
) -> Resolved[int]:
    ceiling = capacity if absolute else None
    if max_seq_length is not None:
        return Resolved(min(max_seq_length, ceiling or max_seq_length), "sentence_transformers")
    known = [] if capacity is None else [capacity]
    if absolute and model_max_length is not None and 0 < model_max_length < _NO_LIMIT:
        known.append(model_max_length)
    return Resolved(min(known), "model_default") if known else Resolved(DEFAULT_MAX_TOKENS, "pooler_default")


def position_capacity(config: Any) -> int | None:
    """Return how many positions a model has for tokens, or None where its config does not say.

    RoPE variants that stretch count `factor` times their original length.
    """
    values = (_length(getattr(config, key, None)) for key in _LENGTH_KEYS)
    found = next((value for value in values if value is not None), None)
    if found is None:
        return None
    if getattr(config, "model_type", None) in _OFFSET_FAMILIES:
        return max(1, found - _pad_offset(config))
    return _stretched(found, _rope(config))


def _pad_offset(config: Any) -> int:
    pad = getattr(config, "pad_token_id", None)
    return (pad if isinstance(pad, int) else 1) + 1


def _stretched(length: int, rope: dict[str, Any]) -> int:
    kind, factor = rope.get("rope_type", rope.get("type")), rope.get("factor")
    original = _length(rope.get("original_max_position_embeddings"))
    if kind in _STRETCHING_ROPE:
        original = original or length
    if kind not in (*_STRETCHING_ROPE, "linear") or original is None or not isinstance(factor, int | float):
        return length
    return max(length, int(original * factor))


def _rope(config: Any) -> dict[str, Any]:
    value = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None)
    return value if isinstance(value, dict) else {}


def _is_rotary(config: Any) -> bool:
    kind = getattr(config, "position_embedding_type", None)
    return kind == "rotary" or bool(_rope(config)) or getattr(config, "rope_theta", None) is not None


def _length(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
