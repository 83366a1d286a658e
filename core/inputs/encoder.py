"""Prompts to the token ids that a model sees: tokenise, truncate, check (http-api.md section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from cenote.errors import InvalidRequest
from cenote.inputs.budget import TokenBudget, keep_ids, too_long
from cenote.inputs.chat import ChatRenderer
from cenote.inputs.chat_pairs import ChatPairEncoder, ChatPairTemplate
from cenote.inputs.chunks import encode_chunks
from cenote.inputs.content import ContentTokenizer
from cenote.inputs.locate import Located, locate
from cenote.inputs.pairs import PairEncoder
from cenote.inputs.rerank_template import RerankTemplate, RerankTemplateEncoder
from cenote.inputs.specials import SpecialTokens, find_special_tokens
from cenote.inputs.text import TextCutter, check_unicode
from cenote.types import ChatOptions, Message, PreparedInput, Prompt, Role, TokenizationOptions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["TextEncoder"]


class TextEncoder:
    """Encodes prompts for one model. Keeps no state between calls and may be used from many threads.

    Attributes:
        max_tokens: longest prompt, special tokens included.
        max_token_id: largest id that the model's embedding table and the tokenizer know.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_tokens: int,
        vocab_size: int | None = None,
        type_vocab_size: int | None = None,
        lower_case: bool = False,
        include_prompt: bool = True,
        may_be_empty: bool = False,
        specials: SpecialTokens | None = None,
    ) -> None:
        """Prepare a private copy of the tokenizer.

        Args:
            tokenizer: a fast tokenizer; its stored truncation and padding are not used, and it is not changed.
            max_tokens: longest prompt, special tokens included.
            vocab_size: rows of the model's embedding table; None trusts the tokenizer.
            type_vocab_size: segments that the model tells apart, 0 or 1 where it knows none; None trusts the
                tokenizer.
            lower_case: lower-case the text first (`do_lower_case` of the Sentence-Transformers files).
            include_prompt: False reports how many leading tokens a prefix takes, so that pooling can skip them.
            may_be_empty: a prompt without tokens has a result.
            specials: what is put around one text, for models that mark texts by tokens that their tokenizer does not
                add; None asks the tokenizer.
        """
        self._content = ContentTokenizer(tokenizer.backend_tokenizer, lower_case=lower_case)
        largest = max(self._content.rust.get_vocab(with_added_tokens=True).values(), default=0)
        most = largest if vocab_size is None else vocab_size - 1
        self._budget = TokenBudget(
            max_tokens=max_tokens,
            max_token_id=most,
            ids_may_exceed=largest > most,
            own_side="left" if tokenizer.truncation_side == "left" else "right",
            may_be_empty=may_be_empty,
        )
        self.max_tokens = max_tokens
        self.max_token_id = most
        self._segments = 2 if type_vocab_size is None else type_vocab_size
        self._specials = find_special_tokens(self._content.rust) if specials is None else specials
        self._text = TextCutter(self._content, self._budget)
        with_types = self._segments > 1 and "token_type_ids" in tokenizer.model_input_names
        self._pairs = PairEncoder(self._content, self._budget, with_types=with_types)
        self._chat = ChatRenderer(tokenizer)
        self._chat_pairs = ChatPairEncoder(self._chat, self._content, self._budget, self._specials)
        bos = None if tokenizer.bos_token_id == tokenizer.pad_token_id else tokenizer.bos_token_id
        self._rerank = RerankTemplateEncoder(self._content, self._budget, bos=bos)
        self._all_special_ids = frozenset(tokenizer.all_special_ids)
        self._include_prompt = include_prompt
        self._prefix_tokens = lru_cache(maxsize=64)(self._count_prefix_tokens)

    def encode(
        self, prompt: Prompt, options: TokenizationOptions, *, prefix: str = "", role: Role | None = None
    ) -> PreparedInput:
        """Turn one prompt into ids.

        Args:
            prompt: a text, a pair of texts, a conversation, or ids (taken as they are: no special tokens, no prefix).
            options: special tokens, truncation, and how a conversation becomes text.
            prefix: text put in front of the prompt's (first) text, as sentence-transformers puts a stored prompt.
            role: a single text that is a document is cut by `max_tokens_per_doc`, any other by
                `max_tokens_per_query`; a pair has both.

        Raises:
            PromptTooLong: more than `max_tokens` tokens (the options' where they say), and no truncation asked for. A
                text with `chunk_ends` has no limit here: the engine runs it in parts.
            InvalidRequest: no tokens are left where some are needed, an id is out of vocabulary, the text is not valid
                Unicode, the chat template cannot be filled, or the truncation asked for is not possible.
            CheckpointError: the tokenizer makes of pairs what cenote cannot.
        """
        if prompt.token_ids is not None:
            return self._encode_ids(prompt.token_ids, prompt.token_type_ids, options)
        if prompt.messages is not None:
            return self._encode_messages(prompt.messages, options)
        check_unicode(prefix)
        (first, second), removed = self.shorten(prompt, options, role)
        add_special_tokens = options.add_special_tokens is not False
        specials = self._specials if add_special_tokens else SpecialTokens()
        if prompt.chunk_ends:
            prepared = encode_chunks(self._content, specials, prompt, size=self.max_tokens, prefix=prefix)
            self._budget.check(prepared.token_ids, trusted=True)
        elif second is None:
            prepared = self._text.encode(prefix + first, specials, options)
        else:
            prepared = self._pairs.encode(prefix + first, second, options)
        if removed:
            prepared = replace(prepared, truncated_tokens=prepared.truncated_tokens + removed)
        if not prefix or self._include_prompt:
            return prepared
        skip = min(self._prefix_tokens(prefix, add_special_tokens), len(prepared))
        return replace(prepared, pooling_skip=skip)

    def locate(self, text: str, *, add_special_tokens: bool = True, prefix: str = "") -> Located:
        """Return the tokens of a whole text, however long, and which of its characters each stands for.

        Raises:
            InvalidRequest: the text is not valid Unicode.
        """
        check_unicode(text)
        specials = self._specials if add_special_tokens else SpecialTokens()
        return locate(self._content, specials, text, prefix=prefix)

    def encode_pair_template(
        self,
        query: str,
        document: str,
        template: RerankTemplate | ChatPairTemplate,
        options: TokenizationOptions,
        instruction: str | None = None,
    ) -> PreparedInput:
        """Turn a query and a document into ids by a reranker's prompt template.

        `max_tokens_per_query` and `max_tokens_per_doc` cut the texts before they are filled in; truncation cuts them
        afterwards, and never the template.

        Args:
            query: the first text.
            document: the second.
            template: as data, or as a chat template.
            options: truncation, and what else a chat template is filled with.
            instruction: what to judge by; None for that of the options, else the template's own.

        Raises:
            PromptTooLong: more tokens than the model takes, and no truncation asked for.
            InvalidRequest: the template cannot be filled, or truncation leaves no room beside it.
        """
        instruction = instruction or (options.chat.instruction if options.chat else None)
        check_unicode(instruction or "")
        (first, second), removed = self.shorten(Prompt(text=query, text_pair=document), options, None)
        if isinstance(template, RerankTemplate):
            prepared = self._rerank.encode(first, second or "", template, options, instruction)
        else:
            prepared = self._chat_pairs.encode(first, second or "", template, options, instruction)
        return replace(prepared, truncated_tokens=prepared.truncated_tokens + removed)

    def _encode_messages(self, messages: Sequence[Message], options: TokenizationOptions) -> PreparedInput:
        text = self._chat.render(messages, options.chat or ChatOptions())
        # A chat template writes special tokens itself.
        specials = self._specials if options.add_special_tokens else SpecialTokens()
        return self._text.encode(text, specials, options)

    def shorten(
        self, prompt: Prompt, options: TokenizationOptions, role: Role | None
    ) -> tuple[tuple[str, str | None], int]:
        """Return the text or texts, cut as `max_tokens_per_query` and `max_tokens_per_doc` say, and what that removed.

        Both count tokens without special ones, and cut between characters (http-api.md section 3.6).

        Raises:
            InvalidRequest: a text is not valid Unicode, or a limit is out of range.
        """
        first, second = prompt.text or "", prompt.text_pair
        check_unicode(first)
        check_unicode(second or "")
        most = self._budget.part_limit(options, "query"), self._budget.part_limit(options, "doc")
        of_first = most[1] if role == "document" and second is None else most[0]
        removed = [0, 0]
        if options.lower_case:
            first, second = first.lower(), None if second is None else second.lower()
        if of_first is not None:
            first, removed[0] = self._content.shorten(first, of_first)
        if second is not None and most[1] is not None:
            second, removed[1] = self._content.shorten(second, most[1])
        return (first, second), sum(removed)

    def _encode_ids(
        self, ids: tuple[int, ...], types: tuple[int, ...] | None, options: TokenizationOptions
    ) -> PreparedInput:
        keep, most = self._budget.to_keep(options), self._budget.most(options)
        self._budget.check(ids, trusted=False)
        if types is not None and max(types, default=0) >= max(1, self._segments):
            raise InvalidRequest(
                f"token_type_ids has {max(types)}, but this model tells no segments apart; leave them out.",
                param="token_type_ids",
            )
        if keep is None and len(ids) > most:
            raise too_long(len(ids), most, exact=True)
        from_end = (options.truncation_side or self._budget.own_side) == "left"
        count = len(ids) if keep is None else keep
        kept = keep_ids(ids, count, from_end=from_end)
        self._budget.check(kept, trusted=True)
        return PreparedInput(
            token_ids=kept,
            token_type_ids=None if types is None else keep_ids(types, count, from_end=from_end),
            truncated_tokens=len(ids) - len(kept),
        )

    def _count_prefix_tokens(self, prefix: str, add_special_tokens: bool) -> int:
        """Count as sentence-transformers 6.2 (`Transformer._get_prompt_length`).

        The prefix is encoded alone, special tokens and truncation included; one special token at its end is not
        counted.
        """
        specials = self._specials if add_special_tokens else SpecialTokens()
        ids = self._text.ids(prefix, specials, self.max_tokens, None, self.max_tokens).ids
        return len(ids) - 1 if ids and ids[-1] in self._all_special_ids else len(ids)
