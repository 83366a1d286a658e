"""PDF files written by hand, and a tiny model that sees beside one that reads.

Source of the files' format: ISO 32000-1, 7.5 (structure) and 7.6 (encryption, RC4 with 40 bits).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cenote import LLM
from cenote.registry import ArchitectureSpec, default_registry
from cenote.testing.checkpoints import build_checkpoint

_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
_FILE_ID = bytes(range(16))
_PERMISSIONS = -4


@dataclass(frozen=True)
class PdfPage:
    """One page: its text (a string per line), its size in points, its rotation, and whether it is painted red."""

    text: str = ""
    size: tuple[float, float] = (300, 200)
    rotation: int = 0
    red: bool = False

    def content(self) -> bytes:
        width, height = self.size
        paint = f"1 0 0 rg 0 0 {width / 2} {height} re f 0 g " if self.red else ""
        lines = "".join(f"({line}) Tj 0 -14 Td " for line in self.text.splitlines())
        return f"{paint}BT /F1 10 Tf 10 {height - 20} Td {lines}ET".encode()


def make_pdf(*pages: PdfPage | str, password: str | None = None, owner: str = "owner") -> bytes:
    """Return a PDF file; texts stand for pages of that text."""
    wanted = [page if isinstance(page, PdfPage) else PdfPage(page) for page in pages]
    key, entry = _encryption(password, owner) if password is not None else (b"", b"")
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(wanted)))
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(wanted)}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number, page in enumerate(wanted):
        width, height = page.size
        bodies.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Rotate {page.rotation}"
            f"/Contents {5 + 2 * number} 0 R/Resources<</Font<</F1 3 0 R>>>>>>".encode()
        )
        content = page.content()
        if key:
            content = _rc4(hashlib.md5(key + (5 + 2 * number).to_bytes(3, "little") + b"\0\0").digest()[:10], content)
        bodies.append(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
    return _file(bodies, entry)


def make_bomb(depth: int) -> bytes:
    """Return a file whose page draws a form that draws another one twice, and so on: 2 ** depth rectangles."""
    stream = b"/Length %d>>stream\n%s\nendstream"
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>",
        b"<<" + stream % (5, b"/X Do"),
    ]
    for level in range(depth):
        content = b"/X Do /X Do" if level < depth - 1 else b"0 0 9 9 re f"
        form = b"<</Type/XObject/Subtype/Form/BBox[0 0 99 99]/Resources<</XObject<</X %d 0 R>>>>" % (6 + level)
        bodies.append(form + stream % (len(content), content))
    return _file(bodies, b"")


def _file(bodies: Sequence[bytes], encryption: bytes) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    trailer = b"trailer<</Size %d/Root 1 0 R%s>>" % (len(bodies) + 1, encryption)
    return out + head + table + trailer + b"\nstartxref\n%d\n%%%%EOF\n" % len(out)


def _encryption(password: str, owner: str) -> tuple[bytes, bytes]:
    """Return the key of the file and the entries of its trailer (algorithms 2, 3 and 4, revision 2)."""
    user, own = ((text.encode() + _PADDING)[:32] for text in (password, owner))
    owner_entry = _rc4(hashlib.md5(own).digest()[:5], user)
    permissions = _PERMISSIONS.to_bytes(4, "little", signed=True)
    key = hashlib.md5(user + owner_entry + permissions + _FILE_ID).digest()[:5]
    entry = b"/Encrypt<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P %d>>/ID[<%s><%s>]" % (
        owner_entry.hex().encode(),
        _rc4(key, _PADDING).hex().encode(),
        _PERMISSIONS,
        _FILE_ID.hex().encode(),
        _FILE_ID.hex().encode(),
    )
    return key, entry


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


@pytest.fixture(scope="session")
def pdf_of() -> Callable[..., bytes]:
    """Write PDF files."""
    return make_pdf


@pytest.fixture(scope="session")
def bomb_of() -> Callable[[int], bytes]:
    """Write files that take for ever."""
    return make_bomb


@pytest.fixture(scope="session")
def page_of() -> type[PdfPage]:
    """Describe their pages."""
    return PdfPage


@pytest.fixture(scope="session")
def encoded() -> Callable[..., str]:
    """Write a PDF file as requests hold it."""
    return lambda *pages, **options: base64.b64encode(make_pdf(*pages, **options)).decode()


def ask(llm: LLM, data: Any, **options: Any) -> Any:
    """Return the answer of the processor."""
    given: Any = {"data": data}
    (output,) = llm.encode(given, pooling_task="plugin", **options)
    return output.outputs.data


@pytest.fixture(scope="session")
def asked() -> Callable[..., Any]:
    """Ask a model's processor."""
    return ask


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    """A model that reads text only, 64 tokens of it."""
    folder = build_checkpoint("bert", tmp_path_factory.mktemp("reader") / "bert")
    with LLM(str(folder), io_processor_plugin="pdf-pages", max_model_len=64) as llm:
        yield llm


@pytest.fixture(scope="session")
def vision_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny vision tower of CLIP as transformers saves it, with the settings of its images."""
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel, set_seed

    folder = tmp_path_factory.mktemp("vision") / "tiny-clip-vision"
    set_seed(7)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    CLIPVisionModel(CLIPVisionConfig(**sizes, image_size=32, patch_size=8)).save_pretrained(folder)
    CLIPImageProcessorPil(do_center_crop=False, size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def seeing_folder(vision_folder: Path) -> Iterator[Path]:
    """A checkpoint of a model that sees, while an adapter of the tests can load it."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(Path(__file__).parent)
    spec = ArchitectureSpec(
        name="tiny-vision",
        architectures=("CLIPVisionModel",),
        adapter="tiny_vision:VisionAdapter",
        tasks=("embed", "token_embed"),
        modalities=("image",),
    )
    take_back = default_registry().register("cenote.architectures", "CLIPVisionModel", spec)
    yield vision_folder
    take_back()
    patch.undo()


@pytest.fixture(scope="module")
def seer(seeing_folder: Path) -> Iterator[LLM]:
    """The model."""
    with LLM(str(seeing_folder), io_processor_plugin="pdf-pages") as llm:
        yield llm


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Images of unlike sizes and colours."""
    colours = ("red", "navy", "white", "olive", "black")
    made = [Image.new("RGB", (20 + 13 * place, 70 - 11 * place), colour) for place, colour in enumerate(colours)]
    for place, image in enumerate(made):
        image.paste((0, 255, 40 * place), (2, 3, 11, 9 + place))
    return made
