"""Commands that plugins add, well-behaved and otherwise."""

from __future__ import annotations

COMMANDS = "cenote.commands"
GREET = """
import typer

def greet(name: str, loud: bool = False) -> None:
    "Say hello."
    typer.echo(f"HELLO {name}" if loud else f"hello {name}")

app = typer.Typer(help="Several.")

@app.command()
def one() -> None:
    typer.echo("one")

@app.command()
def two() -> None:
    typer.echo("two")
"""


def test_names_are_listed_with_their_origin_and_nothing_is_imported(site):
    site.install("cenote-greet", "1.2", {COMMANDS: {"greet": "greeting:greet"}}, {"greeting": "raise AssertionError"})
    finished = site.cenote("--help")
    assert finished.returncode == 0
    assert any("greet" in line and "from cenote-greet 1.2" in line for line in finished.stdout.splitlines())


def test_a_function_and_an_app_both_work_as_commands(site):
    points = {"greet": "greeting:greet", "several": "greeting:app"}
    site.install("cenote-greet", "1.2", {COMMANDS: points}, {"greeting": GREET})
    assert site.cenote("greet", "you", "--loud").stdout == "HELLO you\n"
    assert "Say hello." in site.cenote("greet", "--help").stdout
    assert site.cenote("several", "two").stdout == "two\n"
    assert site.cenote("greet").returncode == 2


def test_commands_that_hang_crash_or_exit_on_import_cannot_touch_help(site):
    points = {"hang": "hanging:app", "crash": "crashing:app", "leave": "leaving:app", "gone": "no_such_module:app"}
    modules = {
        "hanging": "import time\ntime.sleep(60)",
        "crashing": "raise RuntimeError('no luck')",
        "leaving": "raise SystemExit(7)",
    }
    site.install("cenote-bad", "0.1", {COMMANDS: points}, modules)
    # Far less than the sleep, far more than a slow machine needs.
    listed = site.cenote("--help", timeout=30)
    assert listed.returncode == 0
    for name in points:
        assert f"{name} " in listed.stdout
    assert site.cenote("plugins", timeout=30).returncode == 0


def test_a_broken_command_is_one_clean_error(site):
    points = {"crash": "crashing:app", "leave": "leaving:app", "number": "crashing_not:app"}
    modules = {"crashing": "raise RuntimeError('no luck')", "leaving": "raise SystemExit(7)", "crashing_not": "app = 3"}
    site.install("cenote-bad", "0.1", {COMMANDS: points}, modules)
    for name, cause in (
        ("crash", "RuntimeError: no luck"),
        ("leave", "SystemExit: 7"),
        ("number", "TypeError: expected a typer app or a function, found int"),
    ):
        finished = site.cenote(name)
        assert finished.returncode == 1
        assert "Traceback" not in finished.stderr
        last = finished.stderr.splitlines()[-1]
        for words in ("Error: ", repr(name), "cenote-bad 0.1", cause):
            assert words in last


def test_a_plugin_may_not_replace_a_built_in_command(site):
    site.install("cenote-bad", "0.1", {COMMANDS: {"env": "hijack:app"}}, {"hijack": "raise AssertionError"})
    assert "versions" in site.cenote("env", "--json").stdout
    assert "cenote-bad" not in site.cenote("--help").stdout
    listed = site.cenote("plugins").stdout
    assert "failed: env (command) of cenote-bad 0.1: the name belongs to a built-in, which a plugin may not" in listed


def test_two_plugins_with_one_command_are_a_conflict_when_it_is_called(site):
    site.install("cenote-greet", "1.2", {COMMANDS: {"greet": "greeting:greet"}}, {"greeting": GREET})
    site.install("rival", "3", {COMMANDS: {"greet": "greeting:greet"}})
    assert "from cenote-greet 1.2 and rival 3" in site.cenote("--help").stdout
    finished = site.cenote("greet", "you")
    assert finished.returncode == 1
    assert "cenote-greet 1.2 and rival 3" in finished.stderr
    assert site.cenote("greet", "you", CENOTE_DISABLE_PLUGINS="rival").stdout == "hello you\n"


def test_a_disabled_command_is_not_listed(site):
    site.install("cenote-greet", "1.2", {COMMANDS: {"greet": "greeting:greet"}}, {"greeting": GREET})
    assert "greet" not in site.cenote("--help", CENOTE_PLUGINS="").stdout
    assert site.cenote("greet", "you", CENOTE_PLUGINS="").returncode == 2


def test_an_error_of_cenote_raised_by_a_plugin_is_reported_like_ones_own(site):
    source = "from cenote.errors import InvalidRequest\ndef fail() -> None:\n    raise InvalidRequest('bad wish')"
    site.install("cenote-fail", "1", {COMMANDS: {"fail": "failing:fail"}}, {"failing": source})
    finished = site.cenote("fail")
    assert (finished.returncode, finished.stderr) == (2, "Error: bad wish\n")
