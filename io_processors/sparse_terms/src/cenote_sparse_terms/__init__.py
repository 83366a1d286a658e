"""Texts in; their terms and weights out, in the forms that vector databases take."""

from __future__ import annotations

from cenote_sparse_terms.processor import SparseTerms

__all__ = ["SparseTerms"]
