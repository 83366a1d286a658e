"""What each item of an answer holds: one or several arrays of numbers, under the keys of the dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import orjson

from cenote.errors import InvalidRequest
from cenote.server.encoding import VectorFormat, sparse_json
from cenote.tasks import FORMS

if TYPE_CHECKING:
    from torch import Tensor

    from cenote.outputs import PoolingRequestOutput

__all__ = ["Column", "Words", "check_columns", "form_columns", "header_full", "member", "result_of"]

#: From ids to their texts in the vocabulary.
Words: TypeAlias = Callable[[list[int]], list[str]]

#: Key of each form of an embedding, where an answer has several or another than the dense one.
_KEYS = {"dense": "embedding", "sparse": "sparse", "multi": "multi"}
_VECTORS = ("embed", "token_embed")
#: Results whose places a header tells: at most 120 bytes each, 60 KB in all. http.client and httpx stop at 64 KiB.
_MOST_IN_HEADER = 500


@dataclass(frozen=True, slots=True)
class Column:
    """One member of each item.

    Attributes:
        key: its name.
        task: whose result it holds.
        format: how the numbers are written.
        variants: formats by name, where the member is an object with the same array in each of them.
        words: gives the texts of a sparse result's terms; None leaves them out.
        tells_shape: beside rows of numbers in base64 stands their `shape`, which is not to be seen in them.
    """

    key: str
    task: str
    format: VectorFormat
    variants: Mapping[str, VectorFormat] | None = None
    words: Words | None = None
    tells_shape: bool = True

    @property
    def precisions(self) -> tuple[str, ...]:
        """Return what embeddings are quantised to."""
        return tuple(each.precision for each in (self.variants or {"": self.format}).values())

    def members(self, outputs: Sequence[PoolingRequestOutput]) -> list[bytes]:
        """Return the member of each item, and `shape` where it stands beside it; errors as of `to_json`."""
        arrays = [result_of(output, self.task) for output in outputs]
        has_shapes = self.tells_shape and self.variants is None and self.format.encoding == "base64"
        if not has_shapes or any(array.is_sparse or array.ndim != 2 for array in arrays):
            return [member(self.key, text) for text in self.to_json(outputs)]
        parts = self.format.all_to_base64(arrays)
        return [member(self.key, text) + b"," + member("shape", orjson.dumps(shape)) for text, shape in parts]

    def to_json(self, outputs: Sequence[PoolingRequestOutput]) -> list[bytes]:
        """Return the member's value for each item.

        Raises:
            NonFiniteResult: a number is NaN or infinite.
            InvalidRequest: the arrays cannot be quantised as asked.
        """
        arrays = [result_of(output, self.task) for output in outputs]
        if any(array.is_sparse for array in arrays):  # sparse_embed, and tasks of plugins that give such rows
            return [self._sparse(array) for array in arrays]
        if self.variants is None:
            return self.format.all_to_json(arrays)
        parts = [[member(name, text) for text in each.all_to_json(arrays)] for name, each in self.variants.items()]
        return [b"{" + b",".join(members) + b"}" for members in zip(*parts, strict=True)]

    def _sparse(self, array: Tensor) -> bytes:
        words = None if self.words is None else self.words(array.indices()[0].tolist())
        return sparse_json(array, words)


def member(name: str, text: bytes) -> bytes:
    """Return a member of a JSON object; the name needs no escaping."""
    return b'"%b":%b' % (name.encode(), text)


def result_of(output: PoolingRequestOutput, task: str) -> Tensor:
    """Return what one task gave for a prompt."""
    return output.outputs.by_task.get(task, output.outputs.data)


def form_columns(forms: Sequence[str], vectors: VectorFormat, words: Words | None) -> list[Column]:
    """Return a column for each form of an embedding."""
    return [Column(_KEYS[form], FORMS[form], vectors, words=words) for form in forms]


def check_columns(columns: Sequence[Column], *, on_error: str, count: int, positions: bool = False) -> None:
    """Refuse formats that cannot carry what is asked for.

    Args:
        columns: what each entry of the answer holds.
        on_error: what becomes of an input that fails.
        count: number of inputs.
        positions: each entry also says which tokens its vectors belong to.

    Raises:
        InvalidRequest: raw bytes for something else than one array or for too many, or a precision of what is no
            embedding, or positions of what has none.
    """
    vectors = columns[0].format
    if positions and not any(column.task == FORMS["multi"] for column in columns):
        asked = " and ".join(repr(column.task) for column in columns)
        text = f"return_positions is for vectors of tokens (token_embed, multi); task {asked} gives none."
        raise InvalidRequest(text, param="return_positions")
    if vectors.precision != "float32" and not any(column.task in _VECTORS for column in columns):
        text = f"{vectors.precision} is offered for embeddings; task {columns[0].task!r} gives other numbers."
        raise InvalidRequest(text, param=vectors.precision_param)
    if not vectors.is_binary:
        return
    if positions:
        text = "Raw bytes carry no positions; ask for encoding_format float or base64, or leave return_positions out."
        raise InvalidRequest(text, param="return_positions")
    if len(columns) > 1 or columns[0].task == "sparse_embed" or columns[0].variants is not None:
        text = "Raw bytes carry one array per input; ask for encoding_format float or base64 instead."
        raise InvalidRequest(text, param="encoding_format")
    if vectors.encoding == "bytes" and count > _MOST_IN_HEADER:
        raise header_full(count)
    if on_error == "item" and vectors.encoding == "bytes_only":
        text = "bytes_only cannot say which input failed; ask for encoding_format bytes, or leave on_error out."
        raise InvalidRequest(text, param="on_error")


def header_full(count: int) -> InvalidRequest:
    """Return the refusal of raw bytes whose places do not fit into the header `metadata`."""
    text = (
        f"With encoding_format bytes, a header says where each of the {count} results lies, and clients read 64 KiB of "
        f"it: {_MOST_IN_HEADER} results without errors. Send fewer, or ask for bytes_only or base64."
    )
    return InvalidRequest(text, param="encoding_format")
