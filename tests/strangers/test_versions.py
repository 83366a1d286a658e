"""A stranger's plugin grows older: upgraded, too new for this cenote, broken, uninstalled; the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGES = Path(__file__).resolve().parents[2] / "docs" / "plugins"

_LOOK = """
import contextlib, io, json, sys
from cenote.cli import main

def shown(*arguments):
    sys.argv[1:] = arguments
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), contextlib.suppress(SystemExit):
        main()
    return printed.getvalue()

_, *folders = sys.argv
found = {"listed": json.loads(shown("plugins", "list", "--json"))}
found |= {"help": shown("--help"), "hello": shown("acme-hello"), "vectors": {}}

from cenote import LLM
from cenote.errors import CenoteError

for name, folder in zip(("acme", "static"), folders):
    try:
        with LLM(folder) as llm:
            found["vectors"][name] = llm.embed("water", use_tqdm=False)[0].outputs.embedding
    except CenoteError as exc:
        found["vectors"][name] = f"{type(exc).__name__}: {exc}"
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What an environment shows.

    Attributes:
        listed: what `cenote plugins list --json` prints.
        help: what `cenote --help` prints.
        hello: what the plugin's command prints, to either stream.
        vectors: by model, a vector, or the error that it ended in.
    """

    listed: dict[str, Any]
    help: str
    hello: str
    vectors: dict[str, Any]

    @property
    def states(self) -> dict[str, str]:
        """Kind of each thing that the plugin offers, and its state."""
        return {row["kind"]: row["state"] for row in self.listed["plugins"] if row["distribution"] == "cenote-acme"}

    def detail(self, kind: str) -> str:
        """Return what is said of one thing of the plugin."""
        (found,) = (
            row["detail"]
            for row in self.listed["plugins"]
            if (row["distribution"], row["kind"]) == ("cenote-acme", kind)
        )
        return str(found)


@pytest.fixture(scope="module")
def seen(
    new_venv: Callable[[], Any], acme_wheel: Callable[[str], Path], acme_model: Path, static_model: Path
) -> Mapping[str, Seen]:
    """What one environment shows with each version of the plugin in turn, and without it at the end."""
    venv = new_venv()
    found = {}
    for version in ("0.1.0", "0.2.0", "0.3.0", "0.4.0"):
        venv.install(acme_wheel(version))
        found[version] = _look(venv, acme_model, static_model)
    venv.uninstall("cenote-acme")
    found["gone"] = _look(venv, acme_model, static_model)
    return found


def _look(venv: Any, acme: Path, static: Path) -> Seen:
    looked = venv.run_python(_LOOK, str(acme), str(static))
    assert looked.returncode == 0, looked.stderr
    return Seen(**json.loads(looked.stdout))


def test_an_upgrade_changes_the_answers_and_the_fingerprint(seen: Mapping[str, Seen]) -> None:
    first, second = seen["0.1.0"], seen["0.2.0"]
    assert set(second.states.values()) == {"active", "discovered"}
    assert np.abs(np.array(first.vectors["acme"]) - np.array(second.vectors["acme"])).max() > 0.01
    assert first.vectors["static"] == second.vectors["static"]
    assert first.listed["fingerprint"] != second.listed["fingerprint"]


def test_a_version_for_a_newer_cenote_is_incompatible_and_says_what_to_do(seen: Mapping[str, Seen]) -> None:
    found = seen["0.3.0"]
    assert set(found.states.values()) == {"incompatible"}
    told = "cenote-acme 0.3.0 needs cenote >=9, found 0.1.0. Upgrade cenote: pip install -U cenote."
    assert found.detail("architecture") == told
    assert told in found.vectors["acme"]
    assert f"{told}\n" in (PAGES / "versions.md").read_text()


def test_a_version_that_cannot_be_imported_has_failed_and_names_its_cause(seen: Mapping[str, Seen]) -> None:
    found = seen["0.4.0"]
    assert found.states["architecture"] == "failed"
    assert "RuntimeError: Acme forgot something" in found.detail("architecture")
    for text in (found.vectors["acme"], found.hello):
        assert "cenote-acme 0.4.0" in text
        assert "RuntimeError: Acme forgot something" in text
        assert "Traceback" not in text


def test_without_the_plugin_its_model_has_no_adapter_and_the_message_says_what_to_install(
    seen: Mapping[str, Seen],
) -> None:
    found = seen["gone"]
    assert found.states == {}
    assert found.vectors["acme"].startswith("UnknownArchitecture: No adapter for architecture 'AcmeModel'")
    assert "acme-hello" not in found.help


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "0.3.0", "0.4.0", "gone"])
def test_everything_else_works_whatever_the_plugin_does(version: str, seen: Mapping[str, Seen]) -> None:
    found = seen[version]
    assert found.vectors["static"] == seen["gone"].vectors["static"]
    assert "Serve a model over HTTP." in found.help
    others = {row["name"]: row["state"] for row in found.listed["plugins"] if row["distribution"] == "cenote"}
    assert set(others.values()) <= {"discovered", "active"}


def test_a_fingerprint_is_the_same_wherever_the_same_is_installed(seen: Mapping[str, Seen], installed: Any) -> None:
    listed = json.loads(installed.cenote("plugins", "list", "--json").stdout)
    assert listed["fingerprint"] == seen["0.1.0"].listed["fingerprint"]
