"""Keeping transformers off the terminal while it loads, and leaving its settings as they were."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
from transformers.utils import logging as transformers_logging

__all__ = ["quiet_transformers"]

#: The settings are global to the process; without the lock two loads would restore each other's values.
_LOCK = threading.RLock()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence progress bars, warnings of coming changes and messages below ERROR inside the block, then restore all."""
    with _LOCK:
        level = transformers_logging.get_verbosity()
        bars = transformers_logging.is_progress_bar_enabled()
        hub_bars = not are_progress_bars_disabled()
        transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        if bars:
            transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # about keys of published files, which stay as they are
                yield
        finally:
            transformers_logging.set_verbosity(level)
            if bars:
                transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
            if not hub_bars:
                disable_progress_bars()
