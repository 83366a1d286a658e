"""Settings of PyLate: keys of its own in `config_sentence_transformers.json`."""

from __future__ import annotations

from cenote.checkpoints import SentenceTransformersFiles
from cenote.errors import CheckpointError
from cenote_colbert.settings import PUNCTUATION, LateSettings
from cenote_colbert.values import Reader, flag, length, text, texts

__all__ = ["read_pylate"]

_FILE = "config_sentence_transformers.json"
#: Names that mean the sum of maxima here: PyLate knows no other and reads none.
_SUMS = (None, "MaxSim", "maxsim", "cosine", "dot")


def read_pylate(files: SentenceTransformersFiles) -> LateSettings:
    """Read the settings; what the file leaves out is as in PyLate.

    Raises:
        CheckpointError: a value is of another kind, or the similarity is not PyLate's.

    Source: `ColBERT.__init__` and `ColBERT.tokenize` of PyLate 1.6; sentence-transformers 5.3 below it strips texts and
    lower-cases them where `do_lower_case` says so.
    """
    if files.settings.get("similarity_fn_name") not in _SUMS:
        found = files.settings["similarity_fn_name"]
        raise CheckpointError(f"{_FILE}: similarity_fn_name is {found!r:.80}, but PyLate compares by MaxSim only.")
    read = Reader(files.settings, _FILE, "PyLate")
    read.sources["similarity"] = "PyLate"
    expands = read.take("query_expansion", "do_query_expansion", flag, True)
    attends = read.take("attend_to_expansion_tokens", "attend_to_expansion_tokens", flag, False)
    return LateSettings(
        layout="PyLate",
        query_length=read.take("query_length", "query_length", length, 32),
        document_length=read.take("document_length", "document_length", length, 180),
        query_marker=read.take("query_marker", "query_prefix", text, "[Q] "),
        document_marker=read.take("document_marker", "document_prefix", text, "[D] "),
        query_expansion=expands,
        attend_to_expansion_tokens=expands and attends,
        skiplist_words=read.take("skiplist_words", "skiplist_words", texts, PUNCTUATION),
        lower_case=files.do_lower_case,
        sources=read.sources,
    )
