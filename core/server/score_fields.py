"""Body fields that `/score` and `/rerank` share (http-api.md sections 3.6 and 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeAlias

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs import parse_content
from cenote.scoring.texts import score_prompts
from cenote.server.content_schema import WRAPPED
from cenote.server.fields import TokenizationFields
from cenote.types import ChatOptions, PoolingParams, Prompt, TokenizationOptions

__all__ = ["ITEM_SCHEMA", "ScoreMany", "ScoreOne", "ScoringFields", "check_items"]

#: Variables of the template that are the server's business.
_RESERVED = ("chat_template", "tools", "tokenize")
_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
#: An address or base64, as Jina's clients write it; a text may stand beside it.
_IMAGE = {
    "type": "object",
    "properties": {"image": {"type": "string"}, "text": {"type": "string"}},
    "required": ["image"],
}
#: JSON schema of one item: a text, plain or wrapped, and for models that read them also media.
ITEM_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string"}, _TEXT, _IMAGE, WRAPPED]}
_SIDE_SCHEMA = {"anyOf": [*ITEM_SCHEMA["anyOf"], {"type": "array", "items": ITEM_SCHEMA, "minItems": 1}]}


def _parse_side(value: Any, info: ValidationInfo) -> tuple[Prompt, ...]:
    return tuple(score_prompts(value, str(info.field_name)))


def _parse_one(value: Any, info: ValidationInfo) -> Prompt:
    name = str(info.field_name)
    if isinstance(value, list):
        raise WrongType(f"{name} must be one text, not a list.", param=name)
    return parse_content(value, name)


#: A body field that holds one text, or what else is scored.
ScoreOne: TypeAlias = Annotated[Prompt, PlainValidator(_parse_one), WithJsonSchema(ITEM_SCHEMA)]
#: A body field that holds one or several of them.
ScoreMany: TypeAlias = Annotated[tuple[Prompt, ...], PlainValidator(_parse_side), WithJsonSchema(_SIDE_SCHEMA)]


class ScoringFields(TokenizationFields):
    """How pairs of texts are scored."""

    input_type: str | None = Field(
        default=None, description="Checked as elsewhere, without effect: the place of a text says what it is for."
    )
    add_special_tokens: bool | None = Field(default=None, description="No effect: special tokens are always added.")
    max_tokens_per_query: int = Field(default=0, ge=0, description="Cut queries to so many tokens; 0 keeps them whole.")
    max_tokens_per_doc: int = Field(default=0, ge=0, description="Cut documents to so many tokens; 0 keeps them whole.")
    instruction: str | None = Field(default=None, description="What a reranker with a template shall judge by.")
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict, description="Variables of the score template.")
    use_activation: bool | None = Field(
        default=None, description="Apply a cross-encoder's activation; none is the model's default."
    )
    score_type: str | None = Field(
        default=None,
        description="cross-encoder, dense (cosine), sparse or colbert (MaxSim), or a mix such as sparse+dense; none is "
        "the model's own way.",
    )
    weights: list[float] | None = Field(
        default=None,
        description="Of the parts of a mix, in the order dense, sparse, colbert; none is equal ones.",
    )
    use_prompts: bool = Field(
        default=False, description="Put the stored query and document prompts in front, where texts are read alone."
    )
    pool_factor: int | None = Field(
        default=None,
        ge=1,
        description="Merge the vectors of each document's tokens to about one in so many (colbert only).",
    )
    lora: str | None = Field(default=None, description="Run with this low-rank adapter; its name also serves as model.")

    @field_validator("chat_template_kwargs", mode="after")
    @classmethod
    def _check_kwargs(cls, value: dict[str, Any]) -> dict[str, Any]:
        if reserved := [name for name in _RESERVED if name in value]:
            text = f"chat_template_kwargs has {', '.join(reserved)}, which requests cannot set."
            raise InvalidRequest(text, param="chat_template_kwargs")
        if not isinstance(value.get("instruction"), str | None):
            text = "instruction in chat_template_kwargs must be a text."
            raise InvalidRequest(text, param="chat_template_kwargs")
        return value

    def params(self) -> PoolingParams:
        """Return what to compute."""
        return PoolingParams(use_activation=self.use_activation, lora=self.lora, pool_factor=self.pool_factor)

    def pair_tokenization(self, max_tokens: int) -> TokenizationOptions:
        """Return how texts and pairs are tokenised.

        Args:
            max_tokens: the model's limit.

        Raises:
            InvalidRequest: a limit is beyond the model's.
        """
        return replace(
            self.tokenization(max_tokens),
            add_special_tokens=None,
            max_tokens_per_query=self.max_tokens_per_query or None,
            max_tokens_per_doc=self.max_tokens_per_doc or None,
            chat=self._chat(),
        )

    def _chat(self) -> ChatOptions | None:
        # The variable wins over the field (http-api.md section 3.6).
        instruction = self.chat_template_kwargs.get("instruction") or self.instruction
        if not instruction and not self.chat_template_kwargs:
            return None
        return ChatOptions(kwargs=self.chat_template_kwargs, instruction=instruction)


def check_items(items: Sequence[Any], most: int, name: str) -> None:
    """Refuse more texts than the operator allows in one request.

    Args:
        items: of one side.
        most: how many are allowed.
        name: of the body's field.

    Raises:
        InvalidRequest: as said.
    """
    if len(items) > most:
        raise InvalidRequest(f"{name} has {len(items)} elements; at most {most} are allowed.", param=name)
