"""How an architecture that nobody registered becomes a pooling model. No torch: listing plugins imports this."""

from __future__ import annotations

from cenote.registry import ConvertRule

__all__ = ["SEARCH"]

#: `BertForAcmeSearch` is a BERT that Acme trained to embed.
SEARCH = ConvertRule(suffix="ForAcmeSearch", runner="pooling", convert="embed", order=15)
