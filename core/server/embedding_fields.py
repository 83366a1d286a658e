"""The body of `/v1/embeddings`: native fields, and those of the dialects that share the route."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from cenote.errors import InvalidRequest
from cenote.server.api_error import ApiError
from cenote.server.chat_fields import ChatOptionFields, Conversations
from cenote.server.embedding_input import EmbeddingInput
from cenote.server.jina import JinaFields
from cenote.server.jina_task import check_task_role, task_fields
from cenote.server.late_chunks import join_chunks
from cenote.server.models import ServedModel
from cenote.server.pooling_fields import Form, PoolingFields
from cenote.server.synonyms import Synonym
from cenote.server.voyage import VoyageFields
from cenote.tasks import FORMS
from cenote.types import ChatOptions, Prompt

__all__ = ["EmbeddingRequest"]


class EmbeddingRequest(PoolingFields, ChatOptionFields, VoyageFields, JinaFields):
    """Body of `/v1/embeddings`: input or messages."""

    input: EmbeddingInput | None = Field(default=None, description="What to embed; or messages.")
    messages: Conversations | None = Field(default=None, description="One conversation or several, in place of input.")
    modality: Literal["text"] | None = Field(default=None, description="Infinity: only text is offered.")

    @model_validator(mode="before")
    @classmethod
    def _check_forms(cls, data: Any) -> Any:
        if isinstance(data, dict) and "messages" in data and "input" in data:
            raise InvalidRequest("The body has both input and messages; send one of them.", param="messages")
        if isinstance(data, dict) and "messages" not in data and "input" not in data:
            text = "The body has neither input nor messages; send one of them."
            raise ApiError(400, "Bad Request", text, param=f"body.{cls.__name__}.input")
        return data

    def given(self) -> Sequence[Prompt]:
        """Return the inputs; each has an entry in the answer."""
        return self.messages or self.input or ()

    def forms(self) -> Sequence[Form]:
        """Return the forms of the embedding that the answer has."""
        return self.outputs or ("dense",)

    def wanted_tasks(self) -> list[str]:
        """Return the tasks that give these forms, in whichever dialect they are asked for."""
        return [FORMS[form] for form in (("multi",) if self.return_multivector else self.forms())]

    def prompts(self) -> Sequence[Prompt]:
        """Return what the model reads: with late chunking, one document.

        Raises:
            InvalidRequest: the chunks of a document are no texts, or something else is asked of them than vectors.
        """
        if not self.late_chunking:
            return self.given()
        if self.outputs not in (None, ["dense"]):
            raise InvalidRequest("late_chunking gives one dense vector per chunk, and nothing else.", param="outputs")
        if self.truncate_prompt_tokens not in (None, -1):
            text = "With late_chunking no token is cut: a long document is read in windows."
            raise InvalidRequest(text, param="truncate_prompt_tokens")
        return [join_chunks(self.given())]

    def synonyms(self, model: ServedModel) -> list[Synonym]:
        """Return what the fields of the dialects say to this model in native fields.

        Raises:
            InvalidRequest: the model has no such task, or it is for other inputs than `input_type` says.
        """
        task = task_fields(self.task, model) if self.task is not None else {}
        check_task_role(self.task, self.role())
        return [*self.voyage(), *self.jina(), *(("task", name, value) for name, value in task.items())]

    def chat(self) -> ChatOptions | None:
        """Return how to turn conversations into text, or None where there are none.

        Raises:
            InvalidRequest: the body brings a template, and the operator does not trust those of requests.
        """
        return self.chat_options(is_chat=any(prompt.messages is not None for prompt in self.given()))
