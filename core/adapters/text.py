"""A loaded text model: a backbone with its tokenizer, and a pooler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from cenote.adapters.cost import cost_of
from cenote.adapters.matryoshka import matryoshka_sizes
from cenote.adapters.pairs import PairReading
from cenote.adapters.pauses import reentrant
from cenote.adapters.prompts import choose_prompts
from cenote.adapters.reading import TextReader
from cenote.adapters.stack import TextStack
from cenote.checkpoints import Checkpoint
from cenote.errors import InvalidRequest
from cenote.inputs import ChatPairTemplate, TextEncoder
from cenote.poolers import Pooler
from cenote.types import (
    ChatOptions,
    ModelLimits,
    PackedBatch,
    PoolingParams,
    PreparedInput,
    Prompt,
    Role,
    TokenizationOptions,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["TextPoolingModel"]


class TextPoolingModel(TextReader):
    """A text backbone with a pooler."""

    def __init__(
        self,
        stack: TextStack,
        checkpoint: Checkpoint,
        *,
        pooler: Pooler,
        embedding_size: int,
        facts: dict[str, str],
        include_prompt: bool = True,
        labels: Sequence[str] = (),
        token_pooling: str = "ALL",
        pairs: PairReading | None = None,
    ) -> None:
        """Put a loaded backbone and a pooler together.

        Args:
            stack: the backbone and its tokenizer.
            checkpoint: for its stored prompts and matryoshka sizes.
            pooler: hidden states to results.
            embedding_size: components of one `embed` vector.
            facts: what `report` says beside the facts of the backbone.
            include_prompt: tokens of a stored prompt take part in pooling.
            labels: names of the values that `classify` and `token_classify` give.
            token_pooling: how rows of tokens are chosen: `ALL` or `STEP`.
            pairs: how the model reads two texts together; None where it does not.
        """
        files = checkpoint.sentence_transformers
        self.pooler = pooler
        #: Names of the values that a classifier gives, in their order.
        self.labels = tuple(labels)
        #: Its low-rank adapters: names, loading and dropping.
        self.loras = stack.loras
        #: Work of prompts, by which batches are formed.
        self.cost = cost_of(stack.config)
        self._stack = stack
        self._pairs = pairs
        self._encoder = TextEncoder(
            stack.tokenizer,
            max_tokens=stack.max_tokens.value,
            vocab_size=stack.vocabulary,
            type_vocab_size=stack.segments,
            lower_case=files.do_lower_case if files else False,
            include_prompt=include_prompt,
        )
        self._prompts = choose_prompts(checkpoint, known=stack.known_prompts)
        is_matryoshka, sizes = matryoshka_sizes(checkpoint)
        self.limits = ModelLimits(
            max_tokens=self._encoder.max_tokens,
            embedding_size=embedding_size,
            hidden_size=stack.hidden_size,
            max_token_id=self._encoder.max_token_id,
            is_matryoshka=is_matryoshka,
            matryoshka_dimensions=sizes,
            num_labels=len(self.labels),
            token_pooling=token_pooling,
            pad_token_id=stack.tokenizer.pad_token_id or 0,
        )
        if pairs is not None:
            facts = {**facts, "pairs": str(pairs)}
        tasks = ", ".join(sorted(pooler.supported_tasks()))
        self._facts = {"tasks": tasks, **facts, **self._prompts.facts(), **stack.facts()}

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a prompt, with the stored prompt that it gets in front.

        Raises:
            InvalidRequest: the prompt cannot be answered as asked.
            ModelNotFound: the low-rank adapter that it asks for is not loaded.
        """
        self.loras.check(params.lora)
        prefix = self._prompts.prefix(prompt, role, params)
        if prompt.text_pair is not None:
            return self._encode_pair(prompt.text or "", prompt.text_pair, tokenization, prefix)
        return self._encoder.encode(prompt, self._with_template(tokenization), prefix=prefix, role=role)

    def _encode_pair(self, first: str, second: str, options: TokenizationOptions, prefix: str) -> PreparedInput:
        """Tokenise two texts; what is put in front of a text becomes the instruction of a template.

        Source: sentence-transformers 6.2, which makes a system message of a prompt where there is a template.
        """
        if self._pairs is None:
            raise InvalidRequest("This model reads one text at a time; it has no use for text_pair.", param="text_pair")
        chat = options.chat
        template = self._pairs.template if chat is None or chat.template is None else ChatPairTemplate()
        if template is not None:
            instruction = None if chat is not None and chat.instruction else prefix or None
            return self._encoder.encode_pair_template(first, second, template, options, instruction)
        if chat is not None and chat.instruction:
            text = "This model has no prompt template that an instruction could go into. Leave instruction out."
            raise InvalidRequest(text, param="instruction")
        if self._pairs.separated:
            return self._encoder.encode(Prompt(text=first, text_pair=second), options, prefix=prefix)
        (first, rest), removed = self._encoder.shorten(Prompt(text=first, text_pair=second), options, None)
        whole = replace(options, max_tokens_per_query=None, max_tokens_per_doc=None)
        prepared = self._encoder.encode(Prompt(text=first + (rest or "")), whole, prefix=prefix)
        return replace(prepared, truncated_tokens=prepared.truncated_tokens + removed)

    def _with_template(self, options: TokenizationOptions) -> TokenizationOptions:
        """Put the user's chat template where a request has none."""
        own = self._stack.chat_template
        chat = options.chat or ChatOptions()
        if own is None or chat.template is not None:
            return options
        return replace(options, chat=replace(chat, template=own))

    @reentrant
    def forward(self, batch: PackedBatch) -> Tensor:
        """Run the backbone: [T, hidden_size]."""
        return self._stack.backbone(batch)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Return transformers' tokenizer, as the checkpoint has it."""
        return self._stack.tokenizer
