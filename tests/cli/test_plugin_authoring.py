"""The commands of authors: `cenote plugins new`, `check` and `why`."""

from __future__ import annotations

import json

SPEC = """
from cenote.registry import ArchitectureSpec
SPEC = ArchitectureSpec(
    name="acme", architectures=("AcmeModel",), adapter="acme:Adapter", tasks=("embed",), markers=("file:acme.bin",)
)
class Adapter:
    @classmethod
    def load(cls, checkpoint, options):
        raise NotImplementedError
"""


def install(site, points):
    site.install("cenote-acme", "0.1.0", points, {"acme": SPEC})
    metadata = site.folder / "cenote_acme-0.1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: cenote>=0.1\n")


def test_new_writes_a_plugin_and_says_what_comes_next(site):
    finished = site.cenote("plugins", "new", "cenote-shiny", "--kind", "hooks", "--into", "made")
    assert finished.returncode == 0, finished.stderr
    folder = site.folder / "made" / "cenote-shiny"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"pyproject.toml", "README.md", "src/cenote_shiny/hooks.py", "tests/test_hooks.py"} <= written
    assert all(f"  {path}\n" in finished.stdout for path in written)
    assert "pip install -e '.[test]'\n  cenote plugins check cenote-shiny\n  pytest\n" in finished.stdout


def test_new_refuses_a_bad_name_in_one_line(site):
    finished = site.cenote("plugins", "new", "no/slash")
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: 'no/slash' cannot be the name of a distribution.")
    assert list(site.folder.iterdir()) == []


def test_check_prints_a_line_per_check_and_fails_where_one_does(site):
    install(site, {"cenote.architectures": {"AcmeModel": "acme:SPEC"}, "cenote.poolers": {"ACME": "nowhere:pool"}})
    finished = site.cenote("plugins", "check", "cenote-acme", "--no-conformance")
    lines = finished.stdout.splitlines()
    assert finished.returncode == 1
    assert "passed   cenote-acme architectures/AcmeModel: light: importing it loads nothing heavy" in lines
    assert "failed   cenote-acme poolers/ACME: import: ModuleNotFoundError: No module named 'nowhere'" in lines
    assert lines[-1].endswith(" passed, 1 failed, 0 not run")


def test_check_passes_with_what_could_not_be_run_and_gives_json(site):
    install(site, {"cenote.architectures": {"AcmeModel": "acme:SPEC"}})
    finished = site.cenote("plugins", "check", "cenote-acme", "--json")
    assert finished.returncode == 0, finished.stdout
    found = json.loads(finished.stdout)
    assert found[0] == {
        "distribution": "cenote-acme",
        "subject": "",
        "check": "metadata",
        "outcome": "passed",
        "text": "version 0.1.0",
    }
    text = "the spec has no lookalike: name a function that writes a tiny checkpoint, 'package.module:function'"
    assert (found[-1]["check"], found[-1]["outcome"], found[-1]["text"]) == ("conformance", "not run", text)


def test_check_of_an_unknown_distribution_is_one_line(site):
    finished = site.cenote("plugins", "check", "cenote-nowhere")
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: No distribution 'cenote-nowhere' is installed.")


def test_why_shows_candidates_markers_and_the_decision(site):
    install(site, {"cenote.architectures": {"AcmeModel": "acme:SPEC"}})
    (site.folder / "model").mkdir()
    (site.folder / "model" / "config.json").write_text('{"architectures": ["AcmeModel"]}')
    finished = site.cenote("plugins", "why", "model")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == [
        "AcmeModel",
        "  acme of cenote-acme 0.1.0: does not fit",
        "    - file:acme.bin",
        "convert:embed:encoder",
        finished.stdout.splitlines()[4],
        "Neither user nor files say what it shall become.",
        finished.stdout.splitlines()[6],
        "Convert rule for 'Model', at place 150: runner 'pooling', by default 'embed'.",
    ]
    (site.folder / "model" / "acme.bin").touch()
    chosen = json.loads(site.cenote("plugins", "why", "model", "--json").stdout)
    assert chosen["winner"] == "acme"
    assert chosen["claims"][0]["markers"] == {"file:acme.bin": True}


def test_why_heeds_flags_as_loading_does(site):
    install(site, {"cenote.architectures": {"AcmeModel": "acme:SPEC"}})
    (site.folder / "model").mkdir()
    (site.folder / "model" / "config.json").write_text('{"architectures": ["AcmeModel"]}')
    finished = site.cenote("plugins", "why", "model", "--adapter", "acme")
    assert "Chosen: acme of cenote-acme 0.1.0: adapter='acme' was asked for." in finished.stdout
    refused = site.cenote("plugins", "why", "model", "--convert", "fly")
    assert (refused.returncode, refused.stderr.startswith("Error: ")) == (2, True)


def test_why_fails_where_nothing_serves_it(site):
    (site.folder / "model").mkdir()
    (site.folder / "model" / "config.json").write_text('{"architectures": ["NobodysInvention"]}')
    finished = site.cenote("plugins", "why", "model")
    assert finished.returncode == 1
    assert "Install a plugin that offers it" in finished.stdout
    assert site.cenote("plugins", "why", "no-such-thing").returncode == 2


def test_the_precision_that_no_codec_can_replace_is_told(site):
    codec = "class Codec:\n    def encode(self, rows, param):\n        return rows\nCODEC = Codec()"
    site.install("cenote-plain", "1", {"cenote.output_codecs": {"float32": "plain:CODEC"}}, {"plain": codec})
    finished = site.cenote("plugins", "check", "--no-conformance", "cenote-plain")
    assert "output_codecs/float32: name: the name belongs to a built-in" in finished.stdout
