"""Inputs: what callers pass, turned into prompts and then into token ids."""

from cenote.inputs.chat_pairs import ChatPairTemplate, FilledPair
from cenote.inputs.encoder import TextEncoder
from cenote.inputs.items import parse_content
from cenote.inputs.known_prompts import KnownPrompts, find_known_prompts
from cenote.inputs.known_templates import KNOWN_TEMPLATES, find_known_template
from cenote.inputs.limits import DEFAULT_MAX_TOKENS, resolve_max_tokens
from cenote.inputs.literals import check_no_placeholders
from cenote.inputs.locate import Located
from cenote.inputs.messages import parse_conversation
from cenote.inputs.prompts import parse_prompts
from cenote.inputs.rerank_template import RerankTemplate
from cenote.inputs.sides import side_texts

__all__ = [
    "DEFAULT_MAX_TOKENS",
    "KNOWN_TEMPLATES",
    "ChatPairTemplate",
    "FilledPair",
    "KnownPrompts",
    "Located",
    "RerankTemplate",
    "TextEncoder",
    "check_no_placeholders",
    "find_known_prompts",
    "find_known_template",
    "parse_content",
    "parse_conversation",
    "parse_prompts",
    "resolve_max_tokens",
    "side_texts",
]
