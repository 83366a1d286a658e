"""Plain data that every layer may use: prompts, parameters and batches. Imports no torch at run time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from cenote.pooling_params import PoolingParams

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CausalKind",
    "ChatOptions",
    "DataPrompt",
    "MediaAddress",
    "MediaItem",
    "MediaPrompt",
    "Message",
    "MessagesPrompt",
    "ModelLimits",
    "PackedBatch",
    "PatchGrid",
    "PoolingBatch",
    "PoolingParams",
    "PoolingRow",
    "PreparedInput",
    "Prompt",
    "PromptType",
    "Role",
    "TextPairPrompt",
    "TextPrompt",
    "TokenizationOptions",
    "TokensPrompt",
    "VisualInputs",
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


class TextPairPrompt(TypedDict):
    """Two texts that the model reads together: a query and a document, a premise and a hypothesis."""

    text: str
    text_pair: str


class MessagesPrompt(TypedDict):
    """A conversation, which the model's chat template turns into text."""

    messages: list[Mapping[str, Any]]


class MediaPrompt(TypedDict, total=False):
    """`{"image": image}`, `{"image": [image, ...]}` or `{"video": video}`, with or without text, for models that see.

    An image is one of Pillow or numpy, encoded bytes, or an address. A video is encoded bytes, an address, or frames.
    """

    multi_modal_data: Mapping[str, Any]
    prompt: str


class DataPrompt(TypedDict):
    """What a request for an IO processor holds, in place of prompts; the processor says what it may be."""

    data: Any


#: One message of a conversation: `{"role": ..., "content": ...}`.
Message: TypeAlias = Mapping[str, Any]
#: Every form in which a caller may give one prompt.
PromptType: TypeAlias = str | list[int] | TextPrompt | TokensPrompt | TextPairPrompt | MessagesPrompt | MediaPrompt


@dataclass(frozen=True, slots=True)
class MediaAddress:
    """Where a medium is; the engine loads it before a model sees the prompt.

    Attributes:
        url: an absolute address, such as `data:image/png;base64,...` or `https://example.org/page.png`.
        param: field of the request that errors name.
    """

    url: str
    param: str = "image_url"


@dataclass(frozen=True, slots=True)
class MediaItem:
    """One medium of a prompt.

    Attributes:
        kind: `image`, `video`, or `image_embeds` for what a vision tower made of an image.
        value: a `MediaAddress` or encoded bytes until the engine has loaded it; then for an image a
            `cenote.media.Picture`, for a video a `cenote.media.Clip`, and for `image_embeds` a mapping from names to
            arrays.
    """

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Prompt:
    """One parsed prompt: one of `text`, `token_ids` and `messages` is set; with `media`, `text` may be left out.

    Attributes:
        text: a text, or the first of a pair.
        token_ids: a prompt that is tokenised already.
        token_type_ids: segment ids that go with `token_ids`.
        text_pair: the second text of a pair; goes with `text`.
        messages: a conversation. Where it has media, a part `{"type": kind}` stands for each of them.
        chunk_ends: characters of `text` after which its chunks end, ascending up to the text's length, where each
            chunk gets a result of its own (late chunking); empty: one result for all.
        media: images and videos, in the caller's order; only models whose `modalities` name their kind are given such
            prompts.
        first_media: how many of `media` belong to the first text of a pair; the rest belongs to the second.
        is_layout: the caller wrote `text` as a whole prompt (`{"prompt": ..., "multi_modal_data": ...}`), so that
            placeholders in it say where media stand. Any other text is content, which must not move them.
    """

    text: str | None = None
    token_ids: tuple[int, ...] | None = None
    token_type_ids: tuple[int, ...] | None = None
    text_pair: str | None = None
    messages: tuple[Message, ...] | None = None
    chunk_ends: tuple[int, ...] = ()
    media: tuple[MediaItem, ...] = ()
    first_media: int = 0
    is_layout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """How a template turns a conversation, or a query and a document, into text.

    Attributes:
        template: Jinja text in place of the model's own template.
        kwargs: further variables of the template.
        add_generation_prompt: end with the opening of the assistant's turn; None is False, except where a
            reranker's own template needs it.
        continue_final_message: leave the last message open.
        instruction: what a reranker shall judge by, in place of its default.
    """

    template: str | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    add_generation_prompt: bool | None = None
    continue_final_message: bool = False
    instruction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizationOptions:
    """How text becomes tokens.

    Attributes:
        add_special_tokens: let the tokenizer add its own (no effect on token prompts).
        truncate_prompt_tokens: None never truncates (over-long raises), -1 keeps the model's limit, N keeps N tokens.
        truncation_side: `right` keeps the first tokens, `left` the last; None is the tokenizer's own side.
        pad_to_limit: append padding ids, which the model reads as tokens, up to its limit.
        keep_special_tokens: truncation at a named side makes room for special tokens, as at the tokenizer's own side;
            False slices the final ids.
        lower_case: lower-case texts first.
        max_tokens_per_query: cut the first text of a pair to so many tokens; None keeps it whole.
        max_tokens_per_doc: the same of the second.
        chat: how templates are filled; None is the model's own way.
        max_tokens: longest prompt, in place of the model's own limit; set by the engine, which runs what is longer
            than the model's limit in parts.
    """

    # None is True for texts and pairs, False for conversations, whose template writes special tokens itself.
    add_special_tokens: bool | None = None
    truncate_prompt_tokens: int | None = None
    truncation_side: Literal["left", "right"] | None = None
    pad_to_limit: bool = False
    keep_special_tokens: bool = False
    lower_case: bool = False
    max_tokens_per_query: int | None = None
    max_tokens_per_doc: int | None = None
    chat: ChatOptions | None = None
    max_tokens: int | None = None


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
        num_labels: values that `classify` gives; 0 where the model does not classify.
        token_pooling: how rows of tokens are chosen: `ALL` or `STEP`.
        pad_token_id: stands between the two sides of a scored pair in results.
        score_type: the way of scoring that the model was made for, where that is not the one of its default task.
        similarity: how two results are compared, by sentence-transformers' names: `dot`, `cosine`, `euclidean` and
            `manhattan` are for sparse vectors; `MaxSim` (the sum over query vectors), `meanmaxsim` (their mean) and
            colbert-ai's `l2` for vectors of tokens. None, or a name for the other kind, is the dot product or the sum.
    """

    max_tokens: int
    embedding_size: int
    hidden_size: int
    max_token_id: int
    is_matryoshka: bool = False
    matryoshka_dimensions: tuple[int, ...] = ()
    modalities: tuple[str, ...] = ("text",)
    num_labels: int = 0
    token_pooling: str = "ALL"
    pad_token_id: int = 0
    score_type: str | None = None
    similarity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchGrid:
    """A rectangle of patches of an image, or of a frame of a video, whose tokens stand row by row in a prompt.

    Attributes:
        start: place of its first token.
        rows: from top to bottom.
        columns: from left to right.
    """

    start: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedInput:
    """One prompt, ready for a batch.

    Attributes:
        token_ids: all ids that the model sees, special tokens included.
        token_type_ids: segment ids of the same length, or None for all zero.
        pooling_skip: leading tokens that take no part in sequence pooling (Sentence-Transformers `include_prompt`).
        truncated_tokens: tokens that truncation removed; a lower bound where the rest was never tokenised.
        spans: [start, end) of the stretches of tokens that are pooled one by one (late chunking); empty: all as one.
        lora: name of the low-rank adapter that the model chose, by the role for example; None: the one of the request.
        attended: leading tokens that other tokens may attend to; the rest is computed and attends to these only (query
            expansion of late interaction). None: all.
        kept: places of the tokens that get a vector of their own from `token_embed`, ascending; None: all.
        media: what the model made of the prompt's media, for its own `forward`; None where there are none. Tokens
            stand for it in `token_ids`, so that batches are measured rightly.
        grids: which tokens are patches, in the order of the tokens.
    """

    token_ids: tuple[int, ...]
    token_type_ids: tuple[int, ...] | None = None
    pooling_skip: int = 0
    truncated_tokens: int = 0
    spans: tuple[tuple[int, int], ...] = ()
    lora: str | None = None
    attended: int | None = None
    kept: tuple[int, ...] | None = None
    media: Any = None
    grids: tuple[PatchGrid, ...] = ()

    def __len__(self) -> int:
        return len(self.token_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualInputs:
    """What the tokens of a batch are that stand for patches. V is their number, H the width of an embedding.

    Attributes:
        rows: [V, H * (1 + layers)]: a token's embedding, and what is added to it after each of the first layers.
        mask: [T] bool, where they stand.
        counts: how many of them each sequence has.
        position_ids: [3, T] int64, of all tokens of the batch: in time, height and width, each sequence from 0. None
            where the model counts patches as it counts words.
    """

    rows: Tensor
    mask: Tensor
    counts: tuple[int, ...]
    position_ids: Tensor | None = None


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
        loras: per sequence, the name of its low-rank adapter or None; empty where no sequence has one.
        roles: per sequence, what it is for; empty where no sequence says.
        media: per sequence, the `media` of its `PreparedInput`; empty where no sequence has any.
        visual: what a model made of `media`, for its backbone; None where there are none.
    """

    input_ids: Tensor
    position_ids: Tensor
    cu_seq_lens_q: Tensor
    lengths: tuple[int, ...]
    key_lengths: tuple[int, ...]
    token_type_ids: Tensor | None = None
    loras: tuple[str | None, ...] = ()
    roles: tuple[Role | None, ...] = ()
    media: tuple[Any, ...] = ()
    visual: VisualInputs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingRow:
    """What the pooler must know of one prompt; the fields are those of `PreparedInput` and of its request."""

    length: int
    tasks: tuple[str, ...]
    params: PoolingParams
    pooling_skip: int = 0
    role: Role | None = None
    token_ids: tuple[int, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    kept: tuple[int, ...] | None = None


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
