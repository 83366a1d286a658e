"""A stranger's plugin beside an installed cenote: what the command line says of it and does with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any


def _rows(venv: Any) -> dict[str, dict[str, Any]]:
    listed = json.loads(venv.cenote("plugins", "list", "--json").stdout)
    return {row["kind"]: row for row in listed["plugins"] if row["distribution"] == "cenote-acme"}


def test_nothing_comes_from_a_checkout(installed: Any) -> None:
    code = "import cenote, cenote_acme, importlib.metadata as m; print(cenote.__file__, cenote_acme.__file__)"
    places = installed.run_python(code + "; print(*{d.name for d in m.distributions() if 'cenote' in d.name})").stdout
    paths, names = places.splitlines()
    assert all(Path(path).is_relative_to(installed.folder) for path in paths.split())
    assert set(names.split()) == {"cenote", "cenote-acme"}


def test_the_help_shows_the_command_and_imports_none_of_the_plugin(installed: Any) -> None:
    code = "import sys, atexit; atexit.register(lambda: print('cenote_acme' in sys.modules)); "
    shown = installed.run_python(code + "from cenote.cli import main; sys.argv[1:] = ['--help']; main()")
    assert "acme-hello" in shown.stdout
    assert "from cenote-acme 0.1.0" in shown.stdout
    assert shown.stdout.endswith("False\n")


def test_the_command_runs(installed: Any) -> None:
    assert installed.cenote("acme-hello", "cenote").stdout == "Acme greets cenote.\n"


def test_everything_that_it_offers_is_listed(installed: Any) -> None:
    rows = _rows(installed)
    assert {kind: row["name"] for kind, row in rows.items()} == {
        "architecture": "acme",
        "convert rule": "acme-search",
        "pooler": "ACME_PEAK",
        "task": "acme_strength",
        "scorer": "acme-nearness",
        "output codec": "acme-ternary",
        "media loader": "acme",
        "kernel": "l2_normalize:acme",
        "io processor": "acme-nearest",
        "command": "acme-hello",
        "routes": "acme",
        "hooks": "acme",
    }
    # Convert rules are read whenever plugins are listed.
    assert {row["state"] for kind, row in rows.items() if kind != "convert rule"} == {"discovered"}
    assert {row["version"] for row in rows.values()} == {"0.1.0"}
    assert rows["architecture"]["architectures"] == ["AcmeModel"]


def test_the_check_passes_with_the_conformance_kit(installed: Any) -> None:
    checked = installed.cenote("plugins", "check", "cenote-acme", "--json")
    findings = json.loads(checked.stdout)
    assert [finding for finding in findings if finding["outcome"] == "failed"] == []
    assert checked.returncode == 0
    tried = {finding["subject"] for finding in findings if finding["outcome"] == "passed"}
    assert {"architectures/AcmeModel", "io_processors/acme-nearest", "poolers/ACME_PEAK"} <= {
        finding["subject"] for finding in findings if finding["check"] == "conformance"
    } & tried


def test_its_own_tests_pass(installed: Any, tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).with_name("acme") / "tests", tmp_path / "tests")
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(tmp_path), str(tmp_path))
    done = installed.run_python("import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))", *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_why_says_that_it_serves_its_architecture(installed: Any, acme_model: Path) -> None:
    for asked in ("AcmeModel", str(acme_model)):
        answer = installed.cenote("plugins", "why", asked)
        assert answer.returncode == 0, answer.stderr
        assert "acme of cenote-acme 0.1.0" in answer.stdout


def test_its_convert_rule_says_what_an_unknown_architecture_becomes(installed: Any) -> None:
    answer = installed.cenote("plugins", "why", "BertForAcmeSearch")
    assert answer.returncode == 0, answer.stderr
    assert "transformers-encoder of cenote" in answer.stdout
