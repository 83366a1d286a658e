"""Plain data that every layer may use: prompts, parameters and batches. Imports no torch at run time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CausalKind",
    "ModelLimits",
    "PackedBatch",
    "PoolingBatch",
    "PoolingParams",
    "PoolingRow",
    "PreparedInput",
    "Prompt",
    "PromptType",
    "Role",
    "TextPrompt",
    "TokenizationOptions",
    "TokensPrompt",
]

#: What an input is for.
Role: TypeAlias = Literal["query", "document"]
#: How tokens see each other.
CausalKind: TypeAlias = Literal["causal", "bidirectional"]


class TextPrompt(TypedDict):
    """A text prompt as a mapping."""

    prompt: str


class _TokensPromptRequired(TypedDict):
    prompt_token_ids: list[int]


class TokensPrompt(_TokensPromptRequired, total=False):
    """A prompt that is tokenised already; special tokens are the caller's business."""

    prompt: str
    token_type_ids: list[int]


#: Every form in which a caller may give one prompt.
PromptType: TypeAlias = str | list[int] | TextPrompt | TokensPrompt


@dataclass(frozen=True, slots=True)
class Prompt:
    """One parsed prompt: exactly one of `text` and `token_ids` is set."""

    text: str | None = None
    token_ids: tuple[int, ...] | None = None
    token_type_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizationOptions:
    """How text becomes tokens.

    Attributes:
        add_special_tokens: let the tokenizer add its own (no effect on token prompts).
        truncate_prompt_tokens: None never truncates (over-long raises), -1 keeps the model's limit, N keeps N tokens.
        truncation_side: `right` keeps the first tokens, `left` the last; None is the tokenizer's own side.
    """

    add_special_tokens: bool = True
    truncate_prompt_tokens: int | None = None
    truncation_side: Literal["left", "right"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingParams:
    """What to compute from a prompt.

    Attributes:
        task: the task; set by the methods of `LLM`, and checked when a caller sets it too.
        dimensions: keep the first so many components (matryoshka models only), then normalise again.
        use_activation: L2-normalise vectors; None is the model's own default.
        prompt_name: put the model's stored prompt of this name in front of the text.
        prompt: put this text in front; excludes `prompt_name`.
    """

    task: str | None = None
    dimensions: int | None = None
    use_activation: bool | None = None
    prompt_name: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """What a loaded model accepts and gives.

    Attributes:
        max_tokens: longest prompt, in tokens, special tokens included.
        embedding_size: components of one `embed` vector.
        hidden_size: width of the backbone's hidden states.
        is_matryoshka: vectors may be cut.
        matryoshka_dimensions: the only sizes allowed, or empty for any size up to `embedding_size`.
        modalities: kinds of input.
        max_token_id: largest token id that the embedding table and tokenizer know.
    """

    max_tokens: int
    embedding_size: int
    hidden_size: int
    max_token_id: int
    is_matryoshka: bool = False
    matryoshka_dimensions: tuple[int, ...] = ()
    modalities: tuple[str, ...] = ("text",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedInput:
    """One prompt, ready for a batch.

    Attributes:
        token_ids: all ids that the model sees, special tokens included.
        token_type_ids: segment ids of the same length, or None for all zero.
        pooling_skip: leading tokens that take no part in sequence pooling (Sentence-Transformers `include_prompt`).
        truncated_tokens: tokens that truncation removed; a lower bound where the rest was never tokenised.
    """

    token_ids: tuple[int, ...]
    token_type_ids: tuple[int, ...] | None = None
    pooling_skip: int = 0
    truncated_tokens: int = 0

    def __len__(self) -> int:
        return len(self.token_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBatch:
    """Sequences laid end to end, without padding. T is the sum of all lengths, n their number.

    Attributes:
        input_ids: [T] int64.
        position_ids: [T] int64, counted from 0 within each sequence.
        cu_seq_lens_q: [n + 1] int32, cumulative lengths.
        lengths: the lengths themselves, on the host.
        key_lengths: per sequence, how many leading tokens are attended to; less than the length where trailing
            tokens are computed but not attended to (query expansion).
        token_type_ids: [T] int64, or None for all zero.
    """

    input_ids: Tensor
    position_ids: Tensor
    cu_seq_lens_q: Tensor
    lengths: tuple[int, ...]
    key_lengths: tuple[int, ...]
    token_type_ids: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingRow:
    """What the pooler must know of one prompt."""

    length: int
    tasks: tuple[str, ...]
    params: PoolingParams
    pooling_skip: int = 0
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class PoolingBatch:
    """What the pooler must know of a packed batch, one row per prompt in batch order."""

    rows: tuple[PoolingRow, ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens per prompt."""
        return tuple(row.length for row in self.rows)


#: A JSON object as read from a file.
JsonObject: TypeAlias = Mapping[str, Any]
