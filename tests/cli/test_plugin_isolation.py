"""A plugin that is wrong in any way leaves `cenote --help`, the listing and its neighbours alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

COMMANDS, SPECS = "cenote.commands", "cenote.architectures"
GREETING = "def greet(name: str) -> None:\n    print('hello', name)"
#: Runs several command lines in one process, as one call of `cenote` each.
RUN = """
import contextlib, io, json, sys
from cenote.cli import main
answers = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["cenote", *arguments]
    out, err, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as exc:
            code = exc.code
    answers.append({"code": code or 0, "out": out.getvalue(), "err": err.getvalue()})
json.dump({"answers": answers, "bad": "bad_plugin" in sys.modules}, sys.stdout)
"""


@dataclass
class Case:
    """A wrong plugin: what it installs, and what `cenote bad` and `cenote plugins` say of it."""

    points: dict[str, dict[str, str]]
    error: str | None
    state: str = "failed"
    detail: str = ""
    source: str = "raise AssertionError('imported')"
    requires: tuple[str, ...] = ()
    imported: bool = False
    variables: dict[str, str] = field(default_factory=dict)


def command(target: str = "bad_plugin:run", name: str = "bad") -> dict[str, dict[str, str]]:
    return {COMMANDS: {name: target}}


BROKEN = "Plugin 'bad' (cenote.commands) of cenote-bad 1.0 is broken: "
MISSING = (
    "ModuleNotFoundError: No module named 'nowhere_to_be_found'. Install what offers the module "
    "'nowhere_to_be_found', or reinstall cenote-bad."
)
NEWER = "cenote-bad 1.0 needs cenote >=99, found {running}. Upgrade cenote: pip install -U cenote."
TAKEN = "the name belongs to a built-in, which a plugin may not replace"
NO_TARGET = "the target 'bad_plugin' is not of the form 'package.module:attribute'"
NEWER_API = """
from cenote.registry import ArchitectureSpec
run = ArchitectureSpec(name="bad", architectures=("Bad",), adapter="bad:Bad", tasks=("embed",), api_version=99)
"""

CASES = {
    "raises on import": Case(
        command(), BROKEN + "RuntimeError: no luck.", detail="RuntimeError: no luck.",
        source="raise RuntimeError('no luck')", imported=True,
    ),
    "ends the process on import": Case(
        command(), BROKEN + "SystemExit: 7.", detail="SystemExit: 7.", source="raise SystemExit(7)", imported=True
    ),
    "hangs on import": Case(command(), None, state="discovered", source="import time\ntime.sleep(600)"),
    "claims a built-in's name": Case(command(name="env"), None, detail=TAKEN),
    "needs a newer cenote": Case(
        command(), NEWER, state="incompatible", detail=NEWER, requires=("cenote>=99",)
    ),
    "needs a newer interface of adapters": Case(
        {SPECS: {"Bad": "bad_plugin:run"}}, None, state="incompatible", source=NEWER_API, imported=True,
        detail="cenote-bad 1.0 was made for version 99 of the adapter interface, this cenote offers 1. "
        "Upgrade cenote: pip install -U cenote.",
    ),
    "misses a dependency": Case(
        command(), BROKEN + MISSING, detail=MISSING, source="import nowhere_to_be_found", imported=True
    ),
    "has a malformed target": Case(
        command("bad_plugin"),
        f"Plugin 'bad' (cenote.commands) of cenote-bad 1.0 cannot be used: {NO_TARGET}.",
        detail=NO_TARGET,
    ),
    "has a malformed name": Case(
        command(name="bad name"), None,
        detail="the name 'bad name' is not allowed in cenote.commands; write lower-case letters, digits, '-' and '_'",
    ),
    "is of an unknown group": Case({"cenote.comands": {"bad": "bad_plugin:run"}}, None, detail="unknown group"),
    "is disabled": Case(
        command(), "cenote.commands 'bad' of cenote-bad 1.0 is disabled: CENOTE_DISABLE_PLUGINS names it.",
        state="disabled", detail="CENOTE_DISABLE_PLUGINS names it", variables={"CENOTE_DISABLE_PLUGINS": "cenote-bad"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_wrong_plugin_breaks_neither_the_help_nor_another_plugin(site, case):
    import cenote

    error = case.error and case.error.format(running=cenote.__version__)
    site.install("cenote-greet", "1.2", {COMMANDS: {"greet": "greeting:greet"}}, {"greeting": GREETING})
    site.install("cenote-bad", "1.0", case.points, {"bad_plugin": case.source}, case.requires)
    lines = [["--help"], ["greet", "you"], *([["bad"]] if error else []), ["plugins", "list", "--json"]]
    finished = site.fork(RUN, json.dumps(lines), **case.variables)
    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout)
    shown, greeted, *asked, listed = told["answers"]
    assert shown["code"] == 0
    assert "greet" in shown["out"]
    assert "Serve a model over HTTP." in shown["out"]
    assert (greeted["code"], greeted["out"]) == (0, "hello you\n")
    for answer in asked:
        assert answer["code"] == (2 if case.state == "disabled" else 1)
        assert answer["err"].splitlines()[-1] == f"Error: {error}"
    [row] = [row for row in json.loads(listed["out"])["plugins"] if row["distribution"] == "cenote-bad"]
    assert row["state"] == case.state
    assert row["detail"].startswith(case.detail.format(running=cenote.__version__))
    assert told["bad"] is (case.imported and "raise" not in case.source and "nowhere" not in case.source)


def test_help_says_nothing_of_a_command_that_cannot_be_used(site):
    site.install("cenote-bad", "1.0", {COMMANDS: {"two words": "x:y", "old": "x:y"}}, requires=("cenote>=99",))
    finished = site.cenote("--help")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "cenote-bad" not in finished.stdout


def test_metadata_that_cannot_be_read_keep_nobody_from_the_help(site):
    site.install("cenote-greet", "1.2", {COMMANDS: {"greet": "greeting:greet"}}, {"greeting": GREETING})
    garbled = site.folder / "garbled-1.0.dist-info"
    garbled.mkdir()
    (garbled / "METADATA").write_text("Metadata-Version: 2.1\nName: garbled\nVersion: 1.0\n")
    (garbled / "entry_points.txt").write_text("[cenote.commands]\nwithout equals sign\n")
    (site.folder / "nameless-1.0.dist-info").mkdir()
    (site.folder / "nameless-1.0.dist-info" / "entry_points.txt").write_bytes(b"[cenote.commands]\nx = \xff:y\n")
    finished = site.cenote("--help")
    assert finished.returncode == 0
    assert "from cenote-greet 1.2" in finished.stdout
    assert "Skipped garbled 1.0, whose entry points cannot be read:" in finished.stderr
    assert "Skipped unknown, whose entry points cannot be read:" in finished.stderr
    assert site.cenote("greet", "you").stdout == "hello you\n"


def test_what_plugins_print_on_import_stays_out_of_the_output(site):
    source = (
        "import os, sys\nprint('HELLO')\nos.write(1, b'BELOW')\nsys.stdout.close()\nos.close(1)\nos.close(2)\n" + SPEC
    )
    site.install("cenote-loud", "1", {"cenote.architectures": {"Loud": "loud:SPEC"}}, {"loud": source})
    for command in (("plugins", "list", "--json"), ("plugins", "why", "Loud", "--json")):
        finished = site.cenote(*command)
        assert finished.returncode == 0, finished.stderr
        assert json.loads(finished.stdout)
        assert "HELLO" in finished.stderr
        assert "BELOW" in finished.stderr


SPEC = """
from cenote.registry import ArchitectureSpec
SPEC = ArchitectureSpec(name="loud", architectures=("Loud",), adapter="loud.code:A", tasks=("embed",))
"""


def test_a_broken_command_is_told_once(site):
    points = {"cenote.commands": {"number": "number:run"}, "cenote.architectures": {"Odd": "odd:SPEC"}}
    site.install("cenote-bad", "1", points, {"number": "run = 3", "odd": "SPEC = 3"})
    asked = {
        "number": site.cenote("number"),
        "odd": site.cenote("plugins", "why", "Odd"),
        "list": site.cenote("plugins"),
    }
    texts = {name: finished.stdout + finished.stderr for name, finished in asked.items()}
    assert texts["number"].count("found int") == 1
    assert texts["odd"].count("found int") == 1
    assert texts["list"].count("found int") == 1


def test_control_characters_of_a_distribution_do_not_reach_the_terminal(site):
    site.install("cenote-bad", "1", {"cenote.commands": {"bad\x1b[31m": "bad:run"}}, {"bad": "def run(): pass"})
    assert "\x1b" not in site.cenote("plugins").stdout
    assert "bad\\x1b[31m" in site.cenote("plugins").stdout
