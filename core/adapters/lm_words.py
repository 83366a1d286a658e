"""Which words of a language model judge a text, and how: the config keys of LM-to-classifier conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object, safe_relative
from cenote.checkpoints.modules import UnknownModule
from cenote.errors import CheckpointError, InvalidRequest

__all__ = ["LmWords", "asks_for_words", "find_words"]

_DIFFERENCE = "from_2_way_softmax"
_PLAIN = "no_post_processing"
_LOGIT_SCORE = "LogitScore"


@dataclass(frozen=True, slots=True, kw_only=True)
class LmWords:
    """Words of the vocabulary whose logits at the last token classify a text.

    Attributes:
        ids: of the words; with `difference`, of the negative and the positive one.
        labels: names of the values.
        difference: the one value is the positive logit minus the negative one; else there is one value per word.
        source: who named them.
    """

    ids: tuple[int, ...]
    labels: tuple[str, ...]
    difference: bool
    source: str


def asks_for_words(config: Mapping[str, Any]) -> bool:
    """Tell whether a config makes a classifier of a language model's words."""
    return bool(config.get("classifier_from_token") or config.get("is_original_qwen3_reranker"))


def find_words(
    checkpoint: Checkpoint, tokenizer: Any, own: Sequence[str] | None = None, difference: bool = True
) -> LmWords:
    """Return the words that the config names, else those of a stored `LogitScore` module, else the adapter's own.

    Args:
        checkpoint: for its config and module files.
        tokenizer: transformers tokenizer.
        own: words that the adapter knows of its model, negative before positive.
        difference: how the adapter's own words are read.

    Raises:
        InvalidRequest: the keys contradict each other, or a word is not one entry of the vocabulary.
        CheckpointError: a stored module is not of the known form, or nobody names words.

    Source: vLLM 0.32 (keys of the config); sentence-transformers 6.2, `LogitScore`.
    """
    config = checkpoint.config
    if asks_for_words(config):
        words, two = _from_config(config)
        return _look_up(words, two, tokenizer, "classifier_from_token")
    stored = _stored_module(checkpoint)
    if stored is not None:
        return stored
    if own is None:
        raise CheckpointError(
            f"{checkpoint.name!r} has no classifier (score.weight), and nothing says which of its words judge a text. "
            "Train a head first, or name words: hf_overrides={'classifier_from_token': ['no', 'yes'], "
            "'method': 'from_2_way_softmax'}."
        )
    return _look_up(list(own), difference, tokenizer, "known model")


def _from_config(config: Mapping[str, Any]) -> tuple[list[str], bool]:
    words = config.get("classifier_from_token")
    if not isinstance(words, list | tuple) or not words or not all(isinstance(word, str) and word for word in words):
        raise _wrong(f"classifier_from_token must be a list of words such as ['no', 'yes'], found {words!r:.80}.")
    method = config.get("method")
    if config.get("is_original_qwen3_reranker"):
        if len(words) != 2:
            raise _wrong(f"is_original_qwen3_reranker needs two words, ['no', 'yes']; found {list(words)!r:.80}.")
        method = _DIFFERENCE
    if method not in (_DIFFERENCE, _PLAIN):
        raise _wrong(f"method must be {_DIFFERENCE!r} or {_PLAIN!r} with classifier_from_token, found {method!r}.")
    if method == _DIFFERENCE and len(words) != 2:
        raise _wrong(
            f"method {_DIFFERENCE!r} needs two words in classifier_from_token, the negative and the positive one; "
            f"found {list(words)!r:.80}."
        )
    return list(words), method == _DIFFERENCE


def _look_up(words: Sequence[str], difference: bool, tokenizer: Any, source: str) -> LmWords:
    ids = []
    for word in words:
        found = tokenizer.backend_tokenizer.token_to_id(word)
        if found is None:
            raise InvalidRequest(
                f"{word!r} in classifier_from_token is not one entry of the tokenizer's vocabulary. Write the token as "
                "the vocabulary has it.",
                param="hf_overrides",
            )
        ids.append(int(found))
    return LmWords(
        ids=tuple(ids),
        labels=(words[1],) if difference else tuple(words),
        difference=difference,
        source=source,
    )


def _stored_module(checkpoint: Checkpoint) -> LmWords | None:
    """Read the `LogitScore` module of sentence-transformers' cross-encoders."""
    files = checkpoint.sentence_transformers
    for module in files.pipeline if files else ():
        if isinstance(module, UnknownModule) and module.type.rpartition(".")[2] == _LOGIT_SCORE:
            file = safe_relative(checkpoint.path, module.path) / "config.json"
            config = read_object(file)
            positive, negative = config.get("true_token_id"), config.get("false_token_id")
            source = config.get("module_input_name", "causal_logits")
            if not isinstance(positive, int) or not isinstance(negative, int | None) or source != "causal_logits":
                raise CheckpointError(
                    f"{file} must name true_token_id (and false_token_id or null) as numbers, and read "
                    "'causal_logits'; found other values."
                )
            ids = (positive,) if negative is None else (negative, positive)
            return LmWords(ids=ids, labels=("LABEL_0",), difference=negative is not None, source=_LOGIT_SCORE)
    return None


def _wrong(text: str) -> InvalidRequest:
    return InvalidRequest(text, param="hf_overrides")
