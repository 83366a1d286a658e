"""What a model does to queries and to documents, and who says so."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field

from cenote.config import Fact

__all__ = ["PUNCTUATION", "LateSettings"]

#: The words that give no vector by default: 32 characters, one by one.
PUNCTUATION = tuple(string.punctuation)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateSettings:
    """How texts of both roles become tokens, and which tokens become vectors.

    Attributes:
        layout: whose files these are: `colbert-ai`, `PyLate`, `sentence-transformers` or `jina-colbert-v2`.
        query_length: most tokens of a query, with its marker; None is what the backbone takes.
        document_length: the same of a document.
        query_marker: token put behind the first one of a query; empty for none.
        document_marker: the same of a document.
        query_expansion: queries are filled up.
        expansion_length: tokens that they are filled up to; None is `query_length`.
        attend_to_expansion_tokens: other tokens attend to the filling.
        expansion_token: what they are filled with; None is the tokenizer's mask, else its end of a text, else its
            padding.
        skiplist_words: tokens without a vector.
        skiplist_roles: whose tokens these are.
        keep_only_token_ids: the only tokens of a document that have a vector; empty for all.
        encodes_words: a word of the list stands for the first token that the tokenizer makes of it, else for the token
            of this name.
        unknown_words: a word that is no token stands for the unknown token; False leaves it out.
        drops_padding: padding tokens that a document spells have no vector.
        strips: white space around a text is removed first.
        lower_case: texts are lower-cased first.
        prompts_by_role: stored prompts named after a role go in front of its texts, without being asked for.
        similarity: how two sets of vectors are compared, by name.
        normalize: vectors have length 1.
        sources: by the name of a field, who decided it.
    """

    layout: str
    query_length: int | None
    document_length: int | None
    query_marker: str = ""
    document_marker: str = ""
    query_expansion: bool = True
    expansion_length: int | None = None
    attend_to_expansion_tokens: bool = False
    expansion_token: str | None = None
    skiplist_words: tuple[str, ...] = PUNCTUATION
    skiplist_roles: tuple[str, ...] = ("document",)
    keep_only_token_ids: tuple[int, ...] = ()
    encodes_words: bool = False
    unknown_words: bool = True
    drops_padding: bool = False
    strips: bool = True
    lower_case: bool = False
    prompts_by_role: bool = False
    similarity: str = "MaxSim"
    normalize: bool = True
    sources: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, str]:
        """Return what a model's report says of them."""
        expansion = "off"
        if self.query_expansion:
            length = self.expansion_length or self.query_length
            seen = "attended to" if self.attend_to_expansion_tokens else "not attended to"
            expansion = f"to {length} tokens, {seen}"
        words = f"{len(self.skiplist_words)} words of {' and '.join(self.skiplist_roles)}"
        shown = {
            "query_length": self.query_length or "of the backbone",
            "document_length": self.document_length or "of the backbone",
            "query_marker": repr(self.query_marker) if self.query_marker else "none",
            "document_marker": repr(self.document_marker) if self.document_marker else "none",
            "query_expansion": expansion,
            "skiplist_words": words if self.skiplist_words else "none",
            "similarity": self.similarity,
        }
        facts = {name.replace("_", " "): self._fact(name, text) for name, text in shown.items()}
        return {"layout": Fact(self.layout, "files"), **facts}

    def _fact(self, name: str, text: object) -> Fact:
        own, source = getattr(self, name), self.sources[name]
        return Fact(own if own and name != "query_expansion" else text, source, text=f"{text} ({source})")
