"""What requests and answers look like; published in the OpenAPI document of the server."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

__all__ = ["AnsweredDocument", "AnsweredPage", "Document", "PagesRequest", "PagesResponse"]


def _wanted(value: Any) -> str | list[int] | None:
    """Check which pages are wanted; complaints about a union would name its branches, which are no fields."""
    if isinstance(value, list) and all(type(number) is int for number in value):
        return list(value)
    if value is None or isinstance(value, str):
        return value
    raise ValueError("pages are text such as '1-3,5,8-', a list of whole numbers, or null")


_Pages: TypeAlias = Annotated[
    str | list[int] | None, PlainValidator(_wanted, json_schema_input_type=str | list[int] | None)
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Document(_Strict):
    """A PDF file (`url` or `pdf`), or a list of images, each of which is a page.

    Attributes:
        url: address of a PDF file: `data:`, or `https:` and `file:` as far as the operator allows them.
        pdf: the file itself, as base64 or as a `data:` address.
        images: addresses or base64 of images (PNG, JPEG, WebP, GIF, TIFF, BMP).
        password: opens an encrypted file.
        pages: which pages, for this document only; as in the request.
    """

    url: str | None = None
    pdf: str | None = None
    images: list[str] | None = None
    password: str | None = Field(default=None, max_length=1024)
    pages: _Pages = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [name for name in ("url", "pdf", "images") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"a document has one of 'url', 'pdf' and 'images'; this one has {found}")
        if self.images is not None and self.password is not None:
            raise ValueError("a password is for PDF files")
        return self


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class PagesRequest(_Strict):
    """Documents, and what is wanted of their pages.

    Attributes:
        documents: one document, or a list.
        pages: which pages, counted from 1: `"1-3,5,8-"`, a list of numbers, or null for all.
        dpi: resolution at which pages of PDF files are rendered.
        include_text: give the text of each page of a PDF file too.
        truncate: cut page texts that are longer than the model reads, and say so at the page; false refuses them. For
            models that read text only.
        task: `embed` is one vector per page, `token_embed` many; null is what the model was made for.
        on_error: `raise` refuses the request where a document is bad, `item` gives that document an `error`.
    """

    documents: Annotated[list[Document], BeforeValidator(_listed, json_schema_input_type=Document | list[Document])] = (
        Field(min_length=1)
    )
    pages: _Pages = None
    dpi: int = Field(default=144, ge=18)
    include_text: bool = False
    truncate: bool = True
    task: Literal["embed", "token_embed"] | None = None
    on_error: Literal["raise", "item"] = "raise"


class AnsweredPage(BaseModel):
    """One page.

    Attributes:
        page: its number, from 1.
        width: pixels of the image that was embedded, or null where text was.
        height: the same.
        text: its text, where the request asked for it.
        truncated: only the beginning of its text was embedded, or is in `text`.
        skipped: why the page has no embedding, or null.
        shape: shape of `embedding` or `vectors`.
        embedding: the vector of the task `embed`; base64 text where the request asked for it.
        vectors: those of `token_embed`, one per row; base64 text of all rows where the request asked for it.
    """

    page: int
    width: int | None = None
    height: int | None = None
    text: str | None = None
    truncated: bool = False
    skipped: str | None = None
    shape: list[int] | None = None
    embedding: list[float] | list[int] | str | None = None
    vectors: list[list[float]] | list[list[int]] | str | None = None


class AnsweredDocument(BaseModel):
    """One document, in the order of the request.

    Attributes:
        page_count: pages that it has; null where it cannot be read.
        pages: those that were asked for, in that order.
        error: why it has no pages, with `on_error: "item"`.
    """

    page_count: int | None
    pages: list[AnsweredPage]
    error: str | None = None


class PagesResponse(BaseModel):
    """The pages.

    Attributes:
        documents: one for each of the request.
        task: what was computed.
        input: what the model read of each page.
    """

    documents: list[AnsweredDocument]
    task: str
    input: Literal["image", "text"]
