"""Explanations are recorded from the decision itself."""

from __future__ import annotations

import pytest

from cenote.errors import UnknownArchitecture
from cenote.registry import ArchitectureSpec, ConvertRule, Registry, resolve_adapter
from cenote.registry.candidates import Verdict
from cenote.registry.explain import explain
from cenote.registry.goal import Goal

GROUP = "cenote.architectures"


def spec(name: str, *markers: str, **more: object) -> ArchitectureSpec:
    values = {"architectures": (), "adapter": "nowhere:Adapter", "tasks": ("embed",), "markers": markers, **more}
    return ArchitectureSpec(name=name, **values)


@pytest.fixture
def registry() -> Registry:
    """Two specs of one architecture, one of another, and one rule."""
    registry = Registry([], environment={})
    for name, found in (("AcmeModel", spec("a")), ("AcmeModel", spec("b", "file:b")), ("AcmeNet", spec("c", "file:c"))):
        registry.register(GROUP, name, found, distribution="cenote-acme")
    registry.register("cenote.convert_rules", "model", ConvertRule(suffix="Model", runner="pooling", convert="embed"))
    registry.register(
        "cenote.convert_rules", "net", ConvertRule(suffix="Net", runner="pooling", convert="embed", order=2)
    )
    return registry


def test_what_is_traced_is_recorded_as_objects_while_somebody_records(registry, make_facts):
    with registry.recording() as outer:
        with registry.recording() as inner:
            resolve_adapter(make_facts(), architectures=["AcmeModel"], model_type=None, registry=registry)
        registry.trace("more")
    assert [type(decision) for decision in inner if isinstance(decision, Goal | Verdict)] == [Goal, Verdict, Verdict]
    assert outer == [*inner, "more"]
    registry.trace("nobody hears this")
    assert outer[-1] == "more"


def test_an_explanation_agrees_with_the_resolution(registry, make_facts):
    for facts in (make_facts(), make_facts(files={"b"})):
        asked = {"architectures": ["AcmeModel"], "model_type": None, "registry": registry}
        found = explain(facts, **asked)
        assert (found.chosen, found.goal) == (resolve_adapter(facts, **asked), "")


def test_names_of_the_family_are_shown_after_those_of_the_checkpoint(registry, make_facts):
    found = explain(make_facts(), architectures=["AcmeNet"], model_type=None, registry=registry)
    assert [(claim.name, claim.spec, claim.standing) for claim in found.claims] == [
        ("AcmeNet", "c", "does not fit"),
        ("AcmeModel", "a", "fits"),
        ("AcmeModel", "b", "does not fit"),
    ]
    assert found.chosen is not None
    assert found.chosen.rule is not None
    assert (found.chosen.spec.name, found.chosen.rule.suffix) == ("a", "Net")
    assert found.goal == "neither user nor files say what it shall become"


def test_a_spec_for_another_interface_is_incompatible(registry, make_facts):
    registry.register(GROUP, "LateModel", spec("late", api_version=9), distribution="cenote-late", version="2")
    found = explain(make_facts(), architectures=["LateModel"], model_type=None, registry=registry)
    (claim,) = found.claims
    assert claim.standing == "incompatible"
    assert claim.detail.startswith("cenote-late 2 was made for version 9 of the adapter interface")
    assert str(found.error) == claim.detail


def test_without_any_candidate_the_error_is_that_of_the_resolution(registry, make_facts):
    found = explain(make_facts(), architectures=[], model_type="odd", registry=registry)
    assert (found.names, found.claims, found.chosen) == (("model_type:odd",), (), None)
    assert isinstance(found.error, UnknownArchitecture)
