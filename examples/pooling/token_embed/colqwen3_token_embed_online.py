"""Find the page that answers a query by the vectors of a server's `/pooling` route: one per word or patch of a page.

Start a server first, with the plugin installed:

    cenote serve TomoroAI/tomoro-colqwen3-embed-4b
    python examples/pooling/token_embed/colqwen3_token_embed_online.py --host 127.0.0.1 --port 8000

Pages are drawn here, or given with --image. They go into the request as data URLs, so that the server fetches nothing.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import mimetypes
import os
import textwrap
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

QUERY = "What fills a cenote?"
TEXTS = [
    "Bread is baked in the morning.",
    "The water of a cenote comes from the ground, and stands clear and cool.",
    "The train to Mérida leaves at seven.",
]


def page(text: str) -> str:
    """Return a page with a text on it, as a data URL."""
    image = Image.new("RGB", (640, 400), "white")
    ImageDraw.Draw(image).text((40, 40), textwrap.fill(text, 36), "black", ImageFont.load_default(28))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def from_file(path: Path) -> str:
    """Return a file as a data URL."""
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("CENOTE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=300) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def query_vectors(url: str, model: str | None, text: str) -> np.ndarray:
    """Return [vectors, components] of a query."""
    body = {"model": model, "task": "token_embed", "input_type": "query", "input": text}
    return np.array(post(f"{url}/pooling", body)["data"][0]["data"], np.float32)


def page_vectors(url: str, model: str | None, image: str) -> tuple[np.ndarray, list[Any]]:
    """Return [vectors, components] of a page, and where each belongs: a patch [row, column], or a token of text."""
    content = [{"type": "image_url", "image_url": {"url": image}}]
    body = {
        "model": model,
        "task": "token_embed",
        "messages": [{"role": "user", "content": content}],
        "return_positions": True,
    }
    (found,) = post(f"{url}/pooling", body)["data"]
    return np.array(found["data"], np.float32), found["positions"]


def main() -> None:
    """Print the MaxSim score of each page, and the patches of the best one that answer the query most."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", help="a served name; the server's first model where it is left out")
    parser.add_argument("--query", default=QUERY)
    parser.add_argument("--image", type=Path, action="append", help="a page, in place of those that are drawn here")
    arguments = parser.parse_args()
    url = f"http://{arguments.host}:{arguments.port}"

    names = [str(path) for path in arguments.image or ()] or TEXTS
    images = [from_file(path) for path in arguments.image or ()] or [page(text) for text in TEXTS]
    query = query_vectors(url, arguments.model, arguments.query)
    print(f"{arguments.query}  {len(query)} vectors of {query.shape[1]} components")
    pages = [page_vectors(url, arguments.model, image) for image in images]
    scores = [float((query @ rows.T).max(axis=1).sum()) for rows, _ in pages]
    for name, (rows, _), score in zip(names, pages, scores, strict=True):
        print(f"  {score:8.4f}  {len(rows):4} vectors  {name}")

    best = int(np.argmax(scores))
    rows, positions = pages[best]
    patches = [place for place, at in enumerate(positions) if isinstance(at, list)]
    nearest = (query @ rows[patches].T).max(axis=0)
    print(f"best: {names[best]}")
    for place in np.argsort(-nearest)[:3]:
        row, column = positions[patches[place]]
        print(f"  {nearest[place]:8.4f}  row {row}, column {column}")


if __name__ == "__main__":
    main()
