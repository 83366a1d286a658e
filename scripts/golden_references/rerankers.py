"""References of rerankers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers import CrossEncoder
from torch import Tensor

from cenote.testing.goldens import GoldenRow
from golden_references.base import Reference

__all__ = ["cross_encoder", "flag_embedding", "mxbai_rerank", "qwen3_reranker_card"]

_JUDGE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
_ANSWER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
_TASK = "Given a web search query, retrieve relevant passages that answer the query"


def cross_encoder(row: GoldenRow, folder: Path) -> Reference:
    """sentence-transformers' `CrossEncoder.predict`, with the activation of the files."""
    model = CrossEncoder(str(folder), device="cpu")

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        activation = torch.nn.Identity() if options.get("use_activation") is False else None
        pairs = [(query, document) for query, document in inputs]
        return list(model.predict(pairs, activation_fn=activation, prompt=options.get("instruction")))

    return answer


def qwen3_reranker_card(row: GoldenRow, folder: Path) -> Reference:
    """The code of Qwen3-Reranker's card: the probability of `yes` against `no` after a fixed prompt."""
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder)
    model.eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    no, yes = (tokenizer.convert_tokens_to_ids(word) for word in ("no", "yes"))
    before, after = (tokenizer.encode(text, add_special_tokens=False) for text in (_JUDGE, _ANSWER))

    def score(query: str, document: str, instruction: str) -> Tensor:
        body = f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}"
        ids = before + tokenizer(body)["input_ids"] + after
        logits = model(torch.tensor([ids])).logits[0, -1]
        return torch.log_softmax(logits[[no, yes]], dim=0)[1].exp()

    return lambda method, inputs, options: [
        score(query, document, options.get("instruction", _TASK)) for query, document in inputs
    ]


def mxbai_rerank(row: GoldenRow, folder: Path) -> Reference:
    """mxbai-rerank's `MxbaiRerankV2.predict`."""
    from mxbai_rerank import MxbaiRerankV2  # type: ignore[import-not-found]

    model = MxbaiRerankV2(str(folder), device="cpu")
    # transformers 5 dropped `prepare_for_model`; nothing is cut here, so joining the ids is all that it does.
    model.tokenizer.prepare_for_model = lambda first, second, **_: {"input_ids": first + second}

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        queries, documents = ([pair[side] for pair in inputs] for side in (0, 1))
        return list(model.predict(queries, documents, instruction=options.get("instruction")))

    return answer


def flag_embedding(row: GoldenRow, folder: Path) -> Reference:
    """FlagEmbedding's reranker for language models."""
    from FlagEmbedding import FlagLLMReranker  # type: ignore[import-not-found]

    model = FlagLLMReranker(str(folder), devices="cpu", max_length=1024)
    return lambda method, inputs, options: model.compute_score([list(pair) for pair in inputs], batch_size=1)
