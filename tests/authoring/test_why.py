"""`cenote plugins why`: who claims an architecture, which markers hold, and what decides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cenote.authoring.why import Answer, why
from cenote.errors import CheckpointError, UnknownPlugin
from cenote.registry import ArchitectureSpec, Entry, Registry
from cenote.registry.rules import SUFFIXES

GROUP = "cenote.architectures"


def spec(name: str, *markers: str, architectures: tuple[str, ...] = ("AcmeModel",), **more: object) -> ArchitectureSpec:
    values = {"adapter": "nowhere:Adapter", "tasks": ("embed",), "markers": markers, **more}
    return ArchitectureSpec(name=name, architectures=architectures, **values)


@pytest.fixture
def registry() -> Registry:
    """Two specs of one name, one that is broken, one that is disabled, one for a later cenote, and the rules."""
    entries = [
        Entry(GROUP, "AcmeModel", "no_such_module:SPEC", "cenote-broken", "0.3"),
        Entry(GROUP, "AcmeModel", "never_imported:SPEC", "cenote-off", "0.4"),
        Entry(GROUP, "AcmeModel", "never_imported:SPEC", "cenote-late", "0.5", needs=">=9"),
        Entry("cenote.kernels", "linear:acme", "never_imported:linear", "cenote-off", "0.4"),
    ]
    registry = Registry(entries, environment={"CENOTE_DISABLE_PLUGINS": "cenote-off"})
    for found in (spec("acme"), spec("acme-sparse", "file:sparse.pt", "config:kind=sparse")):
        registry.register(GROUP, "AcmeModel", found, distribution="cenote-acme", version="1.0")
    generic = spec("encoder", architectures=("convert:embed:encoder",))
    registry.register(GROUP, "convert:embed:encoder", generic, distribution="cenote", version="0.1")
    registry.register("cenote.convert_rules", "suffixes", SUFFIXES)
    return registry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of AcmeModel without weights, which explaining does not need."""
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["AcmeModel"], "kind": "sparse"}))
    return tmp_path


def standings(answer: Answer) -> list[tuple[str, str, str]]:
    return [(claim.spec, claim.distribution, claim.standing) for claim in answer.claims]


def test_every_candidate_of_a_checkpoint_is_shown_with_the_markers_that_hold(registry, folder):
    answer = why(str(folder), registry=registry)
    assert (answer.kind, answer.names) == ("model", ("AcmeModel",))
    assert standings(answer) == [
        ("acme", "cenote-acme", "fits"),
        ("acme-sparse", "cenote-acme", "does not fit"),
        ("", "cenote-broken", "failed"),
        ("", "cenote-off", "disabled"),
        ("", "cenote-late", "incompatible"),
    ]
    assert dict(answer.claims[1].markers) == {"file:sparse.pt": False, "config:kind=sparse": True}
    assert answer.claims[2].detail.startswith("ModuleNotFoundError: No module named 'no_such_module'")
    assert "CENOTE_DISABLE_PLUGINS" in answer.claims[3].detail
    assert "needs cenote >=9" in answer.claims[4].detail
    assert (answer.winner, answer.convert, answer.rule) == ("acme", "none", None)
    assert answer.decision == "acme of cenote-acme 1.0: it is registered for 'AcmeModel'."


def test_the_most_specific_one_wins_where_all_its_markers_hold(registry, folder):
    (folder / "sparse.pt").touch()
    answer = why(str(folder), registry=registry)
    assert answer.winner == "acme-sparse"
    assert answer.decision.endswith("the checkpoint has file:sparse.pt, config:kind=sparse.")


def test_options_count_as_for_a_model(registry, folder):
    assert why(str(folder), {"adapter": "acme-sparse"}, registry).decision.endswith("'acme-sparse' was asked for.")
    refused = why(str(folder), {"convert": "classify"}, registry)
    assert refused.winner is None
    assert "convert:classify:sequence" in refused.decision
    assert refused.goal == "it shall become 'classify': convert='classify' was asked for"
    assert (
        why(str(folder), {"hf_overrides": {"kind": "dense"}}, registry).claims[1].markers["config:kind=sparse"] is False
    )


def test_a_conversion_names_its_rule_and_the_generic_spec(registry, folder):
    answer = why(
        str(folder), {"hf_overrides": {"architectures": ["OtherForMaskedLM"], "model_type": "other"}}, registry
    )
    assert answer.rule is not None
    assert (answer.rule.suffix, answer.winner) == ("ForMaskedLM", "encoder")
    assert [claim.name for claim in answer.claims] == ["convert:embed:encoder"]


def test_a_tie_is_told_with_what_to_do(registry, folder):
    registry.register(GROUP, "AcmeModel", spec("rival"), distribution="rival", version="2")
    answer = why(str(folder), registry=registry)
    assert answer.winner is None
    assert answer.decision.startswith("Two installed distributions offer 'AcmeModel': cenote-acme 1.0 and rival 2.")
    asked = why("AcmeModel", registry=registry)
    assert asked.advice[-1] == (
        "A checkpoint that fits acme of cenote-acme and rival of rival is a conflict, which --adapter decides."
    )


def test_an_architecture_says_which_markers_would_decide(registry):
    answer = why("AcmeModel", registry=registry)
    assert (answer.kind, answer.winner) == ("architecture", "acme")
    assert answer.advice == ("acme-sparse wins where the checkpoint has file:sparse.pt and config:kind=sparse.",)


def test_an_architecture_that_nobody_offers_is_converted_or_refused(registry):
    assert why("OtherForMaskedLM", registry=registry).winner == "encoder"
    answer = why("HF_ColBERT", registry=registry)
    assert answer.winner is None
    assert "Install one: pip install cenote-colbert." in answer.decision


def test_a_name_of_a_group_is_shown_with_its_state(registry):
    answer = why("kernels/linear:acme", registry=registry)
    assert [(row.distribution, row.state) for row in answer.offers] == [("cenote-off", "disabled")]
    assert (answer.winner, answer.decision) == (None, "None of them can be used.")
    with pytest.raises(UnknownPlugin, match=r"No cenote\.kernels 'linear:gpu'"):
        why("kernels/linear:gpu", registry=registry)


def test_a_spec_or_a_distribution_is_found_by_its_name(registry):
    assert [row.name for row in why("acme-sparse", registry=registry).offers] == ["acme-sparse"]
    assert {row.distribution for row in why("cenote-acme", registry=registry).offers} == {"cenote-acme"}
    with pytest.raises(UnknownPlugin, match="Nothing is called 'nonsense'"):
        why("nonsense", registry=registry)


def test_what_is_installed_goes_before_a_folder_of_its_name_that_is_no_checkpoint(registry, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    names = {"acme-sparse": "plugin", "cenote-acme": "plugin", "AcmeModel": "architecture"}
    for name, kind in names.items():
        project = folder.parent / name
        project.mkdir()
        (project / "pyproject.toml").write_text("")  # as 'cenote plugins new' leaves it
        assert why(name, registry=registry).kind == kind
        for written in (f"./{name}", str(project)):
            with pytest.raises(CheckpointError, match=r"no config\.json"):
                why(written, registry=registry)
        (folder / "config.json").rename(project / "config.json")
        answer = why(name, registry=registry)
        assert (answer.kind, answer.names) == ("model", ("AcmeModel",))
        (project / "config.json").rename(folder / "config.json")
    (folder.parent / "Unknown").mkdir()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        why("Unknown", registry=registry)


def test_a_model_that_is_not_there_is_an_error(registry, tmp_path):
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        why(str(tmp_path), registry=registry)


def test_an_answer_is_plain_data(registry, folder):
    text = json.dumps([why(asked, registry=registry).record() for asked in (str(folder), "AcmeModel", "acme")])
    assert json.loads(text)[0]["claims"][1]["markers"] == {"file:sparse.pt": False, "config:kind=sparse": True}
