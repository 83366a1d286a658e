"""How the text towers of CLIP and SigLIP read a text: which token stands for all of it, and what padding is."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, normalizers
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from cenote.checkpoints import Checkpoint, load_tokenizer
from cenote.checkpoints.files import read_object
from cenote.errors import InvalidRequest
from cenote.inputs.padding import pad_to
from cenote.types import PackedBatch, PreparedInput

__all__ = ["TextRule", "tower_tokenizer"]

#: `eos_token_id` of CLIP configs before July 2023, which is not the id of any end token.
_WRONG_EOS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRule:
    """Which token of a text becomes its vector.

    Attributes:
        eos: id of the token that ends a text; its first place counts (CLIP).
        highest: the token with the highest id counts, as long as configs name a wrong end token (CLIP).
        length: texts are padded to so many tokens, which the model reads as any others, and the last one counts
            (SigLIP).
        padding: id that fills up.

    Source: `CLIPTextModel.forward` and `SiglipTextModel.forward` of transformers 5.23.
    """

    eos: int | None = None
    highest: bool = False
    length: int = 0
    padding: int = 0

    @classmethod
    def of(cls, config: Any, tokenizer: PreTrainedTokenizerBase) -> TextRule:
        """Return the rule of a text tower.

        Args:
            config: `CLIPTextConfig` or `SiglipTextConfig`.
            tokenizer: of the checkpoint.
        """
        if config.model_type == "clip_text_model":
            return cls(eos=config.eos_token_id, highest=config.eos_token_id == _WRONG_EOS)
        length = min(int(tokenizer.model_max_length), config.max_position_embeddings)
        padding = tokenizer.pad_token_id
        return cls(length=length, padding=config.pad_token_id if padding is None else int(padding))

    def finish(self, prepared: PreparedInput) -> PreparedInput:
        """Pad a text where the model needs that, and check that it has an end.

        Raises:
            InvalidRequest: no token ends it.
        """
        if self.length:
            return pad_to(prepared, self.length, self.padding)
        if not self.highest and self.eos not in prepared.token_ids:
            raise InvalidRequest(
                f"The prompt has no end token ({self.eos}), whose hidden state is the text's vector. Leave special "
                "tokens on, or give it with the token ids.",
                param="input",
            )
        return prepared

    def places(self, batch: PackedBatch) -> Tensor:
        """Return the row [n] of the token that stands for each text of a batch."""
        starts = batch.cu_seq_lens_q[:-1].long()
        if self.length:
            return batch.cu_seq_lens_q[1:].long() - 1
        rows = batch.input_ids.split_with_sizes(list(batch.lengths))
        found = [row.argmax() if self.highest else torch.eq(row, self.eos or 0).int().argmax() for row in rows]
        return starts + torch.stack(found)

    def __str__(self) -> str:
        if self.length:
            return f"the last of {self.length} tokens, padding included"
        return "the token with the highest id" if self.highest else f"the first token {self.eos}"


def tower_tokenizer(checkpoint: Checkpoint, path: str | None) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a checkpoint.

    For SigLIP transformers has a slow class alone, which reads texts in lower case and without punctuation. The stored
    `tokenizer.json` is taken in its place, and made to read texts so where it does not.

    Raises:
        CheckpointError: there is no tokenizer, or none that is fast.

    Source: `SiglipTokenizer.canonicalize_text` of transformers 5.23.
    """
    folder = checkpoint.backbone_path
    settings = folder / "tokenizer_config.json"
    values = read_object(settings) if path is None and settings.is_file() else {}
    is_slow = str(values.get("tokenizer_class")).startswith("SiglipTokenizer")
    if not is_slow or not (folder / "tokenizer.json").is_file():
        return load_tokenizer(checkpoint, path)
    found: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    _canonicalize(found.backend_tokenizer, lower=values.get("do_lower_case", True))
    return found


def _canonicalize(tokenizer: Tokenizer, *, lower: bool) -> None:
    """Remove punctuation and needless spaces, and lower texts, where a tokenizer does not do so itself."""
    written = "A deep, WELL!  -" if lower else "A deep, WELL!  -".lower()
    if tokenizer.encode(written).ids == tokenizer.encode("a deep well").ids:
        return
    steps = [
        *([normalizers.Lowercase()] if lower else []),
        normalizers.Replace(Regex(f"[{re.escape(string.punctuation)}]"), ""),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Strip(),
    ]
    stored = tokenizer.normalizer
    tokenizer.normalizer = normalizers.Sequence([*steps, *([] if stored is None else [stored])])
