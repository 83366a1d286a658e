"""How a model reads two texts together: by a prompt template, as the tokenizer's pair, or as one text."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cenote.adapters.base import LoadOptions
from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object, safe_relative
from cenote.inputs import KNOWN_TEMPLATES, ChatPairTemplate, RerankTemplate

__all__ = ["PairReading", "choose_pairs"]

_log = logging.getLogger(__name__)

#: A Jinja text that looks for messages of the two roles.
_KNOWS_ROLES = tuple(re.compile(rf"""["']{role}["']""") for role in ("query", "document"))


@dataclass(frozen=True, slots=True)
class PairReading:
    """How a model reads a text and its pair.

    Attributes:
        template: fills both into one prompt; None where there is no template.
        separated: without a template, encode them as the tokenizer encodes pairs; otherwise they are joined.
        source: who decided it.
    """

    template: RerankTemplate | ChatPairTemplate | None = None
    separated: bool = True
    source: str = "default"

    def __str__(self) -> str:
        how = "template" if self.template else "tokenizer's pair encoding" if self.separated else "one joined text"
        return f"{how} ({self.source})"


def choose_pairs(
    checkpoint: Checkpoint, tokenizer: Any, options: LoadOptions, *, known: str | None = None, separated: bool = True
) -> PairReading:
    """Decide how a model reads pairs. A template that a request brings along still wins over all of this.

    Args:
        checkpoint: for its template and its config.
        tokenizer: transformers tokenizer, which has the checkpoint's template.
        options: the user's template comes first; with `compat="vllm"` it is the only one.
        known: family of `KNOWN_TEMPLATES` that the model belongs to.
        separated: what to do without a template, where the config does not say.

    Source: sentence-transformers 6.2 fills the checkpoint's template with the roles query and document; vLLM 0.32 for
    `use_sep_token`, and for leaving the checkpoint's own template alone.
    """
    if options.chat_template is not None:
        if _knows_roles(options.chat_template):
            return PairReading(ChatPairTemplate(template=options.chat_template), source="user")
        _log.info("the given chat template has no roles 'query' and 'document'; it is used for conversations only")
    if options.compat != "vllm":
        shipped = _shipped(checkpoint, tokenizer)
        if shipped is not None:
            return PairReading(shipped, source="checkpoint")
        if known is not None:
            return PairReading(KNOWN_TEMPLATES[known], source=f"known template {known}")
    return _without_template(checkpoint.config, separated)


def _shipped(checkpoint: Checkpoint, tokenizer: Any) -> ChatPairTemplate | None:
    """Return the checkpoint's template where it is made for pairs."""
    template = tokenizer.chat_template
    if isinstance(template, Mapping):
        template = template.get("default")
    if not isinstance(template, str):
        return None
    file = safe_relative(checkpoint.backbone_path, "sentence_bert_config.json")
    modalities = read_object(file).get("modality_config") if file.is_file() else None
    is_meant = "message" in modalities if isinstance(modalities, dict) else _knows_roles(template)
    return ChatPairTemplate() if is_meant else None


def _knows_roles(template: str) -> bool:
    return all(role.search(template) for role in _KNOWS_ROLES)


def _without_template(config: Mapping[str, Any], separated: bool) -> PairReading:
    for key in ("use_sep_token", "use_pad_token"):
        if config.get(key) is not None:
            if key == "use_pad_token":
                _log.warning("use_pad_token is the older name of use_sep_token, which is set to %s", config[key])
            return PairReading(separated=bool(config[key]), source=key)
    return PairReading(separated=separated)
