"""`cenote embed`: texts in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cenote.cli.texts import read_texts, split_model
from cenote.cli.vectors import Format, write_vectors

if TYPE_CHECKING:
    from cenote.outputs import EmbeddingRequestOutput

__all__ = ["embed"]


def embed(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL] [TEXT]...",
            help="MODEL is a model folder or a hub id like owner/name, and is taken for one where --model is not "
            "given; everything else is text. Without texts, each line of --file or of standard input is one.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model folder or hub id. [default: the demonstration model]")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="UTF-8 file, one text per line; - is stdin.")
    ] = None,
    output: Annotated[
        Format | None, typer.Option("--format", help="[default: table, or what --save's name says]", show_default=False)
    ] = None,
    save: Annotated[Path | None, typer.Option("--save", "-o", help="Write to this file, not to the terminal.")] = None,
    normalize: Annotated[
        bool | None, typer.Option("--normalize/--no-normalize", help="L2-normalise. [default: as the model says]")
    ] = None,
    dimensions: Annotated[int | None, typer.Option(min=1, help="Cut vectors (matryoshka models only).")] = None,
    truncate: Annotated[bool, typer.Option("--truncate", help="Cut over-long texts instead of refusing them.")] = False,
    prompt_name: Annotated[str | None, typer.Option(help="Stored prompt of the model to put in front.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Text to put in front of each text.")] = None,
    adapter: Annotated[str | None, typer.Option(help="Adapter, by spec or distribution, where several fit.")] = None,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Allow the checkpoint's own code where no adapter fits.")
    ] = False,
) -> None:
    """Embed texts and print or save the vectors.

    Example: cenote embed "a text" "another" --format json
    """
    model, texts = split_model(words or [], model)
    texts = read_texts(texts, file)
    params = {"use_activation": normalize, "dimensions": dimensions, "prompt_name": prompt_name, "prompt": prompt}
    options = {"adapter": adapter, "dtype": dtype, "trust_remote_code": trust_remote_code}
    results = _run(model, texts, params, options, truncate)
    write_vectors(results, texts, output, save)


def _run(
    model: str | None, texts: Sequence[str], params: dict[str, Any], options: dict[str, Any], truncate: bool
) -> list[EmbeddingRequestOutput]:
    from cenote import LLM, PoolingParams

    with LLM(model, **options) as llm:
        return llm.embed(
            list(texts),
            use_tqdm=len(texts) > 100,
            pooling_params=PoolingParams(**params),
            tokenization_kwargs={"truncate_prompt_tokens": -1} if truncate else None,
        )
