"""`cenote --plugins`, `--disable-plugins` and `--plugin-config`, which hold for every command."""

from __future__ import annotations

import json

import pytest

from cenote.cli.table import BUILT_IN
from cenote.registry import default_registry

COMMANDS = "cenote.commands"
GREETING = "def greet(name: str) -> None:\n    print('hello', name)"


@pytest.fixture
def greeter(site):
    points = {COMMANDS: {"greet": "greeting:greet"}, "cenote.poolers": {"MEDIAN": "greeting:greet"}}
    site.install("cenote-greet", "1.2", points, {"greeting": GREETING})
    return site


def test_the_table_of_the_help_and_the_entry_points_are_the_same_commands():
    offers = default_registry().entries(COMMANDS)
    assert {name for name, entries in offers.items() if entries[0].is_built_in} == set(BUILT_IN)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--plugins", "cenote.poolers"], "--plugins does not name it"),
        (["--plugins="], "--plugins does not name it"),
        (["--disable-plugins", "cenote-greet"], "--disable-plugins names it"),
        (["--plugins", "greet", "--disable-plugins", "commands/*"], "--disable-plugins names it"),
    ],
)
def test_a_flag_keeps_a_command_out_and_says_so(greeter, flags, why):
    finished = greeter.cenote(*flags, "greet", "you")
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1] == f"Error: cenote.commands 'greet' of cenote-greet 1.2 is disabled: {why}."
    assert "greet" not in greeter.cenote(*flags, "--help").stdout


def test_flags_that_name_a_command_let_it_run_and_its_neighbours_not(greeter):
    assert greeter.cenote("--plugins", "commands/greet", "greet", "you").stdout == "hello you\n"
    rows = json.loads(greeter.cenote("--plugins", "commands/greet", "plugins", "list", "--json").stdout)["plugins"]
    states = {row["name"]: (row["state"], row["detail"]) for row in rows if row["distribution"] == "cenote-greet"}
    assert states["MEDIAN"] == ("disabled", "--plugins does not name it")
    assert states["greet"][0] == "discovered"
    assert {row["state"] for row in rows if row["distribution"] == "cenote"} <= {"discovered", "active"}


def test_a_file_of_plugins_counts_by_flag_and_by_variable(greeter):
    file = greeter.folder / "plugins.toml"
    file.write_text('[plugins]\ndeny = ["greet"]\n')
    for arguments, variables in (
        (("--plugin-config", str(file)), {}),
        ((), {"CENOTE_PLUGIN_CONFIG": str(file)}),
    ):
        finished = greeter.cenote(*arguments, "greet", "you", **variables)
        assert finished.stderr.splitlines()[-1].endswith("is disabled: 'deny' in plugins.toml names it.")


def test_a_wrong_file_is_bad_input_and_the_help_stays_readable(greeter):
    error = "Error: --plugin-config 'gone.toml': there is no such file.\n"
    finished = greeter.cenote("--plugin-config", "gone.toml", "plugins")
    assert (finished.returncode, finished.stderr) == (2, error)
    shown = greeter.cenote("--help", CENOTE_PLUGIN_CONFIG="gone.toml")
    assert (shown.returncode, shown.stderr) == (0, error.replace("--plugin-config", "CENOTE_PLUGIN_CONFIG"))
    assert "Serve a model over HTTP." in shown.stdout
    finished = greeter.cenote("greet", "you", CENOTE_PLUGIN_CONFIG="gone.toml")
    assert (finished.returncode, finished.stderr.count("there is no such file")) == (2, 1)


def test_the_server_does_not_start_without_a_required_plugin(greeter):
    file = greeter.folder / "plugins.toml"
    file.write_text('[plugins]\nrequired = ["cenote-greet", "pages"]\n')
    finished = greeter.cenote("--plugin-config", str(file), "--disable-plugins", "MEDIAN", "serve", "no/model")
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1] == (
        "Error: 'cenote-greet' is required by plugins.toml: cenote.poolers 'MEDIAN' of cenote-greet 1.2 is disabled: "
        "--disable-plugins names it."
    )


def test_the_commands_of_authors_are_listed_without_being_imported(site):
    code = """
import sys
from cenote.cli import main
sys.argv = ["cenote", "plugins", "--help"]
try:
    main()
except SystemExit as exc:
    assert not exc.code
assert "cenote.cli.plugins" in sys.modules
assert not {"cenote.cli.plugin_check", "cenote.cli.plugin_why", "cenote.cli.plugin_new"} & set(sys.modules)
"""
    finished = site.python(code)
    assert finished.returncode == 0, finished.stderr
    for name in ("list", "check", "why", "new"):
        assert f" {name} " in finished.stdout


def test_json_belongs_behind_the_command_that_prints_it(site):
    finished = site.cenote("plugins", "--json", "list")
    assert finished.returncode == 2
    assert "write it behind the command: cenote plugins list --json" in " ".join(finished.stderr.split())


def test_twenty_adapters_that_import_torch_cost_no_torch(site):
    for number in range(20):
        name = f"adapter_{number}"
        spec = (
            "from cenote.registry import ArchitectureSpec\n"
            f"SPEC = ArchitectureSpec(name={name!r}, architectures=({name!r},), adapter='{name}_code:A', tasks=())"
        )
        modules = {name: spec, f"{name}_code": "import torch\nclass A: pass"}
        site.install(f"cenote-{name}", "1", {"cenote.architectures": {name: f"{name}:SPEC"}}, modules)
    code = """
import sys
from cenote.cli import main
sys.argv = ["cenote", "plugins", "list", "--json"]
try:
    main()
except SystemExit as exc:
    assert not exc.code
assert "torch" not in sys.modules
assert "adapter_7" in sys.modules
assert "adapter_7_code" not in sys.modules
"""
    finished = site.python(code)
    assert finished.returncode == 0, finished.stderr
    rows = json.loads(finished.stdout)["plugins"]
    assert sum(row["name"].startswith("adapter_") and row["state"] == "discovered" for row in rows) == 20
