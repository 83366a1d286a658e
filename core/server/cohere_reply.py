"""Answers of Cohere's embed routes, and the body of their errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NotRequired

import orjson
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.outputs.codecs import PLAIN
from cenote.server.api_error import ApiError
from cenote.server.cohere_fields import EmbeddingType
from cenote.server.encoding import VectorFormat
from cenote.server.envelopes import error_text
from cenote.server.item_errors import ItemError, item_error
from cenote.server.usage import Usage

if TYPE_CHECKING:
    from cenote.outputs import PoolingRequestOutput

__all__ = ["EmbedByTypeResponse", "EmbedFloatsResponse", "cohere_envelope", "embed_reply"]


class CohereMeta(TypedDict):
    """What Cohere's clients read beside the vectors."""

    api_version: dict[str, str]
    billed_units: dict[str, int]
    warnings: NotRequired[list[str]]


#: Vectors in the order of the texts; those of a text that failed are null.
class EmbeddingsByType(TypedDict, total=False):
    float: list[list[float] | None]
    int8: list[list[int] | None]
    uint8: list[list[int] | None]
    binary: list[list[int] | None]
    ubinary: list[list[int] | None]
    base64: list[str | None]


class FailedText(TypedDict):
    """Why a text has no vector, with `on_error: "item"`."""

    index: int
    error: ItemError


class EmbedByTypeResponse(TypedDict):
    """Answer of `/v2/embed`, and of `/v1/embed` where `embedding_types` is given."""

    id: str
    embeddings: EmbeddingsByType
    texts: NotRequired[list[str]]
    meta: CohereMeta
    response_type: str
    errors: NotRequired[list[FailedText]]


class EmbedFloatsResponse(TypedDict):
    """Answer of `/v1/embed` where no `embedding_types` are given."""

    id: str
    embeddings: list[list[float] | None]
    texts: NotRequired[list[str]]
    meta: CohereMeta
    response_type: str
    errors: NotRequired[list[FailedText]]


def cohere_envelope(error: ApiError) -> tuple[int, dict[str, Any]]:
    """Return an error as Cohere's API writes it."""
    return error.status_code, {"message": error_text(error)}


def embed_reply(
    outputs: Sequence[PoolingRequestOutput],
    types: Sequence[EmbeddingType],
    *,
    by_type: bool,
    response_id: str,
    texts: Sequence[str] | None,
    version: str,
    has_media: bool = False,
) -> Response:
    """Return the vectors of some inputs.

    Args:
        outputs: of the engine.
        types: how vectors are given.
        by_type: put each way under its name; otherwise there is one way.
        response_id: prefix and request id.
        texts: to repeat, or None.
        version: of Cohere's API.
        has_media: an input has an image, so that all tokens count as those of images (http-api.md section 8.2).

    Raises:
        InvalidRequest: the vectors cannot be given this way.
        NonFiniteResult: a number is NaN or infinite.
        CodecError: the codec of a type fails.
    """
    sound = [output for output in outputs if output.error is None]
    places = [None if output.error else place for place, output in enumerate(outputs)]
    embeddings = {name: _spread(_encode(sound, name), places) for name in types}
    errors = [{"index": at, "error": item_error(item.error)} for at, item in enumerate(outputs) if item.error]
    body: dict[str, Any] = {
        "id": response_id,
        "embeddings": embeddings if by_type else embeddings[types[0]],
        **({} if texts is None else {"texts": texts}),
        "meta": _meta(Usage.of(outputs), version, has_media=has_media),
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
        **({"errors": errors} if errors else {}),
    }
    return Response(orjson.dumps(body), media_type="application/json")


def _encode(outputs: Sequence[PoolingRequestOutput], name: EmbeddingType) -> list[Any]:
    """Return one entry per result, as JSON."""
    if not outputs:
        return []
    written = VectorFormat(precision=PLAIN if name == "float" else name, precision_param="embedding_types")
    if name == "base64":
        written = VectorFormat("base64", endianness="little")
    return [orjson.Fragment(text) for text in written.all_to_json([output.outputs.data for output in outputs])]


def _spread(entries: Sequence[Any], places: Sequence[int | None]) -> list[Any]:
    """Return the entries in the order of the texts, with nothing where a text failed."""
    left = iter(entries)
    return [None if place is None else next(left) for place in places]


def _meta(usage: Usage, version: str, *, has_media: bool) -> dict[str, Any]:
    texts, images = (0, usage.prompt_tokens) if has_media else (usage.prompt_tokens, 0)
    meta: dict[str, Any] = {
        "api_version": {"version": version},
        "billed_units": {"input_tokens": texts, "image_tokens": images},
    }
    if usage.truncated_tokens:
        meta["warnings"] = [f"Texts were too long and were cut, by at least {usage.truncated_tokens} tokens in all."]
    return meta
