"""Look-alikes of the models of this plugin, as published and with changed files, and what their own code computes."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.torch import load_file, save_file

from cenote import AsyncLLM
from cenote.server import build_app
from cenote.testing.checkpoints import build_checkpoint

#: From a family, changes of its JSON files and of its tensors' names, to a folder.
Edit = Callable[..., Path]


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build a family once."""
    root = tmp_path_factory.mktemp("nemotron_vl")
    return lru_cache(lambda name: build_checkpoint(name, root / name))


@pytest.fixture(scope="session")
def reference() -> Any:
    """Return what stands beside this file: the models' own computation, in transformers' classes."""
    spec = importlib.util.spec_from_file_location("nemotron_reference", Path(__file__).with_name("reference.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def edited(folder_of: Callable[[str], Path], tmp_path: Path) -> Edit:
    """Copy a family with other files: `{file: entries to change}`, where an entry of None is left out.

    `rename` gives a stored tensor another name, or None to leave it out; `added` are further tensors.
    """

    def edit(
        family: str,
        files: Mapping[str, Mapping[str, Any]] | None = None,
        rename: Callable[[str], str | None] | None = None,
        added: Mapping[str, Any] | None = None,
    ) -> Path:
        folder = tmp_path / f"{family}{len(list(tmp_path.iterdir()))}"
        shutil.copytree(folder_of(family), folder)
        for name, changes in (files or {}).items():
            stored: dict[str, Any] = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
            values = {key: value for key, value in {**stored, **changes}.items() if value is not None}
            (folder / name).write_text(json.dumps(values))
        if rename is not None or added is not None:
            weights = folder / "model.safetensors"
            named = {(rename or str)(name): value for name, value in load_file(weights).items()}
            kept = {name: value for name, value in named.items() if name is not None}
            save_file({**kept, **(added or {})}, weights, {"format": "pt"})
        return folder

    return edit


@pytest.fixture
def posted() -> Callable[..., list[httpx.Response]]:
    """Send bodies to the routes of a server in this process, for what does not need one of its own."""

    def post(folder: Path, *requests: tuple[str, Any], **options: Any) -> list[httpx.Response]:
        async def run() -> list[httpx.Response]:
            engine = AsyncLLM(str(folder), **options)
            transport = httpx.ASGITransport(build_app(engine))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                answers = [await client.post(path, json=body) for path, body in requests]
            await engine.shutdown()
            return answers

        return asyncio.run(run())

    return post
