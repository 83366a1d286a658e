"""The IO processor `pdf-pages`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from cenote.errors import UnsupportedTask
from cenote.io_processors import IOProcessor, ProcessorContext, RequestContext
from cenote.outputs import PoolingRequestOutput
from cenote.types import PoolingParams
from cenote_pdf_pages.examples import EXAMPLE_PDF
from cenote_pdf_pages.images import ImageDecoder
from cenote_pdf_pages.isolated import PdfProcesses
from cenote_pdf_pages.reading import PageReader, ReadDocument, ReadPage
from cenote_pdf_pages.schema import AnsweredDocument, AnsweredPage, PagesRequest, PagesResponse
from cenote_pdf_pages.settings import Settings
from cenote_pdf_pages.vectors import check_encoding, written

__all__ = ["PdfPages"]


class PdfPages(IOProcessor[PagesRequest, PagesResponse]):
    """Embeds PDF files and lists of images, page by page.

    A model that reads images is given pictures of the pages, any other model their text.
    """

    Request = PagesRequest
    Response = PagesResponse
    Settings = Settings
    tasks = ("embed", "token_embed")
    role = "document"
    examples = ({"documents": {"pdf": EXAMPLE_PDF}}, {"documents": [{"pdf": EXAMPLE_PDF}], "include_text": True})

    def __init__(self, context: ProcessorContext) -> None:
        """Keep what the host tells; without settings the defaults hold."""
        super().__init__(context if isinstance(context.settings, Settings) else replace(context, settings=Settings()))
        settings: Settings = self.context.settings
        self._files = PdfProcesses(seconds=settings.max_seconds, memory=settings.max_memory, number=settings.processes)
        self._images = ImageDecoder(
            max_pixels=settings.max_pixels, max_side=settings.max_side, at_once=settings.processes
        )

    def choose_task(self) -> str:
        """Return the task that the model was made for, where it is one of `tasks`."""
        default = self.context.default_task
        return default if default in self.tasks else super().choose_task()

    def pre_process(self, prompt: PagesRequest, context: RequestContext) -> list[Any]:
        """Return a prompt for each page that the model can read.

        Raises:
            ValueError: the request asks for too much, or a document is bad.
        """
        check_encoding(context.encoding)
        documents = PageReader(prompt, self.context, context, self._files, self._images).read()
        context.state.update(documents=documents, task=prompt.task or self.choose_task())
        prompts = []
        for page in (page for document in documents for page in document.pages if page.skipped is None):
            prompts.append(page.prompt)
            page.prompt = None  # whoever runs the model holds the picture; it need not stay until the answer
        return prompts

    def merge_pooling_params(self, params: PoolingParams, context: RequestContext) -> PoolingParams:
        """Add the task.

        Raises:
            UnsupportedTask: the request names one that the model does not have.
        """
        task = context.state["task"]
        if task not in self.context.supported_tasks:
            offered = ", ".join(self.context.supported_tasks)
            raise UnsupportedTask(f"{self.context.model!r} has no task {task!r}; it has {offered}.", param="data")
        return replace(params, task=task)

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> PagesResponse:
        """Return the pages with their vectors."""
        documents, task = context.state["documents"], context.state["task"]
        results = iter(outputs)
        return PagesResponse(
            documents=[_answered(document, results, task, context) for document in documents],
            task=task,
            input="image" if "image" in self.context.limits.modalities else "text",
        )

    def close(self) -> None:
        """End the processes that read PDF files."""
        self._files.close()


def _answered(
    document: ReadDocument, results: Iterator[PoolingRequestOutput], task: str, context: RequestContext
) -> AnsweredDocument:
    pages = [_page(page, None if page.skipped else next(results), task, context) for page in document.pages]
    return AnsweredDocument(page_count=document.page_count, pages=pages, error=document.error)


def _page(page: ReadPage, result: PoolingRequestOutput | None, task: str, context: RequestContext) -> AnsweredPage:
    width, height = page.size or (None, None)
    answer = AnsweredPage(
        page=page.number,
        width=width,
        height=height,
        text=page.text,
        truncated=page.truncated,
        skipped=page.skipped,
    )
    if result is None:
        return answer
    if result.error is not None:
        answer.skipped = result.error.message
        return answer
    numbers, answer.shape = written(result.outputs.data, context.encoding)
    setattr(answer, "embedding" if task == "embed" else "vectors", numbers)
    answer.truncated |= result.truncated_tokens > 0
    return answer
