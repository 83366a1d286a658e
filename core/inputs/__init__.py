"""Inputs: what callers pass, turned into prompts and then into token ids."""

from cenote.inputs.encoder import TextEncoder
from cenote.inputs.limits import DEFAULT_MAX_TOKENS, resolve_max_tokens
from cenote.inputs.prompts import parse_prompts

__all__ = ["DEFAULT_MAX_TOKENS", "TextEncoder", "parse_prompts", "resolve_max_tokens"]
