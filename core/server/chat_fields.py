"""Body fields of a conversation in place of `input`."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

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
from cenote.inputs.messages import parse_messages
from cenote.server.fields import CommonFields
from cenote.server.switches import switches_of
from cenote.types import ChatOptions, Prompt

__all__ = ["ChatFields"]


def _parse(value: object) -> Prompt:
    return Prompt(messages=parse_messages(value))


_MESSAGE = {"type": "object", "properties": {"role": {"type": "string"}, "content": {}}, "required": ["role"]}
#: A body field that holds one conversation.
Conversation: TypeAlias = Annotated[
    Prompt, PlainValidator(_parse), WithJsonSchema({"type": "array", "items": _MESSAGE, "minItems": 1})
]


class ChatFields(CommonFields):
    """A conversation, and how the model's chat template turns it into text (http-api.md section 3.3)."""

    messages: Conversation | None = Field(default=None, description="One conversation, in place of input.")
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

    @field_validator("media_io_kwargs", mode="after")
    @classmethod
    def _refuse_media_arguments(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value:
            raise InvalidRequest("media_io_kwargs is not offered by this server.", param="media_io_kwargs")
        return value

    @model_validator(mode="after")
    def _check_ends(self, info: ValidationInfo) -> ChatFields:
        self._trusted = switches_of(info).trust_chat_template
        if self.add_generation_prompt and self.continue_final_message:
            text = "add_generation_prompt and continue_final_message exclude each other; set one of them."
            raise InvalidRequest(text, param="add_generation_prompt")
        if self.chat_template is not None and self.chat_template_kwargs.get("chat_template") is not None:
            text = "chat_template is given twice, by itself and in chat_template_kwargs; send one of them."
            raise InvalidRequest(text, param="chat_template")
        return self

    def chat(self) -> ChatOptions | None:
        """Return how to turn the conversation into text, or None where there is none.

        Raises:
            InvalidRequest: the body brings a template, and the operator does not trust those of requests.
        """
        inner = self.chat_template_kwargs.get("chat_template")
        template = inner if self.chat_template is None else self.chat_template
        if template is not None and not self._trusted:
            # Checked here and not with the schema: the contract names an unknown model first.
            text = "This server takes no chat_template from requests (--trust-request-chat-template is not set)."
            raise InvalidRequest(text, param="chat_template_kwargs" if self.chat_template is None else "chat_template")
        if self.messages is None:
            return None
        variables = {name: value for name, value in self.chat_template_kwargs.items() if name != "chat_template"}
        return ChatOptions(
            template=template,
            kwargs=variables,
            add_generation_prompt=self.add_generation_prompt,
            continue_final_message=self.continue_final_message,
        )
