"""Write the generated parts of docs/plugins/: interfaces as they stand in the code, built-in users, examples.

Run by `make docs`; tests/test_plugin_docs.py fails when a page is not in step. Modules are read, not imported.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from interfaces import public_import, render
from kit import render_kit

from cenote.registry.points import POINTS, ExtensionPoint
from cenote.testing.bench import table

__all__ = ["documents", "main"]

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "plugins" / "points"
ACME = ROOT / "tests" / "strangers" / "acme"

#: What else an author of such a plugin meets, beside the interface of the point.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "architectures": (
        "cenote.adapters.base:ModelAdapter",
        "cenote.adapters.base:PoolingModel",
        "cenote.adapters.base:LoadOptions",
        "cenote.adapters.pauses:reentrant",
        "cenote.registry.spec:CheckpointFacts",
        "cenote.types:ModelLimits",
        "cenote.types:PreparedInput",
        "cenote.types:PackedBatch",
    ),
    "poolers": ("cenote.poolers.base:Pooler", "cenote.types:PoolingBatch", "cenote.types:PoolingRow"),
    "scorers": ("cenote.scoring.base:ScoreInput",),
    "media_loaders": ("cenote.media.base:MediaPolicy",),
    "kernels": (
        "cenote.kernels.l2_normalize.reference:l2_normalize",
        "cenote.kernels.segment_pool.reference:segment_pool",
        "cenote.kernels.term_max.reference:term_max",
        "cenote.kernels.linear.reference:prepare_linear",
        "cenote.kernels.varlen_attention.reference:varlen_attention",
        "cenote.kernels.residual_norm.reference:residual_norm",
        "cenote.kernels.bias_act.reference:bias_act",
        "cenote.kernels.rotary.reference:rotary",
        "cenote.kernels.maxsim.reference:maxsim",
    ),
    "io_processors": (
        "cenote.io_processors.context:ProcessorContext",
        "cenote.io_processors.context:RequestContext",
        "cenote.io_processors.context:Encoding",
    ),
    "routes": ("cenote.server.route_context:RouteContext", "cenote.server.route_context:RouteModel"),
    "hooks": tuple(
        f"cenote.hooks.events:{name}"
        for name in ("ModelLoaded", "ServerStarted", "ServerStopping", "RequestDone", "BatchDone")
    ),
}

_KIT = (
    "cenote.testing.adapter:AdapterConformance",
    "cenote.testing.poolers:PoolerConformance",
    "cenote.testing.processors:IOProcessorConformance",
    "cenote.testing.kernels:KernelConformance",
    "cenote.testing.codecs:OutputCodecConformance",
    "cenote.testing.scorers:ScorerConformance",
)

#: Files of the example, in the order in which they are read.
_EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "architectures": ("__init__", "adapter", "lookalike"),
    "convert_rules": ("rules",),
    "poolers": ("pooling",),
    "tasks": ("task",),
    "scorers": ("scoring",),
    "output_codecs": ("codec",),
    "media_loaders": ("media",),
    "kernels": ("kernel",),
    "io_processors": ("processor",),
    "commands": ("command",),
    "routes": ("routes",),
    "hooks": ("hooks",),
}


def documents() -> dict[Path, str]:
    """Return what each page, and the list of pages, must hold."""
    blocks = {PAGES / f"{point.short_name}.md": _blocks(point) for point in POINTS}
    blocks[PAGES.parent / "README.md"] = {"points": _list_of_points()}
    blocks[PAGES.parent / "testing.md"] = {"kit": "\n\n".join(render_kit(path) for path in _KIT)}
    pages = sorted(PAGES.parent.rglob("*.md"))
    return {path: _included(_filled(path.read_text(), blocks.get(path, {}))) for path in pages}


def main() -> None:
    """Write the files that differ."""
    for path, text in documents().items():
        if path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")


def _filled(text: str, blocks: Mapping[str, str]) -> str:
    def block(match: re.Match[str]) -> str:
        return f"<!-- generated: {match[1]} -->\n{blocks[match[1]]}\n<!-- end -->"

    return re.sub(r"<!-- generated: (\w+) -->\n.*?<!-- end -->", block, text, flags=re.DOTALL)


def _included(text: str) -> str:
    """Put files in place of what stands between `<!-- include: PATH -->` and `<!-- end -->`."""

    def block(match: re.Match[str]) -> str:
        path = ROOT / match[1]
        return f"<!-- include: {match[1]} -->\n```python\n{path.read_text().rstrip()}\n```\n<!-- end -->"

    return re.sub(r"<!-- include: (\S+) -->\n.*?<!-- end -->", block, text, flags=re.DOTALL)


def _blocks(point: ExtensionPoint) -> dict[str, str]:
    name = point.short_name
    interfaces = (point.interface, *_ALSO.get(name, ()))
    return {
        "facts": _facts(point),
        "interface": "\n\n".join(render(path) for path in interfaces),
        "users": _users(point.group),
        "example": _example(point.group, name),
    }


def _facts(point: ExtensionPoint) -> str:
    rows = [
        ["group", f"`{point.group}`"],
        ["the entry's name is", point.names],
        ["it points at", point.target],
        ["interface", f"`{public_import(point.interface)}`"],
        ["imported", point.loaded],
        ["checked by", f"`{public_import(point.check)}`"],
        ["to switch one off", f"`--disable-plugins {point.short_name}/NAME`"],
    ]
    return table(["", ""], rows, align="ll")


def _users(group: str) -> str:
    """List the entry points of this repository's distributions, one row per target."""
    found: dict[tuple[str, str], list[str]] = {}
    files = [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    for path in [*files, *sorted(ROOT.glob("io_processors/*/pyproject.toml"))]:
        project = tomllib.loads(path.read_text())["project"]
        for name, target in project.get("entry-points", {}).get(group, {}).items():
            found.setdefault((project["name"], target), []).append(f"`{name}`")
    rows = [[", ".join(names), f"`{target}`", distribution] for (distribution, target), names in found.items()]
    return table(["name", "target", "distribution"], rows, align="lll")


def _example(group: str, name: str) -> str:
    header = f'[project.entry-points."{group}"]' if "." in group else f"[project.entry-points.{group}]"
    entries = (ACME / "pyproject.toml").read_text().partition(f"{header}\n")[2].partition("\n\n")[0]
    parts = [f"`pyproject.toml`:\n\n```toml\n{header}\n{entries.strip()}\n```"]
    for file in _EXAMPLES[name]:
        path = f"src/cenote_acme/{file}.py"
        parts.append(f"`{path}`:\n\n```python\n{(ACME / path).read_text().rstrip()}\n```")
    return "\n\n".join(parts)


def _list_of_points() -> str:
    rows = [
        [f"[{point.short_name}](points/{point.short_name}.md)", f"`{point.group}`", point.names, point.target]
        for point in POINTS
    ]
    return table(["page", "group", "the entry's name is", "it points at"], rows, align="llll")


if __name__ == "__main__":
    main()
