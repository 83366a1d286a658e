"""What the blocking and the awaiting face have in common: options in, a running engine, facts out."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cenote.config import EngineConfig
from cenote.engine.core import Engine
from cenote.engine.loader import LoadedModel, load_model
from cenote.engine.request import RequestOptions
from cenote.engine.stats import EngineStats
from cenote.errors import CenoteError, InvalidRequest, ModelNotFound, UnsupportedTask, WrongType
from cenote.lora import LoRARequest
from cenote.outputs import PoolingOutput, PoolingRequestOutput, RequestError
from cenote.tasks import check_params, default_task, get_task
from cenote.types import ModelLimits, PoolingParams, PreparedInput, Role, TokenizationOptions

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EngineFace", "to_output"]

_ROLES = (None, "query", "document")


class EngineFace:
    """A loaded model and its engine.

    Attributes:
        model: name of the model, as served and in messages.
        engine: the engine; counters are in `engine.stats()`.
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
        self.config = EngineConfig.from_options(
            model=os.fspath(model) if isinstance(model, os.PathLike) else model, **options
        )
        self._loaded = loader(self.config)
        self.model = self._loaded.name
        supported = self._loaded.model.pooler.supported_tasks()
        adapter = self._loaded.adapter
        names = (adapter.architecture,) if adapter else ()  # a loader of one's own may have none
        self.default_task = default_task(supported, self.config.pooler_config.task, architectures=names)
        self.engine = Engine(self._loaded.model, self.config, self._loaded.device)
        pairs = (item.partition("=") for item in self.config.lora_modules)
        self._lora_folders = {name: Path(folder).resolve() for name, _, folder in pairs}
        self._loading = threading.Lock()
        # Threads keep the engine alive, not this object: when nobody holds it any more, stop them.
        weakref.finalize(self, self.engine.shutdown)

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
        tokenizer = getattr(self._loaded.model, "tokenizer", None)
        if tokenizer is None:
            raise UnsupportedTask("This model has no tokenizer of transformers.")
        return tokenizer

    def token_texts(self, ids: Sequence[int]) -> list[str]:
        """Return the texts of token ids in the vocabulary; an empty list where the adapter has no tokenizer.

        An id beyond the tokenizer's vocabulary, as the padded output of a language model has, is an empty text.
        """
        tokenizer = getattr(self._loaded.model, "tokenizer", None)
        if tokenizer is None:
            return []
        return [text or "" for text in tokenizer.convert_ids_to_tokens(list(ids))]

    @property
    def model_config(self) -> dict[str, Any]:
        """Return the model's `config.json` as it was read, with the user's overrides and any repair applied."""
        return dict(self._loaded.settings)

    def reset_mm_cache(self) -> None:
        """Do nothing: no inputs of other kinds than text are kept."""

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
    def lora_names(self) -> tuple[str, ...]:
        """Return the names of the low-rank adapters that are loaded."""
        store = getattr(self._loaded.model, "loras", None)
        return () if store is None else tuple(store.names())

    def load_lora(self, name: str, folder: str, *, replace: bool = False) -> None:
        """Load a low-rank adapter in peft's format, between two batches.

        Args:
            name: under which calls ask for it.
            folder: with its files.
            replace: put it in the place of one of the same name; where it cannot be loaded, that one stays.

        Raises:
            InvalidRequest: the model takes none, was loaded without `enable_lora`, or the name is taken.
            CheckpointError: the files do not fit the model.
        """
        if replace and name in self.lora_names:
            self._check_loaded_from_folder(name)
        store = getattr(self._loaded.model, "loras", None)
        if store is None:
            raise InvalidRequest("This model's adapter takes no low-rank adapters.", param="lora_request")
        if not self.config.enable_lora and not self.config.lora_modules:
            text = "Adapters are loaded on request only where that is allowed: enable_lora=True (--enable-lora)."
            raise InvalidRequest(text, param="lora_request")
        with self.engine.exclusive():
            store.load(name, folder, replace=replace)
        self._lora_folders[name] = Path(folder).resolve()

    def unload_lora(self, name: str) -> None:
        """Drop a low-rank adapter, between two batches; requests that wait for it fail with `ModelNotFound`.

        Raises:
            ModelNotFound: there is none of this name.
            InvalidRequest: it is a part of the model.
        """
        if name not in self.lora_names:
            raise self._unknown_lora(name)
        self._check_loaded_from_folder(name)
        with self.engine.exclusive():
            self._loaded.model.loras.unload(name)  # type: ignore[attr-defined]
        self._lora_folders.pop(name, None)

    def _check_loaded_from_folder(self, name: str) -> None:
        if name not in self._lora_folders:
            text = f"The low-rank adapter {name!r} is a part of the model; it cannot be changed."
            raise InvalidRequest(text, param="lora_name")

    def lora_name(self, request: LoRARequest | None, name: str | None = None) -> str | None:
        """Return the name of the adapter that a call asks for, loaded on first use where it gives a folder.

        Args:
            request: an adapter, and where it is.
            name: an adapter that is loaded.

        Raises:
            InvalidRequest: two adapters are named, or one of this name is loaded from another folder.
            CheckpointError: the files do not fit the model.
        """
        if name is not None and not isinstance(name, str):
            raise WrongType(f"lora must be the name of an adapter, not {name!r:.80}.", param="lora")
        if request is None:
            return name
        if not isinstance(request, LoRARequest):
            text = f"lora_request must be a LoRARequest or None, not {type(request).__name__}."
            raise WrongType(text, param="lora_request")
        if name not in (None, request.lora_name):
            text = f"Two low-rank adapters are named for one prompt: {name!r} and {request.lora_name!r}."
            raise InvalidRequest(text, param="lora")
        if request.lora_path:
            self._load_on_request(request.lora_name, request.lora_path)
        return request.lora_name

    def _load_on_request(self, name: str, folder: str) -> None:
        with self._loading:
            if name not in self.lora_names:
                self.load_lora(name, folder)
            elif self._lora_folders.get(name) != Path(folder).resolve():
                text = f"A low-rank adapter {name!r} is loaded from another place. Give this one another name."
                raise InvalidRequest(text, param="lora_request")

    def _unknown_lora(self, name: str) -> ModelNotFound:
        known = ", ".join(self.lora_names) or "none"
        return ModelNotFound(f"There is no low-rank adapter {name!r}. Loaded: {known}.")

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
        others = [get_task(name, self.supported_tasks) for name in also]
        check_params(checked, params, self.limits, self.model, also=others)
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
    request_id: str, prompt: PreparedInput | None, result: Mapping[str, Tensor] | Exception, task: str
) -> PoolingRequestOutput:
    """Wrap the result of one prompt, or why there is none; a prompt that could not be tokenised is None."""
    import torch

    if isinstance(result, Exception):
        outputs, error = PoolingOutput(torch.empty(0)), _error(result)
    else:
        outputs, error = PoolingOutput(result[task], result if len(result) > 1 else {}), None
    return PoolingRequestOutput(
        request_id=request_id,
        outputs=outputs,
        prompt_token_ids=[] if prompt is None else list(prompt.token_ids),
        truncated_tokens=0 if prompt is None else prompt.truncated_tokens,
        error=error,
    )


def _error(failure: Exception) -> RequestError:
    if isinstance(failure, InvalidRequest):
        return RequestError(code=400, message=str(failure), param=failure.param, kind=type(failure))
    if isinstance(failure, CenoteError):
        return RequestError(code=500, message=str(failure), kind=type(failure))
    # Texts of foreign exceptions may hold paths and addresses; the log has them.
    return RequestError(code=500, message=f"The model failed ({type(failure).__name__}).")
