"""What a caller asks of a prompt, checked when it is said. Imports no torch."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any

from cenote.errors import InvalidRequest, WrongType

__all__ = ["PoolingParams"]

_LIMITS = ("max_tokens_per_query", "max_tokens_per_doc")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingParams:
    """What to compute from a prompt.

    Attributes:
        task: the task; set by the methods of `LLM`, and checked when a caller sets it too.
        dimensions: keep the first so many components (matryoshka models only), then normalise again.
        use_activation: L2-normalise vectors, or apply the classifier's activation; None is the model's own default.
        step_tag_id: keep the rows of this token only (STEP pooling only).
        returned_token_ids: keep these columns only (STEP pooling only).
        prompt_name: put the model's stored prompt of this name in front of the text.
        prompt: put this text in front; excludes `prompt_name`.
        lora: name of the low-rank adapter that the model runs with; None is the base model.
        pool_factor: merge the vectors of a document's tokens to about one in so many (late interaction); None or 1
            keeps all, and queries always keep all.
        extra_kwargs: `max_tokens_per_query`, `max_tokens_per_doc` and `chat_template_kwargs` of scoring.
        normalize: older name of `use_activation`; accepted with a warning, as are `softmax` and `activation`.

    Raises:
        WrongType: a value has another type.
        InvalidRequest: an older name contradicts `use_activation`, or `extra_kwargs` has an unknown key.
    """

    task: str | None = None
    dimensions: int | None = None
    use_activation: bool | None = None
    step_tag_id: int | None = None
    returned_token_ids: tuple[int, ...] | None = None
    prompt_name: str | None = None
    prompt: str | None = None
    lora: str | None = None
    pool_factor: int | None = None
    extra_kwargs: Mapping[str, Any] | None = field(default=None, hash=False)
    normalize: InitVar[bool | None] = None
    softmax: InitVar[bool | None] = None
    activation: InitVar[bool | None] = None

    def __post_init__(self, normalize: bool | None, softmax: bool | None, activation: bool | None) -> None:
        for name, value in (("normalize", normalize), ("softmax", softmax), ("activation", activation)):
            if value is not None:
                self._take_older(name, value)
        for name in ("task", "prompt_name", "prompt", "lora"):
            self._check(name, str, "a string")
        for name in ("dimensions", "step_tag_id", "pool_factor"):
            self._check(name, int, "a whole number")
        if self.pool_factor is not None and self.pool_factor < 1:
            raise InvalidRequest(f"pool_factor must be at least 1, not {self.pool_factor}.", param="pool_factor")
        self._check("use_activation", bool, "true or false")
        if self.returned_token_ids is not None:
            object.__setattr__(self, "returned_token_ids", _columns(self.returned_token_ids))
        if self.extra_kwargs is not None:
            _check_extra(self.extra_kwargs)

    def _take_older(self, name: str, value: Any) -> None:
        if self.use_activation is not None and self.use_activation != value:
            text = f"{name}={value!r} contradicts use_activation={self.use_activation!r}; {name} is its older name."
            raise InvalidRequest(text, param=name)
        text = f"PoolingParams({name}=...) is the older name of use_activation, which is set to {value}."
        warnings.warn(text, DeprecationWarning, stacklevel=4)
        object.__setattr__(self, "use_activation", value)

    def _check(self, name: str, kind: type, what: str) -> None:
        value = getattr(self, name)
        if value is not None and type(value) is not kind:
            raise WrongType(f"{name} must be {what}, not {value!r:.80} ({type(value).__name__}).", param=name)

    def clone(self) -> PoolingParams:
        """Return a copy that shares nothing that can be changed."""
        return copy.deepcopy(self)


def _columns(value: Any) -> tuple[Any, ...]:
    columns = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else ("",)
    if any(type(item) is not int for item in columns):
        text = f"returned_token_ids must be a list of whole numbers, not {value!r:.80}."
        raise WrongType(text, param="returned_token_ids")
    return columns


def _check_extra(extra: Any) -> None:
    if not isinstance(extra, Mapping):
        raise WrongType(f"extra_kwargs must be a mapping, not {type(extra).__name__}.", param="extra_kwargs")
    for name, value in extra.items():
        if name in _LIMITS:
            if type(value) is not int or value < 0:
                raise WrongType(f"{name} must be a whole number from 0 up, not {value!r:.80}.", param=name)
        elif name == "chat_template_kwargs":
            if not isinstance(value, Mapping):
                raise WrongType(f"chat_template_kwargs must be a mapping, not {type(value).__name__}.", param=name)
        else:
            known = ", ".join((*_LIMITS, "chat_template_kwargs"))
            raise InvalidRequest(f"extra_kwargs has no {name!r}; known: {known}.", param="extra_kwargs")
