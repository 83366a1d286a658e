"""Find the page that answers a query, and the patches of it that do: a vector per word, and one per patch of a page.

python examples/pooling/token_embed/colqwen3_token_embed_offline.py --model TomoroAI/tomoro-colqwen3-embed-4b
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cenote import LLM
from cenote.media import paint_heat
from cenote.scoring import similarity_map
from cenote.types import PromptType

QUERY = "What fills a cenote?"
TEXTS = [
    "Bread is baked in the morning.",
    "The water of a cenote comes from the ground, and stands clear and cool.",
    "The train to Mérida leaves at seven.",
]


def page(text: str) -> Image.Image:
    """Return a page with a text on it."""
    image = Image.new("RGB", (640, 400), "white")
    ImageDraw.Draw(image).text((40, 40), textwrap.fill(text, 36), "black", ImageFont.load_default(28))
    return image


def main() -> None:
    """Print the score of each page, and write a picture of where the best one is similar to the query."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="TomoroAI/tomoro-colqwen3-embed-4b", help="folder or hub id")
    parser.add_argument("--query", default=QUERY)
    parser.add_argument("--image", type=Path, action="append", help="a page, in place of those that are drawn here")
    parser.add_argument("--picture", type=Path, help="write the picture to this file")
    arguments = parser.parse_args()

    names = [str(path) for path in arguments.image or ()] or TEXTS
    pages: list[Image.Image] = [Image.open(path) for path in arguments.image or ()]
    pages = pages or [page(text) for text in TEXTS]
    prompts: list[PromptType] = [{"multi_modal_data": {"image": image}} for image in pages]
    with LLM(arguments.model) as llm:
        (query,) = llm.encode([arguments.query], pooling_task="token_embed", role="query", use_tqdm=False)
        found = llm.encode(prompts, pooling_task="token_embed", use_tqdm=False)
        scores = [output.outputs.score for output in llm.score(arguments.query, pages, use_tqdm=False)]

    vectors = query.outputs.data.numpy()
    print(f"{arguments.query}  {len(vectors)} vectors of {vectors.shape[1]} components")
    for name, output, score in zip(names, found, scores, strict=True):
        print(f"  {score:8.4f}  {len(output.outputs.data):4} vectors  {name}")

    best = max(range(len(pages)), key=scores.__getitem__)
    heat = similarity_map(vectors, found[best].outputs.data.numpy(), found[best].outputs.positions or ()).mean(axis=0)
    print(f"best: {names[best]}, {heat.shape[0]} rows of {heat.shape[1]} patches")
    if arguments.picture is not None:
        paint_heat(pages[best], heat).save(arguments.picture)


if __name__ == "__main__":
    main()
