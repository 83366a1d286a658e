"""Late chunking: the model reads a whole document, and each of its chunks gets a vector of its own.

Source: Günther et al. 2024, "Late Chunking: Contextual Chunk Embeddings Using Long-Context Embedding Models"
(arXiv:2409.04701).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from cenote.engine.bulk import BulkRun
from cenote.engine.face import to_output
from cenote.engine.offline import OfflineFace
from cenote.engine.progress import TokenProgress
from cenote.engine.prompts import Params, params_per_prompt
from cenote.engine.worker import Outcome
from cenote.errors import InvalidRequest, ShapeError, WrongType
from cenote.lora import LoRARequest
from cenote.outputs import EmbeddingOutput, EmbeddingRequestOutput, PoolingRequestOutput
from cenote.outputs.token_ids import SharedIds
from cenote.types import PreparedInput, Prompt, Role, TokenizationOptions

__all__ = ["LateChunking"]


class LateChunking(OfflineFace):
    """What `LLM` can do with documents in chunks."""

    def embed_chunks(
        self,
        documents: Sequence[Sequence[str]],
        *,
        overlap_tokens: int | None = None,
        pooling_params: Params = None,
        use_tqdm: bool | Callable[..., Any] = True,
        lora_request: LoRARequest | None = None,
        role: Role | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        lora: str | None = None,
    ) -> list[list[EmbeddingRequestOutput]]:
        """Return one embedding per chunk, computed from the whole document ("late chunking").

        The chunks of a document are joined exactly as given, so each must bring its own separators: `["One. ",
        "Two."]`. The model reads the joined text once, and each chunk's tokens are pooled by the model's own method
        and head. A token belongs to the chunk in which it begins; tokens in front of the text (special ones, a stored
        prompt) belong to the first chunk, those behind to the last, as in the authors' implementation.

        A document beyond the model's limit is read in windows ("long late chunking", section 4.2 of the paper) that
        end between two chunks and begin with tokens of the window before, as context.

        Args:
            documents: per document its chunks, in order.
            overlap_tokens: tokens of context between windows; None is 256, or a quarter of the model's limit where
                that is less.
            pooling_params: one for all, or one per document.
            use_tqdm: progress bar.
            lora_request: low-rank adapter.
            role: what the documents are for.
            prompt_name: stored prompt, in front of each document.
            prompt: text in front of each document.
            lora: name of a loaded low-rank adapter.

        Returns:
            Per document one output per chunk, with the tokens of the chunk as `prompt_token_ids`.

        Raises:
            PromptTooLong: one chunk alone is longer than the model's limit.
            InvalidRequest: a document has no chunk, a chunk no token, or a parameter is wrong.
        """
        if overlap_tokens is not None and type(overlap_tokens) is not int:
            text = f"overlap_tokens must be a whole number, not {overlap_tokens!r:.80}."
            raise WrongType(text, param="overlap_tokens")
        if overlap_tokens is not None and overlap_tokens < 0:
            raise InvalidRequest(
                f"overlap_tokens must not be negative, but is {overlap_tokens}.", param="overlap_tokens"
            )
        prompts = [_joined(document, place) for place, document in enumerate(_documents(documents))]
        loras = [self.lora_name(lora_request, lora)] * len(prompts)
        merged = params_per_prompt(pooling_params, loras, prompt_name, prompt)
        checked = {item: self.request_options("embed", item, TokenizationOptions(), role) for item in set(merged)}
        options = [replace(checked[item], overlap_tokens=overlap_tokens) for item in merged]
        progress = TokenProgress(use_tqdm, sum(len(item.text or "") for item in prompts))
        names = [str(next(self._ids)) for _ in prompts]
        shared = SharedIds()

        def outputs(place: int, prepared: PreparedInput, outcome: Outcome) -> list[EmbeddingRequestOutput]:
            return _outputs(prepared, to_output(names[place], prepared, outcome, "embed", shared.listed))

        return BulkRun(self.engine, prompts, options, progress, outputs).run()


def _documents(documents: Any) -> Sequence[Any]:
    if isinstance(documents, str) or not isinstance(documents, Sequence):
        raise WrongType(
            f"documents must be a list of lists of texts, not {type(documents).__name__}.", param="documents"
        )
    if not documents:
        raise InvalidRequest("documents is empty; give a list of texts for each document.", param="documents")
    return documents


def _joined(chunks: Any, place: int) -> Prompt:
    """Join the chunks of one document."""
    if isinstance(chunks, str) or not isinstance(chunks, Sequence):
        text = f"Document {place} must be a list of texts, its chunks, not {type(chunks).__name__}."
        raise WrongType(text, param="documents")
    wrong = next((at for at, chunk in enumerate(chunks) if not isinstance(chunk, str)), None)
    if wrong is not None:
        kind = type(chunks[wrong]).__name__
        raise WrongType(f"Chunk {wrong} of document {place} must be a text, not {kind}.", param="documents")
    if not chunks:
        raise InvalidRequest(f"Document {place} has no chunks.", param="documents")
    return Prompt(text="".join(chunks), chunk_ends=tuple(accumulate(map(len, chunks))))


def _outputs(prepared: PreparedInput, whole: PoolingRequestOutput) -> list[EmbeddingRequestOutput]:
    """Give each chunk its row of a document's result [chunks, dim]."""
    count = len(prepared.spans)
    if whole.error is None and (whole.outputs.data.ndim != 2 or len(whole.outputs.data) != count):
        shape = list(whole.outputs.data.shape)
        raise ShapeError(f"The model's pooler gave {shape} for {count} chunks; it cannot pool chunks one by one.")
    rows: list[list[float]] = whole.outputs.data.tolist() if whole.error is None else [[]] * count
    return [
        EmbeddingRequestOutput(
            request_id=f"{whole.request_id}-{place}",
            outputs=EmbeddingOutput(row),
            prompt_token_ids=whole.prompt_token_ids[start:end],
            error=whole.error,
        )
        for place, (row, (start, end)) in enumerate(zip(rows, prepared.spans, strict=True))
    ]
