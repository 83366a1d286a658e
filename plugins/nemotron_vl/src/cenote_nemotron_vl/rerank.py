"""Load rerankers of texts and images."""

from __future__ import annotations

from cenote.adapters import LoadOptions
from cenote.adapters.pairs import PairReading, choose_pairs
from cenote.checkpoints import Checkpoint
from cenote_nemotron_vl.embed import within
from cenote_nemotron_vl.head import SCORE, build_scores, load_head
from cenote_nemotron_vl.pair_text import pair_template
from cenote_nemotron_vl.reranker import NemotronVLReranker
from cenote_nemotron_vl.sight import load_sight

__all__ = ["LlamaNemotronVLRerankAdapter"]


class LlamaNemotronVLRerankAdapter:
    """Loads `LlamaNemotronVLForSequenceClassification`."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> NemotronVLReranker:
        """Load a checkpoint.

        A score is a logit, divided by the temperature. With `compat="vllm"` it is the sigmoid of the logit. Pairs are
        written by the model's own template either way, unless a request or the user gives another one.

        Raises:
            CheckpointError: weights or files are missing, unknown or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        sight = load_sight(checkpoint, options, heads=(SCORE,))
        config, stack = sight.config, sight.stack
        if options.compat != "vllm":
            stack = within(stack, config.passage_length)
        head = load_head(
            checkpoint,
            options,
            pooling=config.pooling,
            language=checkpoint.config["llm_config"],
            hidden_size=stack.hidden_size,
        )
        scores = build_scores(checkpoint, options, head)
        own = pair_template(checkpoint.config)
        pairs = choose_pairs(checkpoint, stack.tokenizer, options)
        if pairs.template is None:
            pairs = PairReading(own, source="the model's code")
        facts = {
            "head": f"{SCORE} on {head.method}",
            "temperature": f"{head.temperature:g}",
            "pair": repr(own.body[0]),
            "modalities": "text, image",
            **scores.facts,
        }
        return NemotronVLReranker(
            sight,
            stack,
            checkpoint,
            prefixes={},
            query_tokens=None,
            plain=options.compat == "vllm" or options.chat_template is not None,
            pooler=scores.pooler,
            embedding_size=stack.hidden_size,
            labels=head.labels,
            token_pooling=scores.token_pooling,
            pairs=pairs,
            facts=facts,
        )
