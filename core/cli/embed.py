"""`cenote embed`: texts in, vectors out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from cenote.cli.arguments import (
    FileOption,
    ImageOption,
    JsonOption,
    LoraOption,
    ModelOption,
    PromptNameOption,
    PromptOption,
    RoleOption,
    TruncateOption,
    words_argument,
)
from cenote.cli.calls import CUT, check_results, loaded_model, naming_inputs
from cenote.cli.engine_options import engine_flags
from cenote.cli.forms import split_forms, write_forms
from cenote.cli.images import named_with_images, read_pictures
from cenote.cli.terminal import wants_bar
from cenote.cli.texts import TextCommand, named_text, read_texts
from cenote.cli.vectors import Format, choose_form, write_vectors
from cenote.errors import InvalidRequest
from cenote.outputs import check_output_dtype
from cenote.tasks import FORMS, form_tasks
from cenote.types import MediaPrompt, PromptType, Role

if TYPE_CHECKING:
    from cenote.media import Picture

__all__ = ["app", "embed"]

app = typer.Typer(add_completion=False)


@app.command("embed", cls=TextCommand)
@engine_flags
def embed(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        words_argument("[TEXT]...", "Texts; without any, each line of --file or of standard input is one."),
    ] = None,
    model: ModelOption = None,
    file: FileOption = None,
    image: ImageOption = None,
    output: Annotated[
        Format | None,
        typer.Option("--format", help="\\[default: table, or what --save's name says]", show_default=False),
    ] = None,
    forms: Annotated[
        str,
        typer.Option("--output", help="What to give: dense, sparse, multi, or several with commas (from one pass)."),
    ] = "dense",
    precision: Annotated[
        str | None,
        typer.Option(
            "--output-dtype",
            help="Precision of vectors: float16, int8, uint8, binary, ubinary, or what a plugin offers; 8-bit integers "
            "want normalised ones. \\[default: float32]",
        ),
    ] = None,
    save: Annotated[Path | None, typer.Option("--save", "-o", help="Write to this file, not to the terminal.")] = None,
    normalize: Annotated[
        bool | None, typer.Option("--normalize/--no-normalize", help="L2-normalise. \\[default: as the model says]")
    ] = None,
    dimensions: Annotated[int | None, typer.Option(min=1, help="Cut vectors (matryoshka models only).")] = None,
    pool_factor: Annotated[
        int | None,
        typer.Option(min=1, help="Merge vectors of tokens to about one in so many (--output multi; not for queries)."),
    ] = None,
    truncate: TruncateOption = False,
    role: RoleOption = None,
    prompt_name: PromptNameOption = None,
    prompt: PromptOption = None,
    lora: LoraOption = None,
    as_json: JsonOption = False,
    **options: Any,
) -> None:
    """Embed texts and images, and print or save the vectors.

    Example: cenote embed "a text" "another" --format json
    """
    if as_json and output not in (None, Format.json):
        raise InvalidRequest(f"--json contradicts --format {output.value}; give one of them.", param="format")
    if precision is not None:
        check_output_dtype(precision)  # before the model is loaded
    names = split_forms(forms)
    tasks = form_tasks(names, param="output")
    if pool_factor is not None and FORMS["multi"] not in tasks:
        raise InvalidRequest("--pool-factor merges vectors of tokens: ask for --output multi.", param="pool_factor")
    output = choose_form(Format.json if as_json else output, save, is_matrix=tasks == ("embed",))
    images = image or []
    with loaded_model(ctx, words, model, options, lambda given: _read(given, file, images, options)) as (llm, read):
        from cenote import PoolingParams

        texts, pictures, by_argument = read
        seen: list[MediaPrompt] = [{"multi_modal_data": {"image": picture}} for picture in pictures]
        prompts: list[PromptType] = [*texts, *seen]
        name = named_with_images(named_text(by_argument=by_argument), len(texts), images)
        asked: dict[str, Any] = {
            "pooling_params": PoolingParams(use_activation=normalize, dimensions=dimensions),
            "output_dtype": precision,
            "use_tqdm": wants_bar(len(prompts)),
            "tokenization_kwargs": CUT if truncate else None,
            "role": cast("Role | None", role),
            "prompt_name": prompt_name,
            "prompt": prompt,
            "lora": lora,
            "pool_factor": pool_factor,
        }
        with naming_inputs(llm, tasks[0], name, len(texts)):
            if tasks == ("embed",):
                vectors = llm.encode(prompts, pooling_task="embed", **asked)
                check_results(vectors, name)
            else:
                several = llm.encode(prompts, outputs=names, **asked)
                check_results(several, name)
    shown: list[str | Path] = [*texts, *images]
    if tasks == ("embed",):
        write_vectors(vectors, shown, output, save)
    else:
        write_forms(several, shown, output, save)


def _read(
    words: list[str], file: Path | None, images: list[Path], options: dict[str, Any]
) -> tuple[list[str], list[Picture], bool]:
    """Return texts and images, and whether the texts came as arguments; images alone need no text."""
    pictures = read_pictures(images, options)
    texts = read_texts(words, file) if words or file is not None or not images else []
    return texts, pictures, bool(words)
