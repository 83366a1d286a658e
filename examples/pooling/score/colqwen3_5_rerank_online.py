"""Sort texts, pages and a video in one list by how well they answer a query, with a server's `/rerank` route.

Start a server first, with the plugin installed (with its extra `video` for videos):

    cenote serve athrael-soju/colqwen3.5-4.5B-v3
    python examples/pooling/score/colqwen3_5_rerank_online.py --host 127.0.0.1 --port 8000

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


def as_item(kind: str, address: str) -> dict[str, Any]:
    """Return an image or a video as `/rerank` and `/score` take it."""
    return {"content": [{"type": kind, kind: {"url": address}}]}


def main() -> None:
    """Print everything, best first, and the same scores in the order given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", help="a served name; the server's first model where it is left out")
    parser.add_argument("--query", default=QUERY)
    parser.add_argument("--image", type=Path, action="append", help="a page, in place of those that are drawn here")
    parser.add_argument("--video", type=Path, action="append", help="a video to sort with the rest")
    arguments = parser.parse_args()
    url = f"http://{arguments.host}:{arguments.port}"

    names = [f"text:  {text}" for text in TEXTS]
    documents: list[Any] = list(TEXTS)
    drawn = [(text, page(text)) for text in TEXTS]
    for name, address in [(str(path), from_file(path)) for path in arguments.image or ()] or drawn:
        names.append(f"page:  {name}")
        documents.append(as_item("image_url", address))
    for path in arguments.video or ():
        names.append(f"video: {path}")
        documents.append(as_item("video_url", from_file(path)))

    print("/rerank")
    body = {"model": arguments.model, "query": arguments.query, "documents": documents, "return_documents": False}
    for result in post(f"{url}/rerank", body)["results"]:
        print(f"{result['relevance_score']:9.4f}  {names[result['index']]}")

    print("/score")
    body = {"model": arguments.model, "data_1": arguments.query, "data_2": documents}
    for name, item in zip(names, post(f"{url}/score", body)["data"], strict=True):
        print(f"{item['score']:9.4f}  {name}")


if __name__ == "__main__":
    main()
