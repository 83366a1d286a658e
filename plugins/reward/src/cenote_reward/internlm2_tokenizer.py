"""InternLM2's tokenizer from `tokenizer.model`: its own class is code of the checkpoint, which does not run here.

Source: `tokenization_internlm2.py` and `tokenization_internlm2_fast.py` of internlm/internlm2-1_8b-reward.
"""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object
from cenote.errors import CheckpointError
from cenote_reward.sentencepiece import CONTROL, NORMAL, USER_DEFINED, SentencePieceModel, read_sentencepiece

__all__ = ["convert_tokenizer"]

_SPACE = "\u2581"
#: Special tokens of the class, where `tokenizer_config.json` names no others.
_ROLES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
_OPTIONS = ("lstrip", "rstrip", "normalized", "single_word", "special")


def convert_tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerBase | None:
    """Convert `tokenizer.model`; None where there is a `tokenizer.json`, or no such file.

    Raises:
        CheckpointError: it cannot be converted with equal ids.
    """
    folder = checkpoint.backbone_path
    if (folder / "tokenizer.json").is_file() or not (folder / "tokenizer.model").is_file():
        return None
    settings = read_object(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    model = read_sentencepiece(folder / "tokenizer.model")
    roles = {role: _text(settings.get(role, default)) for role, default in _ROLES.items()}
    rust = _build(model, _added_tokens(settings, model, roles))
    rust.post_processor = _around(
        rust,
        roles["bos_token"] if settings.get("add_bos_token", True) else None,
        roles["eos_token"] if settings.get("add_eos_token", False) else None,
    )
    template = folder / "chat_template.jinja"
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers does not type it
        tokenizer_object=rust,
        chat_template=template.read_text(encoding="utf-8") if template.is_file() else settings.get("chat_template"),
        **roles,
    )


def _text(token: Any) -> str:
    """Return the text of a special token, which is stored as it is or with its options."""
    found = token.get("content") if isinstance(token, dict) else token
    if not isinstance(found, str):
        raise CheckpointError(f"tokenizer_config.json has the special token {token!r:.80}, which is not a text.")
    return found


def _added_tokens(settings: dict[str, Any], model: SentencePieceModel, roles: dict[str, str]) -> dict[int, AddedToken]:
    """Return the tokens that are found in a text before all others, by id.

    Those of `added_tokens_decoder` take the place of the pieces with their ids, as `<|im_start|>` does of
    `[UNUSED_TOKEN_146]`.
    """
    added: dict[int, AddedToken] = {}
    for index, piece in enumerate(model.pieces):
        if piece.kind in (CONTROL, USER_DEFINED) or piece.text in roles.values():
            special = piece.kind != USER_DEFINED
            added[index] = AddedToken(piece.text, normalized=False, special=special)
    for key, entry in (settings.get("added_tokens_decoder") or {}).items():
        options = {name: bool(entry[name]) for name in _OPTIONS if name in entry}
        added[int(key)] = AddedToken(_text(entry), **options)
    return dict(sorted(added.items()))


def _build(model: SentencePieceModel, added: dict[int, AddedToken]) -> Tokenizer:
    texts = [piece.text for piece in model.pieces]
    for index, token in added.items():
        if index < len(texts):
            texts[index] = token.content
    vocabulary = {text: index for index, text in enumerate(texts)}
    unknown = texts[next((i for i, piece in enumerate(model.pieces) if piece.text == model.unknown), 0)]
    bpe = BPE(
        vocab=vocabulary,
        merges=_merges(model, added),
        unk_token=unknown,
        fuse_unk=True,
        byte_fallback=model.byte_fallback,
    )
    rust = Tokenizer(bpe)
    steps: list[Any] = [normalizers.Prepend(_SPACE)] if model.dummy_prefix else []
    rust.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", _SPACE)])
    rust.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    for token in added.values():
        (rust.add_special_tokens if token.special else rust.add_tokens)([token])
    wrong = [token.content for index, token in added.items() if rust.token_to_id(token.content) != index]
    if wrong or len(vocabulary) < len(texts):
        raise CheckpointError(
            f"tokenizer.model and tokenizer_config.json do not agree on the ids of {', '.join(wrong[:5]) or 'tokens'}. "
            "Save the model with a tokenizer.json."
        )
    return rust


def _merges(model: SentencePieceModel, added: dict[int, AddedToken]) -> list[tuple[str, str]]:
    """Return every way to put a piece together from two, best score first.

    SentencePiece joins the neighbours that make the piece of the highest score; a list of merges says the same.
    """
    pieces = {
        piece.text: (index, piece.score)
        for index, piece in enumerate(model.pieces)
        if piece.kind == NORMAL and index not in added
    }
    found = []
    for text, (_, score) in pieces.items():
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in pieces and right in pieces:
                found.append((-score, pieces[left][0], pieces[right][0], left, right))
    return [(left, right) for *_, left, right in sorted(found)]


def _around(rust: Tokenizer, begin: str | None, end: str | None) -> processors.TemplateProcessing:
    """Return the processor that puts special tokens around each text."""
    before, after = f"{begin} " if begin else "", f" {end}" if end else ""
    ids = [(token, rust.token_to_id(token)) for token in (begin, end) if token]
    return processors.TemplateProcessing(
        single=f"{before}$A{after}",
        pair=f"{before}$A{after} {before}$B{after}",
        special_tokens=ids,
    )
