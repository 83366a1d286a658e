"""Prompts made ready in threads, in front of the queue: tokenised, and their media loaded and prepared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from itertools import groupby

from cenote.adapters.base import PoolingModel
from cenote.config import EngineConfig
from cenote.engine.chunks import longest_prompt
from cenote.engine.gathering import Gathering
from cenote.engine.media import MediaStage
from cenote.engine.request import PROMPT_ERRORS, PromptError, RequestOptions
from cenote.engine.way import RightOfWay
from cenote.errors import EngineClosed, InvalidRequest
from cenote.inputs.padding import pad_to
from cenote.threads import DaemonThreads, carried
from cenote.types import PreparedInput, Prompt, TokenizationOptions

__all__ = ["Renderer"]


#: Characters that take less than 0.2 ms to tokenise.
_SHORT = 1000
#: Prompts of one job that give way to nobody: whoever sent them may wait for them as for a single text.
_FEW = 16


class Renderer:
    """Prepares prompts for one engine; those with media in threads of their own. Thread safe.

    Attributes:
        way: threads that tokenise give way to its holders between two prompts.
    """

    def __init__(self, model: PoolingModel, config: EngineConfig) -> None:
        self.way = RightOfWay()
        self._model = model
        self._config = config
        self._threads = DaemonThreads(config.renderer_num_workers, "cenote-render")
        self._media = MediaStage(model.limits.modalities, config)

    def max_tokens(self, task: str) -> int:
        """Return how many tokens a prompt for a task may have, all parts of a chunked one together."""
        return longest_prompt(task, self._model.limits, self._config.pooler_config)

    def prepare(
        self,
        prompts: Sequence[Prompt],
        options: RequestOptions,
        first: int | None,
        *,
        keeps_errors: bool,
        at_once: bool = False,
    ) -> Future[list[PreparedInput | PromptError]]:
        """Prepare prompts in threads: texts together in one, and each prompt with media in one of the others.

        Args:
            prompts: what to prepare.
            options: what is asked of them.
            first: place of the first one in the caller's list, for messages; None where the caller gave no list.
            keeps_errors: a prompt that cannot be prepared is an error in the list; else the future raises the error of
                the first such prompt, and nothing is loaded where one can be seen to be wrong without.
            at_once: prepare short texts in the calling thread, which takes less time than to change threads twice.
        """
        tokenization = self._tokenization(options)
        faults = {place: error for place, prompt in enumerate(prompts) if (error := self._fault(prompt)) is not None}
        for place, error in faults.items():
            _locate(error, first, place)
        if faults and not keeps_errors:
            failed: Future[list[PreparedInput | PromptError]] = Future()
            failed.set_exception(next(iter(faults.values())))
            return failed

        left = threading.Event()

        def load(prompt: Prompt) -> Prompt:
            return self._media.load(prompt, lambda: not left.is_set())

        def run(places: Sequence[int]) -> list[PreparedInput | PromptError]:
            made: list[PreparedInput | PromptError] = []
            for place in places:
                if len(places) > _FEW:
                    self.way.give(left)
                item = faults.get(place) or self._prepared(prompts[place], load, options, tokenization, first, place)
                made.append(item)
                if not keeps_errors and not isinstance(item, PreparedInput):
                    break
            return made

        if at_once and _are_short(prompts):
            return _done(run, range(len(prompts)), keeps_errors=keeps_errors)
        jobs = [
            self._media.submit(prompts[places[0]], run, places) if has_media else self._threads.submit(run, places)
            for places, has_media in _groups(prompts)
        ]
        future = Gathering(jobs, keeps_errors=keeps_errors).future
        future.add_done_callback(partial(_note_cancelled, left))
        return future

    def load_media(self, prompt: Prompt) -> Prompt:
        """Return a prompt with its media loaded; blocking.

        Raises:
            InvalidRequest: one is not allowed, or cannot be read.
            MediaUnavailable: its host does not give it for now.
        """
        self._media.check(prompt)
        return self._media.submit(prompt, self._media.load, prompt).result() if prompt.media else prompt

    def shutdown(self) -> None:
        """Fail what has not begun with `EngineClosed`; the threads end."""
        for threads in (self._threads, self._media):
            threads.shutdown(lambda: EngineClosed("The engine was shut down before this request ran."))

    def _tokenization(self, options: RequestOptions) -> TokenizationOptions:
        longest = min(map(self.max_tokens, (options.task, *options.also)))
        is_usual = longest == self._model.limits.max_tokens
        return options.tokenization if is_usual else replace(options.tokenization, max_tokens=longest)

    def _fault(self, prompt: Prompt) -> InvalidRequest | None:
        """Return what is wrong with the media of a prompt before they are loaded."""
        try:
            self._media.check(prompt)
        except InvalidRequest as exc:
            return exc
        return None

    def _prepared(
        self,
        prompt: Prompt,
        load: Callable[[Prompt], Prompt],
        options: RequestOptions,
        tokenization: TokenizationOptions,
        first: int | None,
        place: int,
    ) -> PreparedInput | PromptError:
        limits = self._model.limits
        try:
            loaded = load(prompt)
            prepared = self._model.prepare(loaded, options.role, options.params, tokenization)
            return pad_to(prepared, limits.max_tokens, limits.pad_token_id) if tokenization.pad_to_limit else prepared
        except PROMPT_ERRORS as exc:
            self._media.blame(exc, prompt)
            _locate(exc, first, place)
            return exc


def _locate(error: PromptError, first: int | None, place: int) -> None:
    if first is not None:
        error.locate(first + place)


def _note_cancelled(left: threading.Event, future: Future[list[PreparedInput | PromptError]]) -> None:
    if future.cancelled():
        left.set()


def _are_short(prompts: Sequence[Prompt]) -> bool:
    """Tell whether prompts are few words of text: no media, and no templates that a request may have brought."""
    left = _SHORT
    for prompt in prompts:
        if prompt.text is None or prompt.media or prompt.chunk_ends:
            return False
        left -= len(prompt.text) + len(prompt.text_pair or "")
    return left >= 0


def _done(
    run: Callable[[Sequence[int]], list[PreparedInput | PromptError]], places: Sequence[int], *, keeps_errors: bool
) -> Future[list[PreparedInput | PromptError]]:
    """Call now, and return what came of it as `Gathering` does."""
    future: Future[list[PreparedInput | PromptError]] = Future()
    try:
        made = run(places)
    except Exception as exc:
        future.set_exception(carried(exc))
        return future
    failure = None if keeps_errors else next((item for item in made if not isinstance(item, PreparedInput)), None)
    if failure is None:
        future.set_result(made)
    else:
        future.set_exception(failure)
    return future


def _groups(prompts: Sequence[Prompt]) -> Iterator[tuple[list[int], bool]]:
    """Return the places of prompts that one thread takes, and whether these have media: each then goes alone."""
    for has_media, group in groupby(range(len(prompts)), lambda place: bool(prompts[place].media)):
        places = list(group)
        yield from (([place], True) for place in places) if has_media else [(places, False)]
