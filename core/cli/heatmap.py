"""`cenote heatmap`: a query and a page in, a picture of where the page answers the query out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cenote.cli.arguments import JsonOption, LoraOption, ModelOption, words_argument
from cenote.cli.calls import loaded_model
from cenote.cli.engine_options import engine_flags
from cenote.cli.heatmap_compare import compare
from cenote.cli.heatmap_files import check_folder, check_target, token_files, write_picture
from cenote.cli.heatmap_report import print_comparison, shown_map
from cenote.cli.images import read_pictures
from cenote.cli.query_tokens import choose_tokens
from cenote.cli.texts import TextCommand
from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

__all__ = ["app", "heatmap"]

app = typer.Typer(add_completion=False)


class Kind(StrEnum):
    """What a picture shows."""

    contribution = "contribution"
    mean = "mean"
    max = "max"


@app.command("heatmap", cls=TextCommand)
@engine_flags
def heatmap(
    ctx: typer.Context,
    words: Annotated[list[str] | None, words_argument("PAGE", "An image file.")] = None,
    model: ModelOption = None,
    query: Annotated[str, typer.Option("--query", "-q", help="What is looked for.", show_default=False)] = "",
    save: Annotated[
        Path | None, typer.Option("--save", "-o", help="Write the picture to this file (.png, .jpg, .webp).")
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(
            "--map",
            help="What is painted: what each patch adds to the score, or the mean or maximum over tokens of their "
            "similarity to it. \\[default: contribution; mean for --token and --all-tokens]",
        ),
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="Paint for one token of the query, by its index, or for one word.")
    ] = None,
    all_tokens: Annotated[Path | None, typer.Option(help="Write a picture for each token into this folder.")] = None,
    added_tokens: Annotated[
        bool, typer.Option("--added-tokens", help="Paint for the prefix and filling tokens of the model, too.")
    ] = False,
    opacity: Annotated[float, typer.Option(min=0, max=1, help="Of the strongest colour.")] = 0.6,
    lora: LoraOption = None,
    as_json: JsonOption = False,
    **options: Any,
) -> None:
    """Show where on a page the words of a query find what they look for, and print what the score consists of.

    Example: cenote heatmap TomoroAI/tomoro-colqwen3-embed-4b page.png --query "revenue in 2024" -o map.png
    """
    if not query.strip():
        raise InvalidRequest("There is no query. Give one by --query.", param="query")
    with loaded_model(
        ctx, words, model, options, lambda given: _read(given, options, save, all_tokens), reads_texts=False
    ) as (llm, page):
        found = compare(llm, query, page, lora)
    painted = [each for each in found.tokens if each.is_own or added_tokens]
    if not painted:
        text = "The model gives no vector to any token of the query itself; --added-tokens paints for the others."
        raise InvalidRequest(text, param="query")
    chosen = painted if token is None else choose_tokens(found.tokens, token)
    whole = kind or (Kind.contribution if token is None else Kind.mean)
    shown = shown_map(found, chosen, whole)
    if save is not None:
        _paint(page, shown, whole, opacity, save)
    for path, each in token_files(all_tokens, painted) if all_tokens is not None else ():
        single = kind or Kind.mean
        _paint(page, shown_map(found, [each], single), single, opacity, path)
    print_comparison(found, shown, as_json=as_json)
    if whole is Kind.contribution and not shown.any():
        text = (
            "Note: each token is nearest to text around the image, so that no patch adds to the score; --map mean shows"
        )
        typer.secho(f"{text} similarities.", fg="yellow", err=True)


def _read(words: list[str], options: Mapping[str, Any], save: Path | None, folder: Path | None) -> Image:
    """Return the page, once it is known that what is asked can be written."""
    if len(words) != 1:
        text = f"Name one image file, the page, beside the model; found {len(words)} arguments."
        raise InvalidRequest(text, param="page")
    page = Path(words[0])
    if save is not None:
        check_target(save, page)
    if folder is not None:
        check_folder(folder)
    (picture,) = read_pictures([page], options)
    try:
        return picture.rgb()
    except InvalidRequest as exc:
        raise InvalidRequest(f"{str(page)!r}: {exc}", param="image") from exc


def _paint(page: Image, shown: np.ndarray[Any, Any], kind: Kind, opacity: float, path: Path) -> None:
    from cenote.media import paint_heat

    # What adds nothing to a score is not painted; similarities have no such zero.
    lowest = 0.0 if kind is Kind.contribution else None
    write_picture(paint_heat(page, shown, opacity=opacity, lowest=lowest), path)
