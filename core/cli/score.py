"""`cenote score`: pairs of texts in, one score each out."""

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
from cenote.cli.calls import check_results, loaded_model, naming_inputs
from cenote.cli.engine_options import engine_flags
from cenote.cli.images import named_with_images, read_pictures
from cenote.cli.pairs import name_sides, score_arguments, split_weights
from cenote.cli.show import print_json, print_table
from cenote.cli.texts import TextCommand, read_pairs
from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from cenote.media import Picture
    from cenote.scoring.texts import ScoreItem

__all__ = ["app", "score"]

app = typer.Typer(add_completion=False)


@app.command("score", cls=TextCommand)
@engine_flags
def score(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        words_argument(
            "[QUERY TEXT...]",
            "The first text is scored with each other one, and with each image. Without texts, each line of --file or "
            'of standard input is a pair: two texts with a tab between them, or JSON as \\["a", "b"].',
        ),
    ] = None,
    model: ModelOption = None,
    file: FileOption = None,
    image: ImageOption = None,
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
    """Score pairs of texts, or a text with images, in the order given.

    Example: cenote score "What is a cenote?" "A natural pit." "Bread needs flour."
    """
    shares = split_weights(weights)  # before a model is loaded
    images = image or []
    with loaded_model(ctx, words, model, options, lambda given: _read(given, file, images, options)) as (llm, read):
        queries, texts, pictures, by_argument = read
        unit = "Text" if by_argument else "Line"
        first = 2 if by_argument else 1
        named = named_with_images(lambda at: f"{unit} {at + first}", len(texts), images)
        task, name = name_sides(llm, score_type, len(queries), lambda at: f"{unit} {at + 1}", named)
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
        with naming_inputs(llm, task, name, len(queries) + len(texts)):
            results = llm.score(queries, documents, **asked)
    check_results(results, named)
    shown: list[str | Path] = [*texts, *images]
    asking = queries * len(shown) if by_argument else queries
    values = [result.outputs.score for result in results]
    both = list(zip(asking, shown, values, strict=True))
    if as_json:
        print_json([_record(at, *each) for at, each in enumerate(both)])
        return
    rows = ([f"{value:.4f}", query, str(text)] for query, text, value in both)
    print_table(["score", "text 1", "text 2"], ["text 1", "text 2"], rows)


def _record(index: int, query: str, text: str | Path, value: float) -> dict[str, Any]:
    second = {"text_2": text} if isinstance(text, str) else {"image_2": str(text)}
    return {"index": index, "text_1": query, **second, "score": value}


def _read(
    words: list[str], file: Path | None, images: list[Path], options: dict[str, Any]
) -> tuple[list[str], list[str], list[Picture], bool]:
    """Return queries, texts, images, and whether the texts came as arguments."""
    if images and not words:
        raise InvalidRequest("Images are scored with a query. Give it as the first text.", param="query")
    if len(words) == 1 and not images:
        raise InvalidRequest("One text alone has no score; give another one to score it with.", param="text")
    if words and file is not None:
        raise InvalidRequest("Give texts as arguments or by --file, not both.", param="file")
    if words:
        return words[:1], words[1:], read_pictures(images, options), True
    pairs = read_pairs([], file)
    return [query for query, _ in pairs], [text for _, text in pairs], [], False
