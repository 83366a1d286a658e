"""The documents: generated parts are in step, links lead somewhere, examples run, every variable is listed."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
from pathlib import Path

import pytest

from cenote.config.server import ServerConfig

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])
FRAGMENTS = sorted(path for path in (ROOT / "changelog").iterdir() if path.name != "README.md")
KINDS = ("breaking", "added", "changed", "fixed", "faster")


def test_generated_tables_are_in_step_with_specs_and_families() -> None:
    documents = runpy.run_path(str(ROOT / "scripts" / "tables.py"))["documents"]()
    stale = [str(path.relative_to(ROOT)) for path, text in documents.items() if path.read_text() != text]
    assert stale == [], "run: make docs"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text())
    local = [target for target in targets if not target.startswith(("http://", "https://"))]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_make_targets_that_documents_name_exist() -> None:
    defined = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {name for path in DOCUMENTS for name in re.findall(r"(?:`|\$ )make ([a-z-]+)", path.read_text())}
    assert named - defined == set()


def test_the_python_example_of_the_readme_prints_what_it_says() -> None:
    found = re.search(r"```python\n(.*?)```\n+```text\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert found is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(found[1], "README.md", "exec"), {"__name__": "readme"})
    assert printed.getvalue() == found[2]


def test_every_environment_variable_is_in_the_table() -> None:
    page = (ROOT / "docs" / "environment.md").read_text()
    listed = set(re.findall(r"^\| `(CENOTE_\w+)`", page, flags=re.MULTILINE))
    sources = "\n".join(path.read_text() for path in (ROOT / "core").rglob("*.py"))
    read = set(re.findall(r"\bCENOTE_[A-Z][A-Z_]*[A-Z]\b", sources))
    settings = {f"CENOTE_{name.upper()}" for name in ServerConfig.model_fields}
    assert listed == read | settings


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_changelog_fragment_is_named_by_its_kind_and_is_a_sentence(path: Path) -> None:
    assert re.fullmatch(rf"[a-z0-9-]+\.({'|'.join(KINDS)})\.md", path.name)
    text = path.read_text()
    assert re.fullmatch(r"[A-Z`].*\.\n", text, flags=re.DOTALL), "one full sentence, or a few"
