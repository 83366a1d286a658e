"""`LLM.score` and `LLM.rerank`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from cenote.engine.call_options import Bar, ScoreOptions
from cenote.engine.offline import OfflineFace
from cenote.engine.prompts import Params
from cenote.engine.ranking import check_top_n, ranking
from cenote.engine.request import PROMPT_ERRORS
from cenote.engine.scoring import plan_scores
from cenote.engine.tokenization import tokenization_options
from cenote.errors import InvalidRequest, WrongType
from cenote.inputs import parse_content
from cenote.lora import LoRARequest
from cenote.outputs import RerankResult, ScoringRequestOutput
from cenote.scoring.texts import ScoreItem, ScoreSide, score_items
from cenote.types import ChatOptions

__all__ = ["OfflineScoring"]


class OfflineScoring(OfflineFace):
    """What `LLM` can say of a query and its documents."""

    def score(
        self,
        data_1: ScoreSide,
        data_2: ScoreSide,
        /,
        *,
        use_tqdm: Bar = True,
        pooling_params: Params = None,
        lora_request: LoRARequest | None = None,
        tokenization_kwargs: Mapping[str, Any] | None = None,
        chat_template: str | None = None,
        instruction: str | None = None,
        score_type: str | None = None,
        use_prompts: bool = False,
        weights: Sequence[float] | None = None,
        lora: str | None = None,
    ) -> list[ScoringRequestOutput]:
        """Return one score per pair: one query with each document, or queries and documents one by one.

        Args:
            data_1: a text or texts, the queries. With models that read images, also an image of Pillow, or an object:
                `{"image": address or image}`, `{"content": [parts]}` with parts such as
                `{"type": "image_url", "image_url": {"url": ...}}`, or `{"multi_modal_data": {"image": image}}`.
            data_2: the same, the documents.
            use_tqdm: progress bar.
            pooling_params: one for all, or for cross-encoders one per pair.
            lora_request: low-rank adapter.
            tokenization_kwargs: as for `encode`, and `max_tokens_per_query`, `max_tokens_per_doc`.
            chat_template: Jinja text that lays out a pair from messages of the roles `query` and `document`.
            instruction: what a reranker shall judge by.
            score_type: `cross-encoder`, `dense` (cosine), `sparse` or `colbert` (MaxSim), or several of the last three
                as in `sparse+dense`, whose scores are mixed; None is the model's own way.
            use_prompts: put the model's stored query and document prompts in front, where each text is read alone.
            weights: of the parts of a mix, in the order dense, sparse, colbert; they are divided by their sum. None is
                equal ones.
            lora: name of a loaded low-rank adapter.

        Raises:
            UnsupportedTask: the model cannot score, or not this way.
            InvalidRequest: the numbers of texts do not fit, or a parameter is wrong.
        """
        options = ScoreOptions(
            use_tqdm=use_tqdm,
            pooling_params=pooling_params,
            lora_request=lora_request,
            tokenization_kwargs=tokenization_kwargs,
            chat_template=chat_template,
            instruction=instruction,
            score_type=score_type,
            use_prompts=use_prompts,
            weights=weights,
            lora=lora,
        )
        return self._score(data_1, data_2, ("data_1", "data_2"), options)

    def _score(
        self, data_1: ScoreSide, data_2: ScoreSide, names: tuple[str, str], options: ScoreOptions
    ) -> list[ScoringRequestOutput]:
        """Score; `names` are those of the caller's arguments, for messages."""
        chat = _pair_chat(options.get("chat_template"), options.get("instruction"))
        plan = plan_scores(
            self,
            data_1,
            data_2,
            params=options.get("pooling_params"),
            lora=self.lora_name(options.get("lora_request"), options.get("lora")),
            tokenization=tokenization_options(options.get("tokenization_kwargs"), chat),
            score_type=options.get("score_type"),
            use_prompts=options.get("use_prompts", False),
            weights=options.get("weights"),
            names=names,
        )
        try:
            answers = self._run([item.prompt for item in plan.inputs], plan.options, options.get("use_tqdm", True))
            return plan.outputs(answers, self.limits.pad_token_id)
        except PROMPT_ERRORS as exc:
            plan.blame(exc, names)
            raise

    def rerank(
        self,
        query: ScoreItem,
        documents: ScoreSide,
        *,
        top_n: int | None = None,
        **options: Unpack[ScoreOptions],
    ) -> list[RerankResult]:
        """Return documents with their scores, best first.

        Args:
            query: a text, or what else `score` takes.
            documents: one or several of these.
            top_n: return so many at most; None returns all.
            **options: those of `score`.

        Raises:
            UnsupportedTask: the model cannot score.
            InvalidRequest: a text or parameter is wrong.
            NonFiniteResult: the model failed with a document.
        """
        if isinstance(query, list | tuple):
            raise WrongType(f"query must be one text, not {type(query).__name__}.", param="query")
        check_top_n(top_n)
        given = score_items(documents, "documents")
        if not given:
            raise InvalidRequest("documents is empty; give at least one text.", param="documents")
        scores = self._score(parse_content(query, "query"), documents, ("query", "documents"), options)
        return ranking(given, scores, top_n)


def _pair_chat(template: str | None, instruction: str | None) -> ChatOptions | None:
    return ChatOptions(template=template, instruction=instruction) if template or instruction else None
