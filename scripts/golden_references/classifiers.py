"""References of classifiers and of reward models that transformers knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import transformers
from torch import Tensor

from cenote.testing.checkpoints import build_backbone, family
from cenote.testing.goldens import GoldenRow
from golden_references.base import Reference

__all__ = ["gte_with_head", "transformers_models"]


def transformers_models(row: GoldenRow, folder: Path) -> Reference:
    """transformers' class with the head: its pipeline for sequences, its logits for tokens and conversations."""
    model_class = getattr(transformers, family(row.family).model_class)
    model = model_class.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        raw = options.get("use_activation") is False
        if method == "classify":
            # The pipeline asks the config for this key after it has chosen by the number of labels.
            function = "none" if raw else getattr(model.config, "function_to_apply", None)
            return _pipeline(model, tokenizer, inputs, function)
        if method == "reward":
            return [_reward(model, tokenizer, messages) for messages in inputs]
        logits = [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in inputs]
        return logits if raw else [row.softmax(dim=-1) for row in logits]

    return answer


def _pipeline(model: Any, tokenizer: Any, inputs: Sequence[Any], function: str | None) -> list[list[float]]:
    """Return the scores of transformers' text-classification pipeline, in the order of the labels."""
    pipeline: Any = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    options = {} if function is None else {"function_to_apply": function}
    rows = []
    for item in inputs:
        prompt = item if isinstance(item, str) else {"text": item[0], "text_pair": item[1]}
        answers = pipeline(prompt, top_k=None, truncation=True, **options)
        found = {entry["label"]: entry["score"] for entry in answers}
        rows.append([found[label] for _, label in sorted(model.config.id2label.items())])
    return rows


def _reward(model: Any, tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> Tensor:
    """Return the logits of a conversation as the card of Skywork's models does: the template, nothing added to it."""
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    logits: Tensor = model(**tokenizer(text, add_special_tokens=False, return_tensors="pt")).logits[0]
    return logits


def gte_with_head(row: GoldenRow, folder: Path) -> Reference:
    """The transformers model whose weights the checkpoint holds under the names of Alibaba's code."""
    model: Any = build_backbone(row.family)
    tokenizer = transformers.XLMRobertaTokenizer.from_pretrained(folder)

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        results = []
        for item in inputs:
            texts = (item,) if isinstance(item, str) else item
            logits = model(**tokenizer(*texts, return_tensors="pt")).logits[0]
            if options.get("use_activation") is not False:
                logits = logits.sigmoid() if len(logits) == 1 else logits.softmax(dim=0)
            results.append(logits[0] if method == "score" else logits)
        return results

    return answer
