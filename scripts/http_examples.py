"""Run the curl lines of docs/http.md against a live server, and write what they print beneath them.

    python scripts/http_examples.py

The server has the real all-MiniLM-L6-v2, and small stand-ins for the other models. Long answers are shortened.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cenote.checkpoints.default import default_model
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.live import serving
from cenote.testing.loras import build_lora
from cenote.testing.pictures import sample_picture

__all__ = ["DOCUMENT", "Example", "Examples", "examples", "live_examples", "shorten"]

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "http.md"

#: What the document writes, in place of which a run has places of its own.
_ADDRESS = "http://127.0.0.1:8000"
#: Folders, by what the document calls them.
_FOLDERS = {"/adapters/": "adapters", "/pages/": "scans"}
_STAND_INS: dict[str, tuple[str, dict[str, Any]]] = {
    "moods": ("bert_classifier", {}),
    "ranker": ("ms_marco_minilm", {}),
    "words": ("splade", {}),
    "short": ("bert", {"config": {"is_matryoshka": True}}),
    "pages": ("colqwen3", {}),
}
_BLOCK = re.compile(r"^```console( \d+)?\n\$ (.+)\n((?:(?!```).*\n)*)```$", flags=re.MULTILINE)
_WIDTH, _LINES, _NUMBERS, _ITEMS = 118, 8, 3, 2


@dataclass(frozen=True)
class Example:
    """One block: the curl line, the status that it is to have, and what stands beneath it."""

    command: str
    status: int
    shown: str


class Examples:
    """Runs curl lines of the document on a server."""

    def __init__(self, address: str, folder: Path) -> None:
        """Make a runner.

        Args:
            address: of the server.
            folder: holds the adapters and the page; commands run in it.
        """
        self.address, self._folder = address, folder
        self._folders = {shown: f"{folder / name}/" for shown, name in _FOLDERS.items()}

    def run(self, command: str) -> tuple[int, str]:
        """Return the status of the answer, and what the command prints."""
        places = command.replace(_ADDRESS, self.address)
        for shown, folder in self._folders.items():
            places = places.replace(shown, folder)
        head = self._folder / "head"
        line = places.replace("curl -s", f"curl -s -D {head}", 1)
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, cwd=self._folder, timeout=60, check=True
        )
        printed = done.stdout
        for shown, folder in self._folders.items():
            printed = printed.replace(folder, shown)
        return int(head.read_text().split()[1]), printed


@contextlib.contextmanager
def live_examples(folder: Path) -> Iterator[Examples]:
    """Serve the document's models while the context lasts; the folder is an empty one."""
    model = default_model()
    named = {"all-MiniLM-L6-v2": model}
    for name, (family, settings) in _STAND_INS.items():
        named[name] = str(build_checkpoint(family, folder / name, **settings))
    (folder / "adapters").mkdir()
    build_lora(model, folder / "adapters" / "legal", targets=["query", "value"])
    (folder / "scans").mkdir()
    sample_picture(96, 64).save(folder / "scans" / "page.png")
    lora = ("--enable-runtime-lora-updating", "--allowed-lora-path", str(folder / "adapters"))
    models = [f"{name}={path}" for name, path in named.items()]
    others = ("--enable-tokenizer-info-endpoint", "--io-processor-plugin", "sparse-terms")
    media = ("--allowed-local-media-path", str(folder / "scans"))
    with serving(folder / "server.log", *models, *lora, *others, *media) as address:
        yield Examples(address, folder)


def examples(text: str) -> list[Example]:
    """Return the blocks of a document, in order."""
    found = _BLOCK.finditer(text)
    return [Example(block[2], int(block[1] or 200), block[3]) for block in found]


def shorten(printed: str) -> str:
    """Return an answer as the document shows it: few numbers of a list, few items, few lines."""
    with contextlib.suppress(ValueError):
        printed = _json(json.loads(printed))
    wrapped = [part for line in printed.strip().splitlines() for part in _wrap(line)]
    return "\n".join(wrapped if len(wrapped) <= _LINES else [*wrapped[:_LINES], "..."])


def _wrap(line: str) -> list[str]:
    return textwrap.wrap(line, _WIDTH, break_on_hyphens=False, drop_whitespace=True) or [""]


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        most = _ITEMS if value and isinstance(value[0], (dict, list)) else _NUMBERS
        kept = [_json(item) for item in value[: most if len(value) > most + 3 or most == _ITEMS else None]]
        rest = len(value) - len(kept)
        return "[" + ", ".join([*kept, *([f"... {rest} more"] if rest else [])]) + "]"
    if isinstance(value, str) and len(value) > 200:
        return json.dumps(value[:60] + "...")
    return json.dumps(round(value, 6) if isinstance(value, float) else value, ensure_ascii=False)


def main() -> None:
    """Write the document anew."""
    text = DOCUMENT.read_text()
    with tempfile.TemporaryDirectory() as folder, live_examples(Path(folder)) as runner:

        def answer(block: re.Match[str]) -> str:
            status, printed = runner.run(block[2])
            if status != int(block[1] or 200):
                raise SystemExit(f"{block[2]}\nanswered {status}: {printed[:500]}")
            shown = shorten(printed)
            return f"```console{block[1] or ''}\n$ {block[2]}\n" + (f"{shown}\n" if shown else "") + "```"

        text = _BLOCK.sub(answer, text)
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
