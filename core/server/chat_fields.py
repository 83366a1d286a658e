"""Body fields of a conversation in place of `input`."""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeAlias

from pydantic import (
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from cenote.errors import InvalidRequest
from cenote.inputs.messages import parse_conversation
from cenote.server.content_schema import CONVERSATION
from cenote.server.fields import CommonFields
from cenote.server.switches import switches_of
from cenote.types import ChatOptions, Prompt

__all__ = ["ChatFields", "ChatOptionFields", "Conversations", "parse_conversations"]


def _parse(value: object) -> Prompt:
    return parse_conversation(value)


def parse_conversations(value: object) -> tuple[Prompt, ...]:
    """Parse one conversation, or a list of them; the first element says which.

    Raises:
        InvalidRequest: it is neither.
    """
    if isinstance(value, list) and value and isinstance(value[0], list):
        return tuple(map(_parse, value))
    return (_parse(value),)


#: A body field that holds one conversation.
Conversation: TypeAlias = Annotated[Prompt, PlainValidator(_parse), WithJsonSchema(CONVERSATION)]
#: A body field that holds one conversation or several.
Conversations: TypeAlias = Annotated[
    tuple[Prompt, ...],
    PlainValidator(parse_conversations),
    WithJsonSchema({"anyOf": [CONVERSATION, {"type": "array", "items": CONVERSATION, "minItems": 1}]}),
]


class ChatOptionFields(CommonFields):
    """How the model's chat template turns conversations into text (http-api.md section 3.3)."""

    add_generation_prompt: bool = Field(default=False, description="End with the opening of the assistant's turn.")
    continue_final_message: bool = Field(default=False, description="Leave the last message open.")
    chat_template: str | None = Field(
        default=None,
        description="Jinja text in place of the model's template, where the server trusts requests so far.",
    )
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict, description="Variables of the template.")
    media_io_kwargs: dict[str, Any] = Field(default_factory=dict, description="Not offered; must be empty.")
    _trusted: bool = PrivateAttr(default=False)

    @field_validator("chat_template_kwargs", mode="after")
    @classmethod
    def _check_kwargs(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(value.get("chat_template"), str | None):
            raise InvalidRequest("chat_template must be a string.", param="chat_template_kwargs")
        return value

    @model_validator(mode="after")
    def _check_ends(self, info: ValidationInfo) -> Self:
        self._trusted = switches_of(info).trust_chat_template
        if self.add_generation_prompt and self.continue_final_message:
            text = "add_generation_prompt and continue_final_message exclude each other; set one of them."
            raise InvalidRequest(text, param="add_generation_prompt")
        if self.chat_template is not None and self.chat_template_kwargs.get("chat_template") is not None:
            text = "chat_template is given twice, by itself and in chat_template_kwargs; send one of them."
            raise InvalidRequest(text, param="chat_template")
        return self

    def check_trusted(self) -> None:
        """Refuse settings that only operators make.

        Raises:
            InvalidRequest: the body has one.
        """
        super().check_trusted()
        if self.media_io_kwargs:
            raise InvalidRequest("media_io_kwargs is not offered by this server.", param="media_io_kwargs")

    def chat_options(self, *, is_chat: bool) -> ChatOptions | None:
        """Return how to turn conversations into text, or None where there are none.

        Raises:
            InvalidRequest: the body brings a template, and the operator does not trust those of requests.
        """
        inner = self.chat_template_kwargs.get("chat_template")
        template = inner if self.chat_template is None else self.chat_template
        if template is not None and not self._trusted:
            # Checked here and not with the schema: the contract names an unknown model first.
            text = "This server takes no chat_template from requests (--trust-request-chat-template is not set)."
            raise InvalidRequest(text, param="chat_template_kwargs" if self.chat_template is None else "chat_template")
        if not is_chat:
            return None
        variables = {name: value for name, value in self.chat_template_kwargs.items() if name != "chat_template"}
        return ChatOptions(
            template=template,
            kwargs=variables,
            add_generation_prompt=self.add_generation_prompt,
            continue_final_message=self.continue_final_message,
        )


class ChatFields(ChatOptionFields):
    """A conversation, and how the model's chat template turns it into text."""

    messages: Conversation | None = Field(default=None, description="One conversation, in place of input.")

    def chat(self) -> ChatOptions | None:
        """Return how to turn the conversation into text, or None where there is none.

        Raises:
            InvalidRequest: the body brings a template, and the operator does not trust those of requests.
        """
        return self.chat_options(is_chat=self.messages is not None)
