"""Arguments and options that several commands have, each written down once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = [
    "FileOption",
    "ImageOption",
    "InstructionOption",
    "JsonOption",
    "LoraOption",
    "ModelOption",
    "PoolFactorOption",
    "PromptNameOption",
    "PromptOption",
    "RawOption",
    "RoleOption",
    "ScoreTypeOption",
    "TruncateOption",
    "UsePromptsOption",
    "WeightsOption",
    "words_argument",
]


def words_argument(metavar: str, text: str) -> typer.models.ArgumentInfo:
    """Return the positional arguments of a command: perhaps a model, then texts.

    Args:
        metavar: how the texts are shown behind the model.
        text: what the texts are.
    """
    model = (
        "MODEL is a model folder or a hub id like owner/name, and is taken for one where --model is not given; all "
        "that follows -- is text."
    )
    argument: typer.models.ArgumentInfo = typer.Argument(
        metavar=f"[MODEL] {metavar}", help=f"{text} {model}", show_default=False
    )
    return argument


ModelOption: TypeAlias = Annotated[
    str | None, typer.Option("--model", "-m", help="Model folder or hub id. \\[default: the demonstration model]")
]
FileOption: TypeAlias = Annotated[
    Path | None, typer.Option("--file", "-f", help="UTF-8 file, one input per line; - is stdin.")
]
ImageOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--image", help="Image file, after all texts; for models that read images. May be given repeatedly."),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")]
TruncateOption: TypeAlias = Annotated[
    bool, typer.Option("--truncate", help="Cut over-long texts instead of refusing them.")
]
RawOption: TypeAlias = Annotated[
    bool, typer.Option("--raw", help="Give what the model computes before its activation (logits).")
]
RoleOption: TypeAlias = Annotated[
    str | None, typer.Option("--role", help="query or document: puts the model's stored prompt for it in front.")
]
PromptNameOption: TypeAlias = Annotated[
    str | None, typer.Option("--prompt-name", help="Stored prompt of the model to put in front.")
]
PromptOption: TypeAlias = Annotated[str | None, typer.Option("--prompt", help="Text to put in front of each text.")]
UsePromptsOption: TypeAlias = Annotated[
    bool,
    typer.Option("--use-prompts", help="Put the model's stored query and document prompts in front (embedders only)."),
]
InstructionOption: TypeAlias = Annotated[
    str | None, typer.Option("--instruction", help="What a reranker shall judge by, in place of its default.")
]
ScoreTypeOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--score-type",
        help="cross-encoder, dense (cosine), sparse, colbert (MaxSim), or a mix such as sparse+dense. "
        "\\[default: the model's own way]",
    ),
]
WeightsOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="Of the parts of a mix, with commas, in the order dense, sparse, colbert. \\[default: equal]",
    ),
]
PoolFactorOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--pool-factor", min=1, help="Merge the vectors of a document's tokens to about one in so many (colbert only)."
    ),
]
LoraOption: TypeAlias = Annotated[str | None, typer.Option("--lora", help="Low-rank adapter to run with, by name.")]
