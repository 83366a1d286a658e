"""Writing the files of a new plugin: a distribution that installs, is listed and passes its own tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from string import Template

from cenote.authoring.naming import Names, core_requirement, find_names
from cenote.errors import InvalidRequest

__all__ = ["KINDS", "new_plugin"]

#: What can be written, and what the plugin is by its one-line summary.
KINDS: Mapping[str, str] = {
    "model": "An embedder with a pooling method of its own",
    "io-processor": "An IO processor that sorts passages by a question",
    "routes": "HTTP routes of its own",
    "command": "A command of its own",
    "hooks": "Listeners to what an engine does",
}

_SUFFIX = ".template"


def new_plugin(
    name: str,
    *,
    kind: str = "model",
    into: str | Path = ".",
    package: str | None = None,
    commands: Collection[str] = (),
) -> Path:
    """Write a complete plugin into a new folder of its name.

    Args:
        name: name of the distribution, such as `cenote-acme`.
        kind: one of `KINDS`.
        into: folder in which the new one is made.
        package: import name; None makes it of the distribution's.
        commands: names that a command may not have.

    Returns:
        The new folder.

    Raises:
        InvalidRequest: a name is not allowed, or the folder holds something already. Nothing is left behind then.
    """
    if kind not in KINDS:
        raise InvalidRequest(f"There is no kind {kind!r} of plugin. Kinds: {', '.join(KINDS)}.", param="kind")
    names = find_names(name, package)
    if kind == "command" and names.short in commands:
        text = f"{names.short!r} is a command of cenote already. Choose another name."
        raise InvalidRequest(text, param="name")
    target = Path(into).expanduser() / name
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        text = f"{str(target)!r} exists and is no empty folder. Choose another name, or another folder with --into."
        raise InvalidRequest(text, param="into")
    texts = _texts(kind, names)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(texts, target)
    except OSError as exc:
        text = f"Cannot write to {str(target.parent)!r}: {exc.strerror or exc}. Choose another folder with --into."
        raise InvalidRequest(text, param="into") from exc
    return target


def _write(texts: Mapping[str, str], target: Path) -> None:
    """Write everything beside the target, and move it there as a whole: a failure leaves nothing half-written."""
    workshop = Path(tempfile.mkdtemp(prefix=".cenote-new-", dir=target.parent))
    try:
        for relative, text in texts.items():
            path = workshop / target.name / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        (workshop / target.name).replace(target)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _texts(kind: str, names: Names) -> dict[str, str]:
    """Return the files of a plugin: relative path to content."""
    values = {**asdict(names), "summary": KINDS[kind], "requirement": core_requirement()}
    own = _filled(kind.replace("-", "_"), values)
    parts = {"usage": own.pop("usage.md").rstrip(), "entry_points": own.pop("entry_points.toml")}
    texts = _filled("common", values | parts)
    texts[f"src/{names.package}/py.typed"] = ""
    for name, text in own.items():
        texts[f"tests/{name}" if name.startswith("test_") else f"src/{names.package}/{name}"] = text
    return texts


def _filled(folder: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the templates of a folder, filled in: name without suffix to content."""
    found = {}
    for file in (files("cenote.authoring") / "templates" / folder).iterdir():
        if file.name.endswith(_SUFFIX):
            text = file.read_text(encoding="utf-8")
            found[file.name.removesuffix(_SUFFIX)] = Template(text).substitute(values)
    return found
