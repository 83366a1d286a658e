"""Conversations to text, through transformers' own rendering of chat templates.

Transformers compiles a template once (it keeps the last 128) and fills it in Jinja's immutable sandbox: a template
reaches no Python object but plain copies of what it is given, no file, and no range of more than 100,000. The sandbox
does not bound time and memory: loops within loops, or a text doubled again and again, can exhaust both. Templates
therefore come from checkpoints, operators and callers in Python, and from clients over HTTP only where the operator
says so (`--trust-request-chat-template`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cenote.errors import InvalidRequest
from cenote.inputs.messages import join_parts, readable_messages, split_content
from cenote.inputs.text import check_unicode
from cenote.types import ChatOptions, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["ChatRenderer"]

#: Parameters of transformers' rendering itself, which a request's template variables must not replace.
_RESERVED = frozenset(
    {
        *("add_generation_prompt", "chat_template", "continue_final_message", "conversation", "conversations"),
        *("max_length", "messages", "padding", "return_assistant_tokens_mask", "return_dict", "return_tensors"),
        *("sanitize_control_tokens", "self", "tokenize", "tokenizer_kwargs", "truncation"),
    }
)
_PROBE = "Zq7probe"
#: Characters that a template may make of each it is given, and beside that.
_GROWTH, _SLACK = 64, 1_000_000
#: Longest part of a template's own error message that is passed on.
_REASON = 300


class ChatRenderer:
    """Fills the chat template of one model, or one that a request brings; may be used from many threads."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, placeholders: Mapping[str, str] | None = None) -> None:
        """Prepare.

        Args:
            tokenizer: of the model, with its template.
            placeholders: kinds of media that messages may hold, and what stands for one in a text, for templates that
                read no parts; None is text only.
        """
        self._tokenizer = tokenizer
        self._placeholders = placeholders or {}
        self._reads = lru_cache(maxsize=256)(self._probe)

    def render(self, messages: Sequence[Message], options: ChatOptions, *, own: str | None = None) -> str:
        """Return the text of a conversation.

        Parts of a message are joined with newlines, media in front, unless the template itself walks over parts.

        Args:
            messages: the conversation.
            options: a template in place of the model's, and what to fill it with.
            own: the model's template, in place of the tokenizer's.

        Raises:
            InvalidRequest: no template, a template that fails, refuses the conversation or makes far too much of it,
                contradicting options, or a part that the model does not read.
        """
        if options.continue_final_message and options.add_generation_prompt:
            raise InvalidRequest(
                "add_generation_prompt and continue_final_message exclude each other: the first opens a new turn, the "
                "second leaves the last one open. Set one of them.",
                param="continue_final_message",
            )
        reserved = sorted(_RESERVED & options.kwargs.keys())
        if reserved:
            raise InvalidRequest(
                f"chat_template_kwargs must not hold {', '.join(map(repr, reserved))}; use the request fields.",
                param="chat_template_kwargs",
            )
        template = self._template(options.template, own)
        given = readable_messages(messages, tuple(self._placeholders))
        roles = tuple(str(message["role"]) for message in given)
        if any(isinstance(message["content"], list) for message in given) and not self._reads(template, roles, True):
            given = [join_parts(message, self._placeholders) for message in given]
        elif not self._reads(template, roles, False) and self._reads(template, roles, True):
            given = [split_content(message) for message in given]
        text = self._fill(template, given, options)
        _check_length(len(text), len(str(given)) + len(str(options.kwargs)))
        check_unicode(text)
        return text

    def _template(self, asked: str | None, given: str | None) -> str:
        """Return the template asked for, by text or name, else the model's default."""
        own = self._tokenizer.chat_template if given is None else given
        named: Mapping[str, str] = own if isinstance(own, dict) else {}
        if asked is not None:
            if asked in named:
                return named[asked]
            return asked
        if isinstance(own, str):
            return own
        if "default" in named:
            return named["default"]
        found = f"templates named {', '.join(map(repr, sorted(named)))} and no default" if named else "no chat template"
        raise InvalidRequest(
            f"This model has {found}, so that it cannot read messages. Give a template with --chat-template, or send "
            "text.",
            param="messages",
        )

    def _fill(self, template: str, messages: Sequence[Mapping[str, Any]], options: ChatOptions) -> str:
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    [dict(message) for message in messages],
                    chat_template=template,
                    tokenize=False,
                    add_generation_prompt=bool(options.add_generation_prompt),
                    continue_final_message=options.continue_final_message,
                    **options.kwargs,
                )
            )
        except Exception as exc:  # a template may raise anything
            raise InvalidRequest(
                f"The chat template cannot be filled with these messages: {_reason(exc)}"
            ) from exc  # no param: the contract (section 9) blames no field for what a template raises

    def _probe(self, template: str, roles: tuple[str, ...], parts: bool) -> bool:
        """Tell by trying whether a template writes down the text of content parts, or of plain content."""
        content = [{"type": "text", "text": _PROBE}] if parts else _PROBE
        try:
            text = self._fill(template, [{"role": role, "content": content} for role in roles], ChatOptions())
        except InvalidRequest:
            return False
        return _PROBE in text and "'type'" not in text  # a list that is written down as it is


def _check_length(made: int, given: int) -> None:
    if made > _GROWTH * given + _SLACK:
        raise InvalidRequest(
            f"The chat template made {made} characters of {given}; it repeats what it is given. Use another one.",
            param="messages",
        )


def _reason(exc: Exception) -> str:
    text = str(exc) or type(exc).__name__
    return text if len(text) <= _REASON else text[:_REASON] + "..."
