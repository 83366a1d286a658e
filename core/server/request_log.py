"""`--enable-log-requests`: one line per inference request, and at log level debug what was asked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi import Request

from cenote.server.state import state_of
from cenote.server.text import shorten, show
from cenote.types import Prompt

if TYPE_CHECKING:
    from cenote.outputs import RequestOutput

__all__ = ["log_inference"]

_log = logging.getLogger(__name__)


def log_inference(
    request: Request, labels: tuple[str, str], prompts: Sequence[object], outputs: Sequence[RequestOutput[Any]] | None
) -> None:
    """Write what a request asked of the engine and what became of it, where the operator wants that.

    Args:
        request: the request.
        labels: served name of the model, and the task.
        prompts: what was computed on; its texts are written at level debug only, each cut to `--max-log-len`.
        outputs: its results; None where the request failed, whose error the answer tells.
    """
    config = state_of(request).config
    if not config.enable_log_requests:
        return
    name, tokens = request.state.request_id, sum(len(output.prompt_token_ids) for output in outputs or ())
    end = "failed" if outputs is None else "answered"
    model, task = labels
    _log.info("request %s: model=%s task=%s items=%d tokens=%d %s", name, model, task, len(prompts), tokens, end)
    if _log.isEnabledFor(logging.DEBUG):
        for place, prompt in enumerate(prompts):
            _log.debug("request %s: item %d: %s", name, place, _shown(prompt, config.max_log_len))


def _shown(prompt: object, limit: int) -> str:
    if isinstance(prompt, Prompt):
        text = " | ".join([*_texts(prompt, limit), *(f"[{item.kind}]" for item in prompt.media)])
    else:
        text = prompt[: limit + 1] if isinstance(prompt, str) else show(prompt)
    return shorten(text, limit)


def _texts(prompt: Prompt, limit: int) -> list[str]:
    """Return what a prompt says in words, or in ids; of media only their kinds are told, by the caller."""
    found = [_beginning(text, limit) for text in (prompt.text, prompt.text_pair) if text is not None]
    other = prompt.token_ids or prompt.messages
    return found if found or not other else [show(list(other))]


def _beginning(text: str, limit: int) -> str:
    """Return the beginning of a text; of an address that holds its data, sent where a text belongs, its length."""
    return f"data:... of {len(text)} characters" if text[:5].lower() == "data:" else text[: limit + 1]
