"""The progress bar of offline calls, in tokens: a long text moves it further than a short one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["TokenProgress"]


class TokenProgress:
    """Counts tokens done against an estimate that sharpens as texts are tokenised.

    Until everything is tokenised, the total is the tokens known plus the characters left times the tokens per
    character seen so far.
    """

    def __init__(self, bar: bool | Callable[..., Any], sizes: int) -> None:
        """Start a bar.

        Args:
            bar: False for none, True for tqdm, or a callable that builds a tqdm-like bar.
            sizes: characters (or token ids) of all prompts together.
        """
        self._left = sizes
        self._seen = 0
        self._tokens = 0
        self._bar = _build(bar)

    def tokenised(self, size: int, tokens: int) -> None:
        """Note that prompts of so many characters became so many tokens."""
        self._left -= size
        self._seen += size
        self._tokens += tokens
        if self._bar is not None:
            self._bar.total = self._tokens + round(self._left * self._tokens / max(1, self._seen))
            self._bar.refresh()

    def done(self, tokens: int) -> None:
        """Note that prompts of so many tokens were answered."""
        if self._bar is not None:
            self._bar.update(tokens)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def _build(bar: bool | Callable[..., Any]) -> Any:
    if not bar:
        return None
    if callable(bar):
        return bar(total=0, desc="Processed", unit="tok")
    from tqdm import tqdm

    return tqdm(total=0, desc="Processed", unit="tok", unit_scale=True, dynamic_ncols=True)
