"""`cenote embed`: texts in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cenote.cli.texts import TextCommand, model_guess, read_texts, split_model, texts_after_dashes
from cenote.cli.vectors import Format, write_vectors
from cenote.errors import InvalidRequest, PromptTooLong

if TYPE_CHECKING:
    from cenote import LLM
    from cenote.outputs import EmbeddingRequestOutput

__all__ = ["app", "embed"]

app = typer.Typer(add_completion=False)


@app.command("embed", cls=TextCommand)
def embed(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL] [TEXT]...",
            help="MODEL is a model folder or a hub id like owner/name, and is taken for one where --model is not "
            "given; everything else is text, and so is all that follows --. Without texts, each line of --file or of "
            "standard input is one.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model folder or hub id. \\[default: the demonstration model]")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="UTF-8 file, one text per line; - is stdin.")
    ] = None,
    output: Annotated[
        Format | None,
        typer.Option("--format", help="\\[default: table, or what --save's name says]", show_default=False),
    ] = None,
    save: Annotated[Path | None, typer.Option("--save", "-o", help="Write to this file, not to the terminal.")] = None,
    normalize: Annotated[
        bool | None, typer.Option("--normalize/--no-normalize", help="L2-normalise. \\[default: as the model says]")
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
    named, words = split_model(words or [], model)
    words += texts_after_dashes(ctx)
    params = {"use_activation": normalize, "dimensions": dimensions, "prompt_name": prompt_name, "prompt": prompt}
    options = {"adapter": adapter, "dtype": dtype, "trust_remote_code": trust_remote_code}
    with model_guess(named if model is None else None):
        texts = read_texts(words, file)
        llm = _load(named, options)
    with llm:
        results = _run(llm, texts, params, truncate, "Text" if words else "Line")
    write_vectors(results, texts, output, save)


def _load(model: str | None, options: dict[str, Any]) -> LLM:
    from cenote import LLM

    return LLM(model, **options)


def _run(
    llm: LLM, texts: Sequence[str], params: dict[str, Any], truncate: bool, unit: str
) -> list[EmbeddingRequestOutput]:
    from cenote import PoolingParams

    try:
        return llm.embed(
            list(texts),
            use_tqdm=len(texts) > 100,
            pooling_params=PoolingParams(**params),
            tokenization_kwargs={"truncate_prompt_tokens": -1} if truncate else None,
        )
    except InvalidRequest as exc:
        if exc.index is None:
            raise
        # The engine counts from 0 and names the parameters of its own interface.
        where = f"{unit} {exc.index + 1}"
        if isinstance(exc, PromptTooLong):
            text = f"{where} has more than the {llm.limits.max_tokens} tokens that the model takes. Shorten it, or "
            raise PromptTooLong(f"{text}cut over-long texts with --truncate.", param=exc.param) from exc
        exc.add_note(f"That is {where.lower()}.")
        raise
