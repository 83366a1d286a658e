"""What the blocking and the awaiting face have in common: options in, a running engine, facts out."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, Literal

from cenote.config import EngineConfig
from cenote.engine.core import Engine
from cenote.engine.loader import LoadedModel, load_model
from cenote.engine.request import RequestOptions
from cenote.engine.stats import EngineStats
from cenote.errors import InvalidRequest
from cenote.outputs import PoolingOutput, PoolingRequestOutput
from cenote.tasks import check_params, default_task, get_task
from cenote.types import ModelLimits, PoolingParams, PreparedInput, Role, TokenizationOptions

__all__ = ["EngineFace", "to_output", "tokenization_options"]

_ROLES = (None, "query", "document")
_TOKENIZATION = ("add_special_tokens", "truncate_prompt_tokens", "truncation_side")


class EngineFace:
    """A loaded model and its engine.

    Attributes:
        model: name of the model, as served and in messages.
        engine: the engine; counters are in `engine.stats()`.
    """

    def __init__(
        self, model: str | None, *, loader: Callable[[EngineConfig], LoadedModel] = load_model, **options: Any
    ) -> None:
        """Load a model and make its engine.

        Args:
            model: local folder or hub id; None is the demonstration model.
            loader: loads the model, in the thread that will run it.
            **options: fields of `EngineConfig`.

        Raises:
            InvalidRequest: an option is unknown or has a wrong value.
            CheckpointError: the checkpoint cannot be loaded.
        """
        self.config = EngineConfig.from_options(model=model, **options)
        self._loaded = loader(self.config)
        self.model = self._loaded.name
        supported = self._loaded.model.pooler.supported_tasks()
        self.default_task = default_task(supported, self.config.pooler_config.task)
        self.engine = Engine(self._loaded.model, self.config, self._loaded.device)
        # Threads keep the engine alive, not this object: when nobody holds it any more, stop them.
        weakref.finalize(self, self.engine.shutdown)

    @property
    def limits(self) -> ModelLimits:
        """Return what the model accepts and gives."""
        return self._loaded.model.limits

    @property
    def supported_tasks(self) -> tuple[str, ...]:
        """Return the tasks that the model can do, sorted."""
        return tuple(sorted(self._loaded.model.pooler.supported_tasks()))

    @property
    def pooling_task(self) -> str:
        """Return the task of a request that names none."""
        return self.default_task

    @property
    def is_healthy(self) -> bool:
        """Tell whether requests are answered."""
        return self.engine.is_healthy

    def report(self) -> dict[str, str]:
        """Say what was resolved at load, and from where."""
        return self._loaded.report()

    def stats(self) -> EngineStats:
        """Return a snapshot of the engine's counters."""
        return self.engine.stats()

    def pause(self) -> None:
        """Form no new batches; requests wait."""
        self.engine.pause()

    def resume(self) -> None:
        """Form batches again."""
        self.engine.resume()

    def request_options(
        self,
        task: str | None,
        params: PoolingParams | None,
        tokenization: TokenizationOptions,
        role: Role | None = None,
        priority: int = 0,
    ) -> RequestOptions:
        """Check what is asked against the model.

        Raises:
            InvalidRequest: the task or a parameter does not fit.
        """
        if role not in _ROLES:
            raise InvalidRequest(f"role must be 'query' or 'document', not {role!r}.", param="role")
        params = params or PoolingParams()
        checked = get_task(task, self.supported_tasks)
        check_params(checked, params, self.limits, self.model)
        return RequestOptions(task=checked.name, params=params, tokenization=tokenization, role=role, priority=priority)


def tokenization_options(given: Mapping[str, Any] | None) -> TokenizationOptions:
    """Read the `tokenization_kwargs` of the offline methods.

    `truncation=True` keeps the model's limit, `max_length` with it keeps that many tokens.

    Raises:
        InvalidRequest: a key is unknown or a value has the wrong type.
    """
    values = dict(given or {})
    truncation, length = values.pop("truncation", None), values.pop("max_length", None)
    if truncation in (True, "longest_first"):
        values.setdefault("truncate_prompt_tokens", -1 if length is None else length)
    elif truncation not in (None, False, "do_not_truncate"):
        raise InvalidRequest(f"truncation={truncation!r} is not offered.", param="truncation")
    elif length is not None:
        raise InvalidRequest("max_length means nothing without truncation=True.", param="max_length")
    for name in values:
        if name not in _TOKENIZATION:
            known = ", ".join((*_TOKENIZATION, "truncation", "max_length"))
            raise InvalidRequest(f"tokenization_kwargs has no {name!r}; known: {known}.", param=name)
    side: Literal["left", "right"] | None = values.get("truncation_side")
    kept = values.get("truncate_prompt_tokens")
    if side not in (None, "left", "right"):
        raise InvalidRequest(f"truncation_side must be 'left' or 'right', not {side!r}.", param="truncation_side")
    if kept is not None and (not isinstance(kept, int) or isinstance(kept, bool) or kept < -1):
        raise InvalidRequest(
            f"truncate_prompt_tokens must be a whole number from -1 up, not {kept!r}.", param="truncate_prompt_tokens"
        )
    return TokenizationOptions(
        add_special_tokens=values.get("add_special_tokens"),
        truncate_prompt_tokens=kept,
        truncation_side=side,
    )


def to_output(request_id: str, prompt: PreparedInput, result: Mapping[str, Any], task: str) -> PoolingRequestOutput:
    """Wrap the result of one prompt."""
    return PoolingRequestOutput(
        request_id=request_id,
        outputs=PoolingOutput(result[task]),
        prompt_token_ids=list(prompt.token_ids),
        truncated_tokens=prompt.truncated_tokens,
    )
