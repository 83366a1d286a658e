"""`cenote rerank`: a query and documents in, the documents by score out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cenote.cli.arguments import (
    FileOption,
    ImageOption,
    InstructionOption,
    JsonOption,
    LoraOption,
    ModelOption,
    PoolFactorOption,
    RawOption,
    ScoreTypeOption,
    TruncateOption,
    UsePromptsOption,
    WeightsOption,
    words_argument,
)
from cenote.cli.calls import loaded_model, naming_inputs
from cenote.cli.engine_options import engine_flags
from cenote.cli.images import named_with_images, read_pictures
from cenote.cli.pairs import name_sides, score_arguments, split_weights
from cenote.cli.show import print_json, print_table
from cenote.cli.texts import TextCommand, named_text, read_texts
from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from cenote.media import Picture
    from cenote.scoring.texts import ScoreItem

__all__ = ["app", "rerank"]

app = typer.Typer(add_completion=False)


@app.command("rerank", cls=TextCommand)
@engine_flags
def rerank(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        words_argument(
            "QUERY [DOCUMENT]...",
            "A query and its documents; without documents and images, each line of --file or of standard input is one.",
        ),
    ] = None,
    model: ModelOption = None,
    file: FileOption = None,
    image: ImageOption = None,
    top_n: Annotated[int | None, typer.Option(min=1, help="Show only the best so many. \\[default: all]")] = None,
    instruction: InstructionOption = None,
    score_type: ScoreTypeOption = None,
    use_prompts: UsePromptsOption = False,
    weights: WeightsOption = None,
    pool_factor: PoolFactorOption = None,
    truncate: TruncateOption = False,
    raw: RawOption = False,
    lora: LoraOption = None,
    as_json: JsonOption = False,
    **options: Any,
) -> None:
    """Sort documents by how well they answer a query, best first.

    Example: cenote rerank "What is a cenote?" "A natural pit." "Bread needs flour."
    """
    shares = split_weights(weights)  # before a model is loaded
    images = image or []
    with loaded_model(ctx, words, model, options, lambda given: _read(given, file, images, options)) as (llm, read):
        query, texts, pictures, by_argument = read
        named = named_with_images(named_text(by_argument=by_argument, unit="Document"), len(texts), images)
        task, name = name_sides(llm, score_type, 1, lambda _: "The query", named)
        documents: list[ScoreItem] = [*texts, *({"image": picture} for picture in pictures)]
        asked = score_arguments(
            len(documents),
            truncate=truncate,
            raw=raw,
            instruction=instruction,
            score_type=score_type,
            use_prompts=use_prompts,
            weights=shares,
            pool_factor=pool_factor,
            lora=lora,
        )
        with naming_inputs(llm, task, name, 1 + len(texts)):
            results = llm.rerank(query, documents, top_n=top_n, **asked)
    shown = [*texts, *map(str, images)]
    if as_json:
        print_json([{"index": item.index, "score": item.score, "document": shown[item.index]} for item in results])
        return
    rows = (
        [str(rank), f"{item.score:.4f}", str(item.index), shown[item.index]] for rank, item in enumerate(results, 1)
    )
    print_table(["rank", "score", "index", "document"], ["document"], rows)


def _read(
    words: list[str], file: Path | None, images: list[Path], options: dict[str, Any]
) -> tuple[str, list[str], list[Picture], bool]:
    """Return the query, the documents (texts and images), and whether the texts came as arguments."""
    if not words:
        text = "There is no query. Give it as the first text, and documents after it, by --file or on standard input."
        raise InvalidRequest(text, param="query")
    pictures = read_pictures(images, options)
    texts = read_texts(words[1:], file) if words[1:] or file is not None or not images else []
    return words[0], texts, pictures, len(words) > 1
