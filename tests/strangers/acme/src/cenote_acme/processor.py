"""Which of some texts is nearest to a query, in one request."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from cenote import PoolingRequestOutput
from cenote.io_processors import IOProcessor, RequestContext

__all__ = ["Nearest"]


class NearestRequest(BaseModel):
    """What a request's `data` holds."""

    query: str = Field(min_length=1)
    texts: list[str] = Field(min_length=1)


class NearestResponse(BaseModel):
    """What the answer's `data` holds."""

    index: int
    text: str
    similarity: float


class NearestSettings(BaseModel):
    """What an operator may set."""

    max_texts: int = 8


class Nearest(IOProcessor[NearestRequest, NearestResponse]):
    """Embeds a query and texts, and answers with the text whose vector is nearest."""

    Request = NearestRequest
    Response = NearestResponse
    Settings = NearestSettings
    tasks = ("embed",)
    examples = (
        {"query": "water", "texts": ["A deep well.", "Bread and salt."]},
        {"query": "a meal", "texts": ["Bread and salt."]},
    )

    def parse_data(self, data: NearestRequest) -> NearestRequest:
        """Refuse more texts than the operator allows."""
        most = self.context.settings.max_texts
        if len(data.texts) > most:
            raise ValueError(f"{len(data.texts)} texts were sent, at most {most} are taken.")
        return data

    def pre_process(self, prompt: NearestRequest, context: RequestContext) -> list[str]:
        """Put the query in front of the texts."""
        context.state["texts"] = prompt.texts
        return [prompt.query, *prompt.texts]

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> NearestResponse:
        """Compare the vectors, which have length 1."""
        query, *rows = (output.outputs.data for output in outputs)
        similarities = [float(query @ row) for row in rows]
        best = max(range(len(rows)), key=lambda index: similarities[index])
        text = context.state["texts"][best]
        return NearestResponse(index=best, text=text, similarity=round(similarities[best], 4))
