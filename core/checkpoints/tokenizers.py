"""Loading a fast tokenizer from local files, without foreign code."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from cenote.checkpoints.checkpoint import Checkpoint
from cenote.checkpoints.quiet import quiet_transformers
from cenote.errors import CheckpointError, MissingDependency

__all__ = ["load_tokenizer"]

#: Files that hold a vocabulary. Without any, transformers would build a tokenizer that knows special tokens only.
_VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model", "*.spm", "*.tiktoken", "tekken.json")
#: Packages that turn a vocabulary of another library into a fast tokenizer.
_CONVERTERS = ("sentencepiece", "tiktoken", "protobuf")


def load_tokenizer(checkpoint: Checkpoint, path: str | Path | None = None) -> PreTrainedTokenizerBase:
    """Load the checkpoint's tokenizer, or that of another folder.

    transformers' choice of class is followed, as the reference libraries follow it. Where it would need code that
    comes with the files (`auto_map`), the stored `tokenizer.json` is loaded as it is.

    Raises:
        CheckpointError: there is no tokenizer, it is broken, or it has no fast form.
        MissingDependency: converting it needs a package that is not installed.
    """
    folder = checkpoint.backbone_path if path is None else Path(path).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"There is no tokenizer folder {str(path)!r}.")
    if not any(True for pattern in _VOCABULARIES for _ in folder.glob(pattern)):
        raise CheckpointError(f"There is no tokenizer of {checkpoint.name!r}: {folder} holds no vocabulary file.")
    with quiet_transformers():
        tokenizer = _load(checkpoint, folder)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise CheckpointError(
            f"The tokenizer of {checkpoint.name!r} ({type(tokenizer).__name__}) has no fast form (tokenizer.json). "
            "Convert it with transformers and save it beside the model."
        )
    if len(tokenizer) == 0:
        raise CheckpointError(f"The tokenizer of {checkpoint.name!r} has an empty vocabulary. Download it again.")
    return tokenizer


def _load(checkpoint: Checkpoint, folder: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True, trust_remote_code=False)
    except ImportError as exc:
        raise MissingDependency(_needs(checkpoint, exc)) from exc
    except Exception as exc:  # broken files make transformers raise many kinds
        if (folder / "tokenizer.json").is_file():
            return _from_json(checkpoint, folder, exc)
        package = next((name for name in _CONVERTERS if name in str(exc)), None)
        if package is not None:
            raise MissingDependency(_needs(checkpoint, exc)) from exc
        raise CheckpointError(f"The tokenizer of {checkpoint.name!r} could not be loaded: {_brief(exc)}") from exc


def _from_json(checkpoint: Checkpoint, folder: Path, first: Exception) -> PreTrainedTokenizerBase:
    try:
        tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception:
        # The first failure says more: it is about the class that the files ask for.
        raise CheckpointError(f"The tokenizer of {checkpoint.name!r} could not be loaded: {_brief(first)}") from first
    return tokenizer


def _needs(checkpoint: Checkpoint, exc: Exception) -> str:
    packages = [name for name in _CONVERTERS if name in str(exc)] or ["sentencepiece"]
    return f"The tokenizer of {checkpoint.name!r} needs {' and '.join(packages)}: pip install {' '.join(packages)}."


def _brief(exc: Exception) -> str:
    return " ".join((str(exc).strip() or type(exc).__name__).split())[:300]
