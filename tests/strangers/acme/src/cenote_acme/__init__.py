"""Acme's model. The spec alone, so that listing it loads no torch."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = ["SPEC"]

SPEC = ArchitectureSpec(
    name="acme",
    architectures=("AcmeModel",),
    adapter="cenote_acme.adapter:AcmeAdapter",
    tasks=("acme_strength", "embed", "token_embed"),
    summary="Acme's text model: every token with the one before it",
    lookalike="cenote_acme.lookalike:write_checkpoint",
)
