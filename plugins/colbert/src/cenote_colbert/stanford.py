"""Settings of colbert-ai: the file `artifact.metadata`, which may be missing."""

from __future__ import annotations

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object
from cenote.errors import CheckpointError
from cenote_colbert.settings import PUNCTUATION, LateSettings
from cenote_colbert.values import Reader, flag, length, text

__all__ = ["METADATA", "read_stanford"]

METADATA = "artifact.metadata"
#: colbert-ai's name of a similarity: ours.
_SIMILARITIES = {"cosine": "MaxSim", "l2": "l2"}


def read_stanford(checkpoint: Checkpoint) -> LateSettings:
    """Read `artifact.metadata`; what it leaves out is as in colbert-ai.

    Raises:
        CheckpointError: a value is of another kind, or asks for another model than ColBERT.

    Source: `ColBERTConfig`, `QueryTokenizer` and `DocTokenizer` of colbert-ai 0.2.22, whose list of words without a
    vector holds the first token that the tokenizer makes of each.
    """
    values = read_object(checkpoint.path / METADATA) if checkpoint.has_file(METADATA) else {}
    read = Reader(values, METADATA, "colbert-ai")
    similarity = read.take("similarity", "similarity", text, "cosine")
    interaction = read.take("interaction", "interaction", text, "colbert")
    if similarity not in _SIMILARITIES or interaction != "colbert":
        raise CheckpointError(
            f"{METADATA}: interaction is {interaction!r} (known: colbert), similarity is {similarity!r} (known: "
            f"{', '.join(_SIMILARITIES)})."
        )
    punctuation = read.take("skiplist_words", "mask_punctuation", flag, True)
    read.sources["query_expansion"] = "always in colbert-ai"
    return LateSettings(
        layout="colbert-ai",
        query_length=read.take("query_length", "query_maxlen", length, 32),
        document_length=read.take("document_length", "doc_maxlen", length, 220),
        query_marker=read.take("query_marker", "query_token_id", text, "[unused0]"),
        document_marker=read.take("document_marker", "doc_token_id", text, "[unused1]"),
        attend_to_expansion_tokens=read.take("attend_to_expansion_tokens", "attend_to_mask_tokens", flag, False),
        skiplist_words=PUNCTUATION if punctuation else (),
        encodes_words=True,
        drops_padding=True,
        similarity=_SIMILARITIES[similarity],
        sources=read.sources,
    )
