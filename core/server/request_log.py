"""`--enable-log-requests`: one line per inference request, and with log level debug what was asked."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fastapi import Request

from cenote.server.state import state_of
from cenote.server.text import shorten, show

__all__ = ["log_inference"]

_log = logging.getLogger(__name__)


def log_inference(
    request: Request, *, model: str, task: str, prompts: Sequence[object], tokens: int, outcome: str
) -> None:
    """Write what a request asked of the engine and what became of it, where the operator wants that.

    Args:
        request: the request.
        model: served name of the model.
        task: what was computed.
        prompts: what was computed on; texts are written at level debug only, and cut to `--max-log-len`.
        tokens: tokens of all prompts; 0 where the request did not get so far.
        outcome: stop, error or abort, as in the metrics.
    """
    config = state_of(request).config
    if not config.enable_log_requests:
        return
    name = request.state.request_id
    text = "request %s: model=%s task=%s items=%d tokens=%d outcome=%s"
    _log.info(text, name, shorten(model), task, len(prompts), tokens, outcome)
    if _log.isEnabledFor(logging.DEBUG):
        for place, prompt in enumerate(prompts):
            shown = prompt[: config.max_log_len + 1] if isinstance(prompt, str) else show(prompt)
            _log.debug("request %s: item %d: %s", name, place, shorten(shown, config.max_log_len))
