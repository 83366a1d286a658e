"""The user's pooling settings."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cenote.config.problems import refusal
from cenote.errors import InvalidRequest

__all__ = ["SEQUENCE_METHODS", "TOKEN_METHODS", "PoolerConfig"]

#: Built-in methods that give one vector per prompt; plugins add others.
SEQUENCE_METHODS = ("CLS", "LAST", "MEAN", "MAX", "MEAN_SQRT_LEN", "WEIGHTED_MEAN")
#: Methods that give one vector per token.
TOKEN_METHODS = ("ALL", "STEP")

_METHOD = re.compile(r"[A-Z][A-Z0-9_]*")
_Number = Annotated[float, Field(allow_inf_nan=False)]


class PoolerConfig(BaseModel):
    """How hidden states become results; each field left None is taken from the checkpoint.

    Attributes:
        task: the default task where a request names none.
        pooling_type: shorthand that fills `seq_pooling_type` or `tok_pooling_type`, whichever knows the name.
        seq_pooling_type: one of `SEQUENCE_METHODS` or a plugin's method, or several joined with `+` to concatenate
            their vectors.
        tok_pooling_type: one of `TOKEN_METHODS`.
        use_activation: L2-normalise vectors, or apply the classifier's activation, by default.
        dimensions: cut vectors to this size by default (matryoshka models).
        enable_flash_late_interaction: score late interaction by the device's own kernel of MaxSim; False takes the
            reference one, which is slower.
        enable_chunked_processing: cut over-long texts into chunks and embed them as the mean of their vectors.
        max_embed_len: longest text that chunking accepts, in tokens; None is no limit.
        logit_mean: subtracted from a classifier's logits; `logit_bias` is its older name.
        logit_sigma: divides them then; not 0.
        step_tag_id: token whose rows STEP pooling keeps by default.
        returned_token_ids: columns that STEP pooling keeps by default.

    Raises:
        InvalidRequest: a field is unknown, has a wrong value or contradicts another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str | None = None
    pooling_type: str | None = None
    seq_pooling_type: str | None = None
    tok_pooling_type: Literal["ALL", "STEP"] | None = None
    use_activation: bool | None = None
    dimensions: int | None = Field(default=None, ge=1)
    enable_flash_late_interaction: bool = True
    enable_chunked_processing: bool = False
    max_embed_len: int | None = Field(default=None, ge=1)
    logit_mean: _Number | None = None
    logit_sigma: _Number | None = None
    step_tag_id: int | None = Field(default=None, ge=0)
    returned_token_ids: tuple[Annotated[int, Field(ge=0)], ...] | None = None

    def __init__(self, **settings: Any) -> None:
        # pydantic comes through here for mappings inside other models too.
        try:
            super().__init__(**_checked(settings))
        except ValidationError as exc:
            raise refusal(exc, type(self).model_fields, "field of PoolerConfig") from exc

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return settings from what callers pass for them: nothing, settings, a mapping, or a like dataclass.

        Raises:
            InvalidRequest: it is something else, or a field is wrong.
        """
        if isinstance(value, cls):
            return value
        if value is None:
            return cls()
        if isinstance(value, Mapping):
            return cls(**{str(name): item for name, item in value.items()})
        if is_dataclass(value) and not isinstance(value, type):
            given = {item.name: getattr(value, item.name) for item in fields(value)}
            return cls(**{name: item for name, item in given.items() if item is not None})
        text = f"pooler_config must be a PoolerConfig or a mapping of its fields, not {type(value).__name__}."
        raise InvalidRequest(text, param="pooler_config")


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is plainly wrong, and put older and short spellings in their place."""
    if "normalize" in settings:
        raise InvalidRequest("PoolerConfig has no 'normalize'; set use_activation instead.", param="normalize")
    if settings.get("task") == "encode":
        text = "Task 'encode' was removed; use token_embed or token_classify."
        raise InvalidRequest(text, param="task")
    if settings.get("logit_sigma") == 0:
        raise InvalidRequest("logit_sigma divides the logits, so it cannot be 0.", param="logit_sigma")
    return _split_pooling_type(_rename_bias(dict(settings)))


def _rename_bias(settings: dict[str, Any]) -> dict[str, Any]:
    bias = settings.pop("logit_bias", None)
    if bias is None:
        return settings
    if settings.get("logit_mean") is not None:
        text = "logit_bias is the older name of logit_mean; give one of them."
        raise InvalidRequest(text, param="logit_bias")
    text = "PoolerConfig(logit_bias=...) is the older name of logit_mean; it is subtracted from the logits."
    warnings.warn(text, DeprecationWarning, stacklevel=4)
    return {**settings, "logit_mean": bias}


def _split_pooling_type(settings: dict[str, Any]) -> dict[str, Any]:
    shorthand = settings.pop("pooling_type", None)
    if shorthand is not None:
        if settings.get("seq_pooling_type") is not None or settings.get("tok_pooling_type") is not None:
            text = "PoolerConfig takes pooling_type or seq_pooling_type and tok_pooling_type, not both."
            raise InvalidRequest(text, param="pooling_type")
        is_token = str(shorthand).upper() in TOKEN_METHODS
        settings["tok_pooling_type" if is_token else "seq_pooling_type"] = shorthand
    for name, methods in (("seq_pooling_type", SEQUENCE_METHODS), ("tok_pooling_type", TOKEN_METHODS)):
        if settings.get(name) is not None:
            _check_methods(settings[name], methods, "pooling_type" if shorthand is not None else name)
    return settings


def _check_methods(value: Any, methods: tuple[str, ...], field: str) -> None:
    """Refuse wrong names. An unknown one in upper case may be a plugin's, which only loading tells."""
    parts = str(value).split("+") if methods is SEQUENCE_METHODS else [str(value)]
    for part in parts:
        if part in methods:
            continue
        known = ", ".join(methods) + (", joined with '+' to concatenate" if methods is SEQUENCE_METHODS else "")
        if part.upper() in methods:
            text = f"{field}={value!r}: names are written in upper case: {str(value).upper()!r}."
        elif part in TOKEN_METHODS:
            text = f"{field}={value!r}: {part} keeps every token; give it as tok_pooling_type. Known here: {known}."
        elif methods is TOKEN_METHODS or not _METHOD.fullmatch(part):
            text = f"{field}={value!r} is no pooling type. Known: {known}."
        else:
            continue
        raise InvalidRequest(text, param=field)
