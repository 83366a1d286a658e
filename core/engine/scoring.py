"""Scoring through the engine: what to run for some pairs, and how the answers become scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cenote.engine.prompts import Params, check_pooling_params, with_lora
from cenote.engine.request import PromptError, RequestOptions
from cenote.errors import InvalidRequest
from cenote.inputs.media import check_modalities
from cenote.outputs import PoolingOutput, PoolingRequestOutput, ReadPrompt, ScoringRequestOutput
from cenote.scoring import ScoreInput, Scorer, choose_scorer, pair_up
from cenote.scoring.base import Pair, further_tasks
from cenote.scoring.texts import ScoreSide, score_prompts
from cenote.types import ChatOptions, PoolingParams, Prompt, Role, TokenizationOptions

if TYPE_CHECKING:
    from torch import Tensor

    from cenote.engine.face import EngineFace

__all__ = ["ScorePlan", "plan_scores", "scorer_of"]


@dataclass(frozen=True, slots=True)
class ScorePlan:
    """What the model must read for some pairs.

    Attributes:
        scorer: the way of scoring.
        queries: number of queries.
        pairs: which query meets which document.
        inputs: what to read.
        options: what is asked of each input.
    """

    scorer: Scorer
    queries: int
    pairs: list[Pair]
    inputs: list[ScoreInput]
    options: list[RequestOptions]

    def parts(self) -> list[tuple[int, int]]:
        """Return [start, end) of the inputs that are run with equal options."""
        if self.inputs[0].side == "pair":
            return [(0, len(self.inputs))]
        return [(0, self.queries), (self.queries, len(self.inputs))]

    def blame(self, error: PromptError, names: tuple[str, str], first: int = 0) -> None:
        """Say in an error which text of the caller's two sides is to blame.

        Args:
            error: of one of the inputs.
            names: of the caller's arguments.
            first: place among the inputs of the one that the error counts from.
        """
        if error.index is None:
            return
        at, text = first + error.index, str(error.args[0]).removeprefix(f"Prompt {error.index}: ")
        if self.inputs[0].side == "pair":
            place = f"{names[1]}[{at}]" if self.queries == 1 < len(self.pairs) else f"Pair {at}"
        elif at < self.queries:
            place = names[0] if self.queries == 1 else f"{names[0]}[{at}]"
        else:
            place = f"{names[1]}[{at - self.queries}]"
        error.args = (f"{place}: {text}",)

    def outputs(self, answers: Sequence[PoolingRequestOutput], pad_token_id: int) -> list[ScoringRequestOutput]:
        """Turn the answers of the inputs into one score per pair; a pair with a failed input has its error.

        Raises:
            InvalidRequest: the scorer refuses an input, whose place is `index`.
        """
        joint = self.inputs[0].side == "pair"
        used = [(at,) if joint else (q, self.queries + d) for at, (q, d) in enumerate(self.pairs)]
        made = [_joined([answers[place] for place in places], pad_token_id) for places in used]
        sound = [at for at, item in enumerate(made) if item.error is None]
        for at, score in zip(sound, self._scores(answers, [self.pairs[at] for at in sound]), strict=True):
            made[at].outputs = PoolingOutput(score)
        read = [ReadPrompt(len(answer.prompt_token_ids), answer.truncated_tokens) for answer in answers]
        results = [ScoringRequestOutput.from_base(item) for item in made]
        for result, places in zip(results, used, strict=True):
            result.read = tuple(read[place] for place in places)
        return results

    def _scores(self, answers: Sequence[PoolingRequestOutput], pairs: Sequence[Pair]) -> Iterable[Tensor]:
        """Return the scores of the pairs whose inputs all have results."""
        if not pairs:
            return ()
        sound = [place for place, answer in enumerate(answers) if answer.error is None]
        found = [answers[place].outputs for place in sound]
        results: list[Any] = [item.by_task if further_tasks(self.scorer) else item.data for item in found]
        try:
            return self._of_sound(results, sound, pairs)
        except InvalidRequest as exc:
            if exc.index is not None:  # counts the results that there are
                exc.args = (str(exc.args[0]).removeprefix(f"Prompt {exc.index}: "),)
                exc.locate(sound[exc.index])
            raise

    def _of_sound(self, results: Sequence[Any], sound: Sequence[int], pairs: Sequence[Pair]) -> Iterable[Tensor]:
        """Return scores by the results that there are, whose places among the inputs are `sound`."""
        if self.inputs[0].side == "pair":
            return self.scorer.scores(results, self.queries, pairs)
        # The scorer counts documents after queries: without the failed ones, both move up.
        moved = {place: new for new, place in enumerate(sound)}
        queries = sum(place < self.queries for place in sound)
        places = [(moved[query], moved[self.queries + document] - queries) for query, document in pairs]
        return self.scorer.scores(results, queries, places)


def _joined(answers: Sequence[PoolingRequestOutput], pad_token_id: int) -> PoolingRequestOutput:
    """Return the facts of a pair's one or two answers."""
    first, last = answers[0], answers[-1]
    if len(answers) == 1:
        return replace(first)
    return replace(
        first,
        request_id=f"{first.request_id}_{last.request_id}",
        prompt_token_ids=[*first.prompt_token_ids, pad_token_id, *last.prompt_token_ids],
        truncated_tokens=first.truncated_tokens + last.truncated_tokens,
        error=first.error or last.error,
    )


def scorer_of(face: EngineFace, score_type: str | None, weights: Sequence[float] | None = None) -> Scorer:
    """Return the way of scoring asked for, or the model's own.

    Args:
        face: the engine's face, for what the model can do.
        score_type: name of a way, or several with `+` between them; None is the model's own.
        weights: of the parts of a mix.

    Raises:
        UnsupportedTask: the model cannot score, or not this way.
        UnknownPlugin: there is no such way.
        InvalidRequest: the weights do not fit.
    """
    return choose_scorer(
        score_type,
        face.supported_tasks,
        face.default_task,
        own=face.limits.score_type,
        similarity=face.limits.similarity,
        weights=weights,
        is_fused=face.config.pooler_config.enable_flash_late_interaction,
    )


def plan_scores(
    face: EngineFace,
    data_1: ScoreSide,
    data_2: ScoreSide,
    *,
    params: Params,
    tokenization: TokenizationOptions,
    score_type: str | None,
    use_prompts: bool,
    weights: Sequence[float] | None = None,
    lora: str | None = None,
    priority: int = 0,
    names: tuple[str, str] = ("data_1", "data_2"),
) -> ScorePlan:
    """Check what is asked, and lay out what must be read.

    Args:
        face: the engine's face, for what the model can do.
        data_1: queries.
        data_2: documents.
        params: one for all, or one per pair where pairs are read jointly.
        tokenization: how text becomes tokens.
        score_type: the way of scoring; None is the model's own.
        weights: of the parts of a mix; None is equal ones.
        use_prompts: put the model's stored query and document prompts in front.
        lora: low-rank adapter that the call names.
        priority: lower runs sooner.
        names: of the two sides in messages, as the caller knows them.

    Raises:
        InvalidRequest: the sides do not fit, or the model cannot score this way.
    """
    queries, documents = score_prompts(data_1, names[0]), score_prompts(data_2, names[1])
    pairs = pair_up(len(queries), len(documents), names)
    scorer = scorer_of(face, score_type, weights)
    for name, prompts in zip(names, (queries, documents), strict=True):
        _check_side(prompts, face.limits.modalities, name)
    inputs = scorer.inputs(queries, documents, pairs)
    joint = inputs[0].side == "pair"
    if use_prompts and joint:
        text = "use_prompts is for texts that are read alone; this model reads query and document together."
        raise InvalidRequest(text, param="use_prompts")
    wanted = [with_lora(item, lora) for item in _per_input(params, len(pairs), len(inputs), joint)]
    options = {}
    for given in set(wanted):
        for side in {item.side for item in inputs}:
            by_role = side != "pair" and (scorer.by_role or use_prompts)
            verbatim, most = side != "pair" and not by_role, face.limits.max_tokens
            asked, how = _side(given, tokenization, side, task=scorer.task, verbatim=verbatim, most=most)
            role: Role | None = None
            if by_role:
                role = "query" if side == "query" else "document"
            options[given, side] = face.request_options(
                scorer.task, asked, how, role, priority, also=further_tasks(scorer)
            )
    chosen = [options[given, item.side] for given, item in zip(wanted, inputs, strict=True)]
    return ScorePlan(scorer, len(queries), pairs, inputs, chosen)


def _check_side(prompts: Sequence[Prompt], modalities: Sequence[str], name: str) -> None:
    """Refuse media that the model does not read, by the place on its side."""
    for place, prompt in enumerate(prompts):
        try:
            check_modalities(prompt, modalities, param=name)
        except InvalidRequest as exc:
            where = name if len(prompts) == 1 else f"{name}[{place}]"
            raise InvalidRequest(f"{where}: {exc}", param=name) from exc


def _per_input(given: Params, pairs: int, inputs: int, joint: bool) -> list[PoolingParams]:
    params = check_pooling_params(given, pairs, "pairs")
    if params is None or isinstance(params, PoolingParams):
        return [params or PoolingParams()] * inputs
    if joint:
        return list(params)
    if len(set(params)) > 1:
        text = "This model reads queries and documents one by one, so that all pairs must have equal pooling_params."
        raise InvalidRequest(text, param="pooling_params")
    return [params[0]] * inputs


def _side(
    params: PoolingParams, tokenization: TokenizationOptions, side: str, *, task: str, verbatim: bool, most: int
) -> tuple[PoolingParams, TokenizationOptions]:
    """Return what is asked of the texts of one side."""
    extra = params.extra_kwargs or {}
    query = _limit("max_tokens_per_query", extra, tokenization, most)
    document = _limit("max_tokens_per_doc", extra, tokenization, most)
    chat = tokenization.chat
    if isinstance(extra.get("chat_template_kwargs"), Mapping):
        chat = replace(chat or ChatOptions(), kwargs=extra["chat_template_kwargs"])
    if side != "pair" and chat is not None and (chat.template or chat.instruction):
        name = "chat_template" if chat.template else "instruction"
        text = f"{name} lays out a query together with a document; this model reads each text alone."
        raise InvalidRequest(text, param=name)
    if side != "pair":  # a text that is read alone has the one limit, under either name
        query = document = query if side == "query" else document
    params = replace(params, task=None if params.task in ("score", task) else params.task, extra_kwargs=None)
    if side == "query":  # all of its vectors count, whatever role the scorer gives it
        params = replace(params, pool_factor=None)
    if verbatim and params.prompt is None and params.prompt_name is None:
        params = replace(params, prompt="")
    return params, replace(tokenization, max_tokens_per_query=query, max_tokens_per_doc=document, chat=chat)


def _limit(name: str, extra: Mapping[str, Any], tokenization: TokenizationOptions, most: int) -> int | None:
    """Return how many tokens a side may have; 0 is no limit."""
    value: int | None = extra.get(name, getattr(tokenization, name))
    if value is not None and value >= most:
        text = f"{name} is {value}, but must be below the {most} tokens that this model takes."
        raise InvalidRequest(text, param=name)
    return value or None
