"""The body of `/pooling` whose `data` an IO processor reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from cenote.errors import InvalidRequest
from cenote.io_processors import Encoding
from cenote.server.pooling_fields import PoolingFields

__all__ = ["ProcessedRequest", "ProcessedResponse", "is_processed"]

_REFUSED = {
    "outputs": "the IO processor decides what the answer holds",
    "return_tokens": "the IO processor decides what the answer holds",
    "return_positions": "the IO processor decides what the answer holds",
}


def is_processed(data: Mapping[str, Any]) -> bool:
    """Tell whether a body is for an IO processor; `data` that is null counts as absent."""
    return data.get("data") is not None


class ProcessedRequest(PoolingFields):
    """Body of `/pooling` for an IO processor."""

    data: Any = Field(description="What the IO processor takes.")
    io_processor: str | None = Field(
        default=None, description="One of the selected IO processors; none is the first that the model has."
    )
    task: str | None = Field(default=None, description="plugin, or nothing.")

    @model_validator(mode="before")
    @classmethod
    def _refuse_other_forms(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if other := next((name for name in ("input", "messages") if name in data), None):
            text = f"The body has both data and {other}; send data for an IO processor, or {other} for the model."
            raise InvalidRequest(text, param="data")
        if data.get("task") not in (None, "plugin"):
            text = "A body with data runs the task 'plugin'; leave task out, or send input in place of data."
            raise InvalidRequest(text, param="task")
        if data.get("on_error") == "item":
            raise InvalidRequest("on_error is not offered with data: its answer is one.", param="on_error")
        if name := next((name for name in _REFUSED if data.get(name)), None):
            raise InvalidRequest(f"{name} is not offered with data: {_REFUSED[name]}.", param=name)
        return data

    def encoding(self) -> Encoding:
        """Return how the client wants numbers.

        Raises:
            InvalidRequest: `output_dtype` and `embed_dtype` name different types.
        """
        format_ = self.vectors()
        return Encoding(
            encoding_format=format_.encoding,
            embed_dtype=format_.dtype,
            endianness=format_.endianness,
            output_dtype=None if format_.precision == "float32" else format_.precision,
        )


class ProcessedResponse(TypedDict):
    """Answer to such a body."""

    request_id: str
    created_at: int
    data: Any
