"""docs/plugins.md does what it says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from cenote.registry import GROUPS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "plugins.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_first_plugin_is_listed_as_the_page_shows(site):
    project = tomllib.loads(blocks("toml")[0])["project"]
    site.install(project["name"], project["version"], project["entry-points"], {"cenote_acme": blocks("python")[0]})
    printed = site.cenote("plugins")
    assert printed.returncode == 0
    [line] = [line for line in printed.stdout.splitlines() if line.startswith("acme-bert")]
    assert line.split() == blocks("text")[0].split()


def test_the_plugin_is_chosen_for_its_architecture(site):
    project = tomllib.loads(blocks("toml")[0])["project"]
    site.install(project["name"], project["version"], project["entry-points"], {"cenote_acme": blocks("python")[0]})
    code = """
from cenote.registry import resolve_adapter
class Facts:
    def module_types(self): return ()
    def config_value(self, key): return None
    def settings_value(self, key): return None
print(resolve_adapter(Facts(), architectures=["AcmeBertModel"], model_type="acme").reason)
"""
    finished = site.python(code)
    assert finished.stdout == "acme-bert of cenote-acme 0.1.0: it is registered for 'AcmeBertModel'.\n", finished.stderr


def test_the_registration_in_the_process_runs(site):
    finished = site.python("\n".join(blocks("python")))
    assert finished.returncode == 0, finished.stderr


def test_every_group_is_on_the_page():
    assert [group for group in GROUPS if f"`{group}`" not in PAGE] == []
