"""What clients send and get as `data`, and what an operator may set."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["Cells", "Format", "Indexed", "Settings", "SparseVectors", "TermVector", "Terms", "Texts", "Vector"]

#: How a sparse vector is written.
Format: TypeAlias = Literal["terms", "indices", "qdrant", "milvus", "pinecone", "vespa"]
Terms: TypeAlias = dict[str, float]
Index: TypeAlias = Annotated[int, Field(ge=0)]


class Settings(BaseModel):
    """What an operator may set."""

    model_config = ConfigDict(extra="forbid")

    max_texts: int = Field(default=2048, ge=1, description="Most texts of one request.")


def _listed(value: Any) -> Any:
    """Make a list of a single text: complaints about a union would name its branches, which are no fields."""
    return [value] if isinstance(value, str) else value


_Some: TypeAlias = Annotated[list[str], Field(min_length=1)]


class Texts(BaseModel):
    """Texts, and which of their terms to keep."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: Annotated[_Some, BeforeValidator(_listed, json_schema_input_type=str | _Some)] = Field(
        description="One text, or several."
    )
    format: Format = Field(default="terms", description="Form of the vectors; see the answer.")
    top_k: int | None = Field(default=None, ge=1, description="Keep so many terms of each text, the heaviest.")
    min_weight: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Keep terms of at least this weight."
    )


class Indexed(BaseModel):
    """Ids in the model's vocabulary, ascending, and their weights (`indices`, `qdrant`, `pinecone`)."""

    model_config = ConfigDict(extra="forbid")

    indices: list[Index]
    values: list[float]


class TermVector(Indexed):
    """The same, and the weights by term, the heaviest first (`terms`)."""

    terms: Terms


class Cells(BaseModel):
    """Cells of a tensor with one mapped dimension (`vespa`)."""

    model_config = ConfigDict(extra="forbid")

    cells: Terms


#: `milvus` is the last one: weights by id, which JSON writes as text.
Vector: TypeAlias = TermVector | Indexed | Cells | dict[str, float]


class SparseVectors(BaseModel):
    """One vector per text, in the order of the texts."""

    format: Format
    vectors: list[Vector]
