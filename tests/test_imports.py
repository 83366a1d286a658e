"""What must stay cheap must not import what is heavy."""

from __future__ import annotations

import json

import pytest

HEAVY = {
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "huggingface_hub",
    "numpy",
    "scipy",
    "pandas",
    "sklearn",
    "sentence_transformers",
    "fastapi",
    "starlette",
    "uvicorn",
    "pydantic",
    "pydantic_settings",
    "httpx",
    "PIL",
    "triton",
    "pytest",
    "pluggy",
}

REPORT = "; import json, sys; print(json.dumps([m for m in sys.modules if '.' not in m]), file=sys.stderr)"


def modules_after(site, code: str, **variables: str) -> set[str]:
    """Run code in a fresh process and return the top modules that it left loaded."""
    finished = site.python(f"{code}\n{REPORT.removeprefix('; ')}", **variables)
    assert finished.returncode == 0, finished.stderr
    return set(json.loads(finished.stderr.splitlines()[-1]))


def command(*arguments: str) -> str:
    return f"""
import sys
from cenote.cli import main
sys.argv = ["cenote", *{arguments!r}]
try:
    main()
except SystemExit as exc:
    assert not exc.code, exc.code
"""


LISTING = "from cenote.registry import list_plugins; assert list_plugins()"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import cenote; dir(cenote)", id="import cenote"),
        pytest.param("import cenote.errors, cenote.types", id="plain data"),
        pytest.param("import cenote.registry", id="registry"),
        pytest.param(LISTING, id="listing plugins"),
        pytest.param(command("--help"), id="cenote --help"),
        pytest.param(command("--version"), id="cenote --version"),
    ],
)
def test_nothing_heavy_is_imported(site, code):
    assert modules_after(site, code) & HEAVY == set()


@pytest.mark.parametrize(
    "arguments", [("plugins",), ("plugins", "--json"), ("env",), ("embed", "--help"), ("serve", "--help")], ids=" ".join
)
def test_light_commands_import_nothing_heavy_of_their_own(site, arguments):
    # typer itself imports pydantic to convert the options of a command that it runs; serve reads its defaults.
    assert modules_after(site, command(*arguments)) & HEAVY <= {"pydantic", "pydantic_settings"}


def test_import_cenote_does_not_even_scan_entry_points(site):
    assert "importlib_metadata" not in modules_after(site, "import cenote")


def test_help_imports_no_command(site):
    code = (
        command("--help")
        + "\nassert not {m for m in sys.modules if m.startswith('cenote.cli.')} & "
        + ("{'cenote.cli.serve', 'cenote.cli.embed', 'cenote.cli.plugins', 'cenote.cli.env', 'cenote.cli.bench'}")
    )
    modules_after(site, code)


def test_the_check_itself_sees_a_heavy_module(site):
    assert "numpy" in modules_after(site, "import numpy") & HEAVY
