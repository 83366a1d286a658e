"""Bodies and answers of the native `/tokenize` and `/detokenize` (http-api.md section 8.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from cenote.errors import InvalidRequest
from cenote.server.chat_fields import ChatFields
from cenote.server.fields import CommonFields
from cenote.server.tokenize_run import check_characters
from cenote.types import ChatOptions, Prompt, TokenizationOptions

__all__ = [
    "DetokenizeRequest",
    "DetokenizeResponse",
    "TokenId",
    "TokenizeChatRequest",
    "TokenizeResponse",
    "TokenizeTextRequest",
]

#: An id, of whichever vocabulary.
TokenId: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]


class TokenizeTextRequest(CommonFields):
    """Body of `/tokenize` with a text."""

    prompt: str = Field(description="The text.")
    add_special_tokens: bool = Field(default=True, description="Put the tokenizer's special tokens around it.")
    return_token_strs: bool = Field(default=False, description="Also return how the tokens are written.")
    prompt_name: str | None = Field(default=None, description="Put the model's stored prompt of this name in front.")

    def prompts(self) -> Sequence[Prompt]:
        """Return what to tokenise.

        Raises:
            InvalidRequest: it is too long for one request.
        """
        check_characters([self.prompt], "prompt")
        return [Prompt(text=self.prompt)]

    def options(self) -> TokenizationOptions:
        """Return how to tokenise."""
        return TokenizationOptions(add_special_tokens=self.add_special_tokens)


class TokenizeChatRequest(ChatFields):
    """Body of `/tokenize` with a conversation."""

    add_special_tokens: bool | None = Field(
        default=None, description="None is false where a template is filled, and otherwise what other routes do."
    )
    return_token_strs: bool = Field(default=False, description="Also return how the tokens are written.")
    tools: list[dict[str, Any]] | None = Field(default=None, description="Tools that the template may describe.")

    @model_validator(mode="before")
    @classmethod
    def _open_the_answer(cls, data: Any) -> Any:
        """Unlike the other routes, this one ends with the opening of the assistant's turn unless told otherwise."""
        if isinstance(data, dict) and "add_generation_prompt" not in data:
            return {**data, "add_generation_prompt": not data.get("continue_final_message", False)}
        return data

    @property
    def prompt_name(self) -> None:
        """Return None: conversations have no stored prompts."""

    def prompts(self) -> Sequence[Prompt]:
        """Return what to tokenise.

        Raises:
            InvalidRequest: it is too long for one request, or there is none.
        """
        if self.messages is None:
            raise InvalidRequest("The body has neither prompt nor messages; send one of them.", param="prompt")
        check_characters([str(self.messages.messages)], "messages")
        return [self.messages]

    def options(self) -> TokenizationOptions:
        """Return how to tokenise."""
        chat = self.chat() or ChatOptions()
        if self.tools is not None:
            chat = replace(chat, kwargs={**chat.kwargs, "tools": self.tools})
        return TokenizationOptions(add_special_tokens=self.add_special_tokens, chat=chat)


class TokenizeResponse(TypedDict):
    """Answer of `/tokenize`; `offsets` are places in the text, null for tokens that stand for none of it."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None
    offsets: list[tuple[int, int] | None] | None


class DetokenizeRequest(CommonFields):
    """Body of `/detokenize`."""

    tokens: list[TokenId] = Field(description="Token ids.")


class DetokenizeResponse(TypedDict):
    """Answer of `/detokenize`."""

    prompt: str
