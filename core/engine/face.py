"""What the blocking and the awaiting face have in common: options in, a running engine, facts out."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from cenote.config import EngineConfig, Fact
from cenote.engine.core import Engine
from cenote.engine.finishing import by_task, places
from cenote.engine.loader import LoadedModel, load_model
from cenote.engine.loras import LoraFace
from cenote.engine.plugin_options import configured
from cenote.engine.processors import ProcessorFace, find_named
from cenote.engine.request import RequestOptions
from cenote.engine.stats import EngineStats
from cenote.engine.vocabulary import token_texts, tokenizer_of
from cenote.errors import CenoteError, InvalidRequest, MediaFetchError
from cenote.hooks.caller import HookCaller
from cenote.media import MediaCache
from cenote.outputs import PoolingOutput, PoolingRequestOutput, RequestError
from cenote.outputs.results import OneResult
from cenote.tasks import check_params, default_task, get_task
from cenote.types import ModelLimits, PoolingParams, PreparedInput, Role, TokenizationOptions

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EngineFace", "to_output"]

_ROLES = (None, "query", "document")


class EngineFace(LoraFace, ProcessorFace):
    """A loaded model and its engine.

    Attributes:
        model: name of the model, as served and in messages.
        engine: the engine; counters are in `engine.stats()`.
        hooks: who hears of what happens here.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None,
        *,
        loader: Callable[[EngineConfig], LoadedModel] = load_model,
        **options: Any,
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
        options["model"] = os.fspath(model) if isinstance(model, os.PathLike) else model
        self.hooks = HookCaller.load()
        self.config, self._option_sources = configured(self.hooks, options)
        begin = time.perf_counter()
        find_named(self.config)
        self._loaded = loader(self.config)
        self.model = self._loaded.name
        supported = self._loaded.model.pooler.supported_tasks()
        adapter = self._loaded.adapter
        names = (adapter.architecture,) if adapter else ()  # a loader of one's own may have none
        self.default_task = default_task(supported, self.config.pooler_config.task, architectures=names)
        self.engine = Engine(
            self._loaded.model,
            self.config,
            self._loaded.device,
            name=self.model,
            hooks=self.hooks,
            blame=self._loaded.blame,
        )
        self._note_lora_modules()
        # Threads keep the engine alive, not this object: when nobody holds it any more, stop them.
        # None may wait for the batch under way: they may be dropped in an event loop.
        weakref.finalize(self, self.engine.abandon)
        self._processors = self._load_processors(self.supported_tasks, self.labels, self.limits)
        self.hooks.tell("cenote_model_loaded", self._loaded.event(time.perf_counter() - begin))

    @classmethod
    def from_engine_args(cls, args: EngineConfig) -> Self:
        """Load what a set of options names.

        Raises:
            CheckpointError: the checkpoint cannot be loaded.
        """
        return cls(**{name: getattr(args, name) for name in args.model_fields_set})

    def get_tokenizer(self) -> Any:
        """Return transformers' tokenizer of the model.

        Raises:
            UnsupportedTask: the model's adapter has none.
        """
        return tokenizer_of(self._loaded.model)

    def token_texts(self, ids: Sequence[int]) -> list[str]:
        """Return the texts of token ids in the vocabulary; an empty list where the adapter has no tokenizer.

        An id beyond the tokenizer's vocabulary, as the padded output of a language model has, is an empty text.
        """
        return token_texts(self._loaded.model, ids)

    @property
    def model_config(self) -> dict[str, Any]:
        """Return the model's `config.json` as it was read, with the user's overrides and any repair applied."""
        return dict(self._loaded.settings)

    @property
    def media_cache(self) -> MediaCache | None:
        """Return what keeps media that the model has prepared already, or None where it keeps none."""
        cache = getattr(self._loaded.model, "media_cache", None)
        return cache if isinstance(cache, MediaCache) else None

    def reset_mm_cache(self) -> None:
        """Forget the media that the model has prepared."""
        if self.media_cache is not None:
            self.media_cache.clear()

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
    def labels(self) -> tuple[str, ...]:
        """Return the names of the values that `classify` and `token_classify` give, in their order."""
        named = tuple(getattr(self._loaded.model, "labels", ()))
        return named or tuple(f"LABEL_{number}" for number in range(self.limits.num_labels))

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Return the names of the prompts that are stored with the model."""
        return tuple(getattr(self._loaded.model, "prompt_names", ()))

    @property
    def plugin(self) -> str:
        """Return the name of the distribution that the model's adapter comes from."""
        adapter = self._loaded.adapter
        return adapter.distribution if adapter else ""

    @property
    def runner_type(self) -> str:
        """Return `pooling`: cenote runs nothing else."""
        return "pooling"

    @property
    def is_healthy(self) -> bool:
        """Tell whether requests are answered."""
        return self.engine.is_healthy

    def report(self) -> dict[str, str]:
        """Say what was resolved at load, and from where."""
        given = {f"option {name}": Fact(getattr(self.config, name), by) for name, by in self._option_sources.items()}
        processors = {"io_processors": ", ".join(self.io_processors)} if self.io_processors else {}
        return {**self._loaded.report(), **processors, **given}

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
        *,
        also: Sequence[str] = (),
    ) -> RequestOptions:
        """Check what is asked against the model; `also` are further tasks that the same pass answers.

        Raises:
            InvalidRequest: the task or a parameter does not fit.
        """
        if role not in _ROLES:
            raise InvalidRequest(f"role must be 'query' or 'document', not {role!r}.", param="role")
        params = params or PoolingParams()
        checked = get_task(task, self.supported_tasks)
        others = [get_task(name, self.supported_tasks) for name in dict.fromkeys(also) if name != checked.name]
        check_params(checked, params, self.limits, self.model, also=others)
        if (refuse := getattr(self._loaded.model, "check_tasks", None)) is not None:
            refuse([checked.name, *(other.name for other in others)], role)
        if params.lora is not None and params.lora not in self.lora_names:
            raise self._unknown_lora(params.lora)
        return RequestOptions(
            task=checked.name,
            also=tuple(other.name for other in others),
            params=params,
            tokenization=tokenization,
            role=role,
            priority=priority,
        )


def to_output(
    request_id: str,
    prompt: PreparedInput | None,
    result: Mapping[str, Tensor] | Exception,
    task: str,
    listed: Callable[[Sequence[int]], list[int]] = list,
) -> PoolingRequestOutput:
    """Wrap the result of one prompt.

    Args:
        request_id: of the result.
        prompt: what was read; None where it could not be tokenised.
        result: by task, or why there is none.
        task: the task that was asked for.
        listed: makes the list of its token ids.
    """
    import torch

    if isinstance(result, Exception):
        outputs, error = PoolingOutput(torch.empty(0)), _error(result)
    else:
        found = places(result, () if prompt is None else prompt.grids)
        named, data = by_task(result), _ordinary(result[task])
        others = {name: data if name == task else _ordinary(value) for name, value in named.items()}
        outputs = PoolingOutput(data, OneResult(task, data) if len(named) == 1 else others, found)
        error = None
    return PoolingRequestOutput(
        request_id=request_id,
        outputs=outputs,
        prompt_token_ids=[] if prompt is None else listed(prompt.token_ids),
        truncated_tokens=0 if prompt is None else prompt.truncated_tokens,
        error=error,
    )


def _ordinary(computed: Tensor) -> Tensor:
    """Return numbers that autograd takes, which it does not of tensors that were computed in inference mode."""
    return computed.clone() if computed.is_inference() else computed


def _error(failure: Exception) -> RequestError:
    if isinstance(failure, InvalidRequest):
        code = 422 if isinstance(failure, MediaFetchError) else 400
        return RequestError(code=code, message=str(failure), param=failure.param, kind=type(failure))
    if isinstance(failure, CenoteError):
        param = getattr(failure, "param", None)
        return RequestError(code=500, message=str(failure), param=param, kind=type(failure))
    # Texts of foreign exceptions may hold paths and addresses; the log has them.
    return RequestError(code=500, message=f"The model failed ({type(failure).__name__}).")
