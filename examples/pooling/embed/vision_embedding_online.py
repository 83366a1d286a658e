"""Find the page that answers a query, with one vector for each page and description from `/v1/embeddings`.

Start a server first, with the plugin installed; no chat template is needed:

    cenote serve nvidia/llama-nemotron-embed-vl-1b-v2
    python examples/pooling/embed/vision_embedding_online.py --host 127.0.0.1 --port 8000

The role of a message says what it is for: `query` or `document`. Pages are drawn here, or given with --image. They go
into the request as data URLs, so that the server fetches nothing.
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


def embed(url: str, model: str | None, role: str, *parts: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Return the vector of a message."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("CENOTE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    body = json.dumps({"model": model, "messages": [{"role": role, "content": parts}]}).encode()
    request = urllib.request.Request(f"{url}/v1/embeddings", body, headers)
    with urllib.request.urlopen(request, timeout=300) as answer:
        return np.array(json.load(answer)["data"][0]["embedding"], np.float32)


def main() -> None:
    """Print the cosine of the query with each text, each page, and each page with its text, best first."""
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
    texts = [{"type": "text", "text": name} for name in names]
    pages = [{"type": "image_url", "image_url": {"url": image}} for image in images]

    query = embed(url, arguments.model, "query", {"type": "text", "text": arguments.query})
    print(f"query: {len(query)} components")
    forms: dict[str, list[tuple[dict[str, Any], ...]]] = {
        "text": [(text,) for text in texts],
        "page": [(image,) for image in pages],
        "page with text": list(zip(pages, texts, strict=True)),
    }
    for form, documents in forms.items():
        print(form)
        vectors = [embed(url, arguments.model, "document", *parts) for parts in documents]
        cosines = np.array([query @ vector for vector in vectors])
        for place in np.argsort(-cosines):
            print(f"{cosines[place]:9.4f}  {names[place]}")


if __name__ == "__main__":
    main()
