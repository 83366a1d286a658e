"""How rerankers write a query and a document as one text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.errors import CheckpointError
from cenote.inputs import RerankTemplate

__all__ = ["pair_template"]

#: Texts by the name that config.json has for them; every other name stands for the plain one.
_TEXTS: Mapping[str, str] = {"v1": "question:{query} \n \n passage:{document}"}
_PLAIN = "{query} \n {document}"
#: What the class of these models takes where config.json says nothing.
_DEFAULT = "v1"


def pair_template(config: Mapping[str, Any]) -> RerankTemplate:
    """Return the template of a reranker: one part, behind the tokenizer's BOS token.

    Args:
        config: config.json, whose `prompt_template` names it.

    Raises:
        CheckpointError: the name is no text.

    Source: `process_queries_documents_crossencoder` of NVIDIA's processor.
    """
    name = config.get("prompt_template", _DEFAULT)
    if name is not None and not isinstance(name, str):
        raise CheckpointError(f"config.json: prompt_template must be a name, found {name!r:.40}.")
    return RerankTemplate(body=(_TEXTS.get(name or "", _PLAIN),), begin_with_bos=True)
