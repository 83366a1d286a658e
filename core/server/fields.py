"""Body fields that several dialects share, as pydantic models to inherit from."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from cenote.errors import InvalidRequest
from cenote.server.deprecated import replace_deprecated
from cenote.server.switches import switches_of
from cenote.types import Role, TokenizationOptions

__all__ = ["CommonFields", "TokenizationFields", "parse_role"]

_INT64 = 2**63
_ROLES: dict[str, Role] = {
    "query": "query",
    "search_query": "query",
    "question": "query",
    "document": "document",
    "search_document": "document",
    "passage": "document",
}
_CACHE_SALT = 128


def parse_role(input_type: str | None) -> Role | None:
    """Return what an input is for.

    Raises:
        InvalidRequest: the word is not one of the known ones.
    """
    if input_type is None:
        return None
    role = _ROLES.get(input_type)
    if role is None:
        raise InvalidRequest(f"input_type must be one of {', '.join(_ROLES)}.", param="input_type")
    return role


class CommonFields(BaseModel):
    """Fields of every inference body. Unknown fields are ignored, types are not converted.

    Attributes:
        removed_tasks: values of `task` that are refused; one that the route does not read is ignored otherwise.
    """

    removed_tasks: ClassVar[tuple[str, ...]] = ("score", "encode")

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, protected_namespaces=())

    model: str | None = Field(default=None, description="A served name; none is the first served model.")
    user: str | None = Field(default=None, description="Accepted, unused.")
    request_id: str | None = Field(default=None, description="Base of the answer's id; X-Request-Id wins.")
    priority: int = Field(default=0, ge=-_INT64, lt=_INT64, description="Lower is sooner.")
    mm_processor_kwargs: dict[str, Any] = Field(default_factory=dict, description="Not offered; must be empty.")
    cache_salt: str | None = Field(default=None, description="Accepted for compatibility, unused.")
    input_type: str | None = Field(default=None, description="query or document, or a synonym of one.")
    on_error: Literal["raise", "item"] = Field(
        default="raise", description="item: an input that is wrong or fails has an error, the others their results."
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_removed(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        data = replace_deprecated(data, switches_of(info))
        if data.get("task") in cls.removed_tasks:
            hint = "use token_embed or token_classify" if data["task"] == "encode" else "use embed or classify"
            raise InvalidRequest(f"The task {data['task']!r} was removed; {hint}.", param="task")
        return data

    @field_validator("cache_salt", mode="after")
    @classmethod
    def _check_salt(cls, value: str | None) -> str | None:
        if value is not None and (not 0 < len(value) <= _CACHE_SALT or set(value) & set("@/\\\0")):
            text = f"cache_salt must have 1 to {_CACHE_SALT} characters, none of them @, /, \\ or NUL."
            raise InvalidRequest(text, param="cache_salt")
        return value

    def check_trusted(self) -> None:
        """Refuse settings that only operators make; apart from the schema, whose faults come first (section 9).

        Raises:
            InvalidRequest: the body has one.
        """
        if self.mm_processor_kwargs:
            text = "mm_processor_kwargs is not offered by this server; its operator sets it (--mm-processor-kwargs)."
            raise InvalidRequest(text, param="mm_processor_kwargs")

    def role(self) -> Role | None:
        """Return what the inputs are for.

        Raises:
            InvalidRequest: `input_type` is not one of the known words.
        """
        return parse_role(self.input_type)


class TokenizationFields(CommonFields):
    """Fields of bodies whose text is tokenised."""

    add_special_tokens: bool | None = Field(
        default=None, description="None is true for texts and false for conversations; no effect on token ids."
    )
    truncate_prompt_tokens: int | None = Field(
        default=None, ge=-1, lt=_INT64, description="None never truncates, -1 keeps the model's limit, N keeps N."
    )
    truncation_side: Literal["left", "right"] | None = Field(default=None, description="right keeps the beginning.")
    padding: Literal["do_not_pad", "max_length"] | None = Field(
        default=None, description="max_length appends padding ids, which the model reads as tokens, up to its limit."
    )

    def tokenization(self, max_tokens: int) -> TokenizationOptions:
        """Return how to tokenise.

        Args:
            max_tokens: the model's limit.

        Raises:
            InvalidRequest: more tokens are to be kept than the model accepts.
        """
        keep = self.truncate_prompt_tokens
        if keep is not None and keep > max_tokens:
            text = f"truncate_prompt_tokens is {keep}, but the model accepts at most {max_tokens} tokens."
            raise InvalidRequest(text, param="truncate_prompt_tokens")
        return TokenizationOptions(
            add_special_tokens=self.add_special_tokens,
            truncate_prompt_tokens=keep,
            truncation_side=self.truncation_side,
            pad_to_limit=self.padding == "max_length",
        )
