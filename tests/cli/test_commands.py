"""The command line as a person meets it: listing, versions, errors."""

from __future__ import annotations

import json

import pytest

from cenote.cli.report import exit_code, report_error
from cenote.errors import (
    CheckpointError,
    InvalidRequest,
    ModelNotFound,
    PluginError,
    PromptTooLong,
    UnknownPlugin,
)
from cenote.kernels import OPERATORS
from cenote.registry import USABLE, list_plugins


def test_help_lists_every_command_with_its_line(site):
    finished = site.fresh("--help")
    assert finished.returncode == 0
    for name, text in (
        ("serve", "Serve a model over HTTP."),
        ("embed", "Embed texts"),
        ("heatmap", "Show where on a page"),
        ("models", "Show what a model is and does"),
        ("plugins", "List what is installed"),
        ("env", "Show versions"),
        ("bench", "Measure throughput"),
    ):
        assert any(name in line and text in line for line in finished.stdout.splitlines())


def test_the_version_is_printed(site):
    import cenote

    assert site.cenote("--version").stdout == f"cenote {cenote.__version__}\n"


def test_an_unknown_command_suggests_the_nearest_and_is_bad_input(site):
    finished = site.cenote("plugin")
    assert finished.returncode == 2
    assert "Did you mean 'plugins'?" in finished.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("x"), 2),
        (PromptTooLong("x"), 2),
        (ModelNotFound("x"), 2),
        (UnknownPlugin("x"), 2),
        (PluginError("x"), 1),
        (CheckpointError("x"), 1),
    ],
)
def test_bad_input_exits_with_2_and_other_failures_with_1(error, code):
    assert exit_code(error) == code


def test_an_error_is_one_line_even_where_its_text_is_not(capsys, monkeypatch):
    monkeypatch.delenv("CENOTE_DEBUG", raising=False)
    assert report_error(InvalidRequest("first\n  second " + "long " * 60)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: first second long")
    assert printed.err.count("\n") == 1


def test_errors_have_no_traceback_unless_debugging(site):
    quiet = site.cenote("embed", "--file", "absent.txt")
    assert quiet.returncode == 2
    assert quiet.stderr == "Error: Cannot read 'absent.txt': No such file or directory.\n"
    loud = site.cenote("embed", "--file", "absent.txt", CENOTE_DEBUG="1")
    assert loud.returncode == 2
    assert "Traceback" in loud.stderr


def test_an_unexpected_error_is_one_line_with_its_kind(site):
    source = "def fail() -> None:\n    raise KeyError('first\\n\\x1b[31msecond')"
    site.install("cenote-fail", "1", {"cenote.commands": {"fail": "failing:fail"}}, {"failing": source})
    quiet = site.cenote("fail")
    assert quiet.returncode == 1
    assert quiet.stderr.startswith("Error: unexpected KeyError: ")
    assert quiet.stderr.count("\n") == 1
    assert "\x1b" not in quiet.stderr
    loud = site.cenote("fail", CENOTE_DEBUG="1")
    assert loud.returncode == 1
    assert "Traceback" in loud.stderr


def test_an_interrupt_ends_quietly_with_130(site):
    source = "def stop() -> None:\n    raise KeyboardInterrupt"
    modules = {"stopping": source, "stopped": "raise KeyboardInterrupt"}
    points = {"stop": "stopping:stop", "stopped": "stopped:app"}
    site.install("cenote-stop", "1", {"cenote.commands": points}, modules)
    for name in points:
        finished = site.cenote(name)
        assert (finished.returncode, finished.stderr) == (130, "")


def test_notes_of_an_error_follow_its_text(capsys, monkeypatch):
    monkeypatch.delenv("CENOTE_DEBUG", raising=False)
    error = InvalidRequest("No.")
    error.add_note("Because.")
    report_error(error)
    assert capsys.readouterr().err == "Error: No. Because.\n"


def test_asking_the_benchmark_for_more_texts_than_there_are_is_bad_input(site, here, monkeypatch):
    monkeypatch.setattr("cenote.testing.corpus._all_docstrings", lambda: ("a text",))  # finding all takes seconds
    assert "embed" in site.cenote("bench", "--help").stdout
    finished = here("bench", "embed", "--texts", "99999999")
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: 99999999 docstrings were asked for; the standard library has 1.")


def test_plugins_prints_a_table_and_json(site):
    site.install("cenote-broken", "0.3", {"cenote.architectures": {"Odd": "no_such_module_anywhere:SPEC"}})
    table = site.fresh("plugins")
    assert table.returncode == 0
    [line] = [line for line in table.stdout.splitlines() if line.startswith("Odd")]
    assert line.split() == ["Odd", "architecture", "cenote-broken", "0.3", "failed"]
    assert "failed: Odd (architecture) of cenote-broken 0.3: ModuleNotFoundError" in table.stdout
    offered = {name for row in list_plugins() if row.state in USABLE for name in row.architectures}
    assert {"convert:embed:encoder", "convert:embed:decoder"} < offered
    classes = [name for name in offered if not name.startswith("convert:")]
    assert f"; {len(classes)} architecture names have a spec." in table.stdout
    listed = json.loads(site.cenote("plugins", "--json").stdout)
    rows = listed["plugins"]
    assert f"Fingerprint of the active set: {listed['fingerprint']}." in table.stdout
    assert json.loads(site.cenote("plugins", "list", "--json").stdout) == listed
    assert {"name": "suffixes", "kind": "convert rule", "distribution": "cenote", "state": "active"}.items() <= next(
        row for row in rows if row["name"] == "suffixes"
    ).items()
    assert next(row for row in rows if row["name"] == "Odd")["state"] == "failed"


def test_a_disabled_plugin_is_listed_and_its_code_stays_out(site):
    site.install(
        "cenote-x", "0.3", {"cenote.architectures": {"X": "x_module:SPEC"}}, {"x_module": "raise AssertionError"}
    )
    rows = json.loads(site.cenote("plugins", "--json", CENOTE_DISABLE_PLUGINS="cenote-x").stdout)["plugins"]
    assert [row["state"] for row in rows if row["name"] == "X"] == ["disabled"]


def test_one_unreadable_installation_hides_no_other(site):
    site.install("cenote-x", "0.3", {"cenote.poolers": {"X": "json:loads"}})
    broken = site.folder / "garbled-1.0.dist-info"
    broken.mkdir()
    (broken / "entry_points.txt").write_bytes(b"[cenote.poolers]\nY = \xff\xfe:z\n")
    finished = site.cenote("plugins", "--json")
    assert finished.returncode == 0
    assert [row["state"] for row in json.loads(finished.stdout)["plugins"] if row["name"] == "X"] == ["discovered"]


def test_the_first_of_two_copies_of_a_distribution_counts(site):
    site.install("cenote-x", "0.3", {"cenote.poolers": {"X": "json:loads"}})
    later = site.folder / "later"
    later.mkdir()
    type(site)(later).install("cenote-x", "0.2", {"cenote.poolers": {"X": "json:loads"}})
    path = f"{site.folder}:{later}"
    rows = json.loads(site.cenote("plugins", "--json", PYTHONPATH=path).stdout)["plugins"]
    assert [row["version"] for row in rows if row["name"] == "X"] == ["0.3"]


def test_env_shows_versions_and_hides_secrets(site):
    finished = site.fresh(
        "env",
        "--json",
        CENOTE_API_KEYS="hunter2",
        HF_TOKEN="hunter3",
        HF_ENDPOINT="https://me:hunter4@hub.example",
        CENOTE_PLUGINS="",
        UNRELATED_SETTING="hunter5",
        MALLOC_ARENA_MAX="2",
        TOKENIZERS_PARALLELISM="false",
    )
    assert "hunter" not in finished.stdout
    facts = json.loads(finished.stdout)
    assert facts["environment"]["CENOTE_API_KEYS"] == "(set, not shown)"
    assert facts["environment"]["HF_ENDPOINT"] == "https://(not shown)@hub.example"
    assert facts["environment"]["TOKENIZERS_PARALLELISM"] == "false"
    assert facts["environment"]["CENOTE_PLUGINS"] == ""
    assert facts["environment"]["MALLOC_ARENA_MAX"] == "2"
    assert facts["versions"]["torch"] != "not installed"
    assert "cenote-cpu-kernels" in facts["versions"]
    assert "usable of" in facts["machine"]["threads"]


def test_env_full_asks_torch_and_shows_the_backend_of_each_operator(site):
    words = "cpu,linear:reference,rotary:nope"
    facts = json.loads(site.cenote("env", "--full", "--json", CENOTE_KERNELS=words).stdout)
    assert int(facts["torch"]["threads"]) >= 1
    assert facts["kernels"].keys() >= set(OPERATORS)
    for operator, start in {"bias_act": "cpu of cenote", "linear": "reference of cenote", "rotary": "none: "}.items():
        assert facts["kernels"][operator].startswith(start)
