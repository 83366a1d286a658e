"""Error classes of cenote: one base, few subclasses, each also a built-in.

A message says what was asked, what was found and what to do. The culprit is carried as an attribute, so
that callers and tests need not parse text. The server maps these classes to HTTP statuses in one table.
"""

from __future__ import annotations

__all__ = [
    "CenoteError",
    "CheckpointError",
    "CodecError",
    "EngineClosed",
    "InvalidRequest",
    "MediaFetchError",
    "MediaUnavailable",
    "MissingDependency",
    "ModelNotFound",
    "NonFiniteResult",
    "PluginConflict",
    "PluginError",
    "PluginFailure",
    "PluginIncompatible",
    "ProcessorBusy",
    "ProcessorError",
    "ProcessorRefusal",
    "PromptTooLong",
    "QueueFull",
    "RemoteCodeRefused",
    "ScorerError",
    "ShapeError",
    "UnknownArchitecture",
    "UnknownPlugin",
    "UnsupportedTask",
    "WrongResult",
    "WrongType",
]


class CenoteError(Exception):
    """Base of every error that cenote raises on purpose."""


class InvalidRequest(CenoteError, ValueError):
    """A request that can never succeed as sent.

    Attributes:
        param: name of the offending request field, or None where no single field is to blame.
        index: place of the offending prompt in the list that was sent, from 0, or None.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.index: int | None = None

    def locate(self, index: int) -> None:
        """Say which prompt of a list is to blame, in the message as well."""
        self.index = index
        self.args = (f"Prompt {index}: {self.args[0]}",)


class WrongType(InvalidRequest, TypeError):
    """A value of a type that the request cannot have there."""


class PromptTooLong(InvalidRequest):
    """A prompt that has more tokens than the model accepts, and no truncation was asked for."""


class UnsupportedTask(InvalidRequest):
    """A task that the loaded model cannot do."""


class MediaFetchError(InvalidRequest):
    """A medium that its host does not give, and will not give to another try of the same address."""


class MediaUnavailable(CenoteError, RuntimeError):
    """A medium that its host does not give for now; a later try may succeed. The text may go to clients.

    Attributes:
        param: name of the request field that names the medium, or None.
        index: place of its prompt in the list that was sent, from 0, or None.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.index: int | None = None

    def locate(self, index: int) -> None:
        """Say which prompt of a list is to blame, in the message as well."""
        self.index = index
        self.args = (f"Prompt {index}: {self.args[0]}",)


class ModelNotFound(CenoteError, LookupError):
    """A model name that this engine does not serve."""


class CheckpointError(CenoteError, ValueError):
    """A checkpoint that is missing, broken, incomplete or not readable as what it claims to be."""


class RemoteCodeRefused(CheckpointError):
    """A checkpoint that only its own Python code can load, while that code is not allowed to run."""


class UnknownArchitecture(CenoteError, LookupError):
    """No adapter fits a checkpoint.

    Attributes:
        architecture: the string that was looked up.
    """

    def __init__(self, message: str, *, architecture: str = "") -> None:
        super().__init__(message)
        self.architecture = architecture


class PluginError(CenoteError, RuntimeError):
    """A plugin that could not be imported, or misbehaved when called.

    Attributes:
        plugin: entry-point name.
        distribution: name of the distribution that offers it.
    """

    def __init__(self, message: str, *, plugin: str = "", distribution: str = "") -> None:
        super().__init__(message)
        self.plugin = plugin
        self.distribution = distribution


class PluginConflict(PluginError):
    """Two plugins that claim the same thing with the same right."""


class PluginIncompatible(PluginError):
    """A plugin made for another version of the plugin API."""


class PluginFailure(PluginError):
    """Code of a plugin that failed while a request was answered; its text may go to clients."""


class WrongResult(PluginFailure):
    """What code of a plugin returned is not what its interface demands, so that none of it can be trusted."""


class UnknownPlugin(PluginError, LookupError):
    """A plugin name that nothing installed offers."""


class ProcessorError(PluginError):
    """An IO processor that failed with a request.

    Attributes:
        status: HTTP status that says the same: 500 where the processor is to blame, 501 where it does not do what was
            asked, 400 where the data is to blame, 422 where a medium cannot be fetched, 429 where it is busy, 503 where
            it cannot work now, 504 where it took too long.
        param: name of the request field to blame, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        plugin: str = "",
        distribution: str = "",
        status: int = 500,
        param: str | None = None,
    ) -> None:
        super().__init__(message, plugin=plugin, distribution=distribution)
        self.status = status
        self.param = param


class ProcessorRefusal(ProcessorError, InvalidRequest):
    """Data of a request that an IO processor does not accept."""


class QueueFull(CenoteError, RuntimeError):
    """More requests are waiting than the operator allows.

    Attributes:
        retry_after: seconds after which a new try is sensible.
    """

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProcessorBusy(ProcessorError, QueueFull):
    """An IO processor that takes no more requests for now.

    Attributes:
        retry_after: seconds after which a new try is sensible.
    """

    def __init__(self, message: str, *, plugin: str = "", distribution: str = "", retry_after: float = 1.0) -> None:
        ProcessorError.__init__(self, message, plugin=plugin, distribution=distribution, status=429)
        self.retry_after = retry_after


class CodecError(PluginFailure):
    """An output codec that does not load, failed, or gave what cannot be sent; its text may go to clients."""


class ScorerError(PluginFailure):
    """A way of scoring that failed, or gave what are no scores; its text may go to clients."""


class MissingDependency(CenoteError, ImportError):
    """An optional package that the request needs and that is not installed."""


class ShapeError(CenoteError, ValueError):
    """Arrays whose sizes do not fit together."""


class NonFiniteResult(CenoteError, ArithmeticError):
    """A model computed NaN or infinity; the result is withheld."""


class EngineClosed(CenoteError, RuntimeError):
    """The engine was shut down, or its worker died."""
