"""Which adapter a checkpoint gets when specs name its architecture."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from cenote.errors import InvalidRequest, PluginConflict, PluginError, PluginIncompatible, UnknownPlugin
from cenote.registry import API_VERSION, ArchitectureSpec, Registry, load_adapter, resolve_adapter
from cenote.registry.candidates import check_spec

GROUP = "cenote.architectures"
PLAIN = ArchitectureSpec(
    name="plain", architectures=("XLMRobertaModel",), adapter="fake_adapters:Plain", tasks=("embed", "token_embed")
)
BGE = replace(PLAIN, name="bge-m3", markers=("file:sparse_linear.pt",))
FINER = replace(PLAIN, name="finer", markers=("file:sparse_linear.pt", "config:model_type=xlm-roberta"))


def registry_of(**specs: ArchitectureSpec) -> Registry:
    """A registry where each keyword is a distribution that offers one spec under its first architecture."""
    registry = Registry([], environment={})
    for distribution, spec in specs.items():
        registry.register(GROUP, spec.architectures[0], spec, distribution=distribution, version="1.0")
    return registry


def resolve(registry, facts, architectures=("XLMRobertaModel",), model_type="xlm-roberta", **options):
    return resolve_adapter(facts, architectures=architectures, model_type=model_type, registry=registry, **options)


def test_the_only_spec_of_a_name_is_chosen_and_says_so(make_facts):
    resolved = resolve(registry_of(one=PLAIN), make_facts())
    assert (resolved.spec, resolved.distribution, resolved.version) == (PLAIN, "one", "1.0")
    assert (resolved.architecture, resolved.runner, resolved.convert) == ("XLMRobertaModel", "pooling", "none")
    assert resolved.reason == "plain of one 1.0: it is registered for 'XLMRobertaModel'."


def test_the_spec_with_most_markers_wins_where_all_of_them_hold(make_facts):
    registry = registry_of(one=PLAIN, two=BGE, three=FINER)
    assert resolve(registry, make_facts()).spec is PLAIN
    with_file = make_facts(files={"sparse_linear.pt"})
    assert resolve(registry, with_file).spec is BGE
    with_both = make_facts(files={"sparse_linear.pt"}, config={"model_type": "xlm-roberta"})
    resolved = resolve(registry, with_both)
    assert resolved.spec is FINER
    assert "the checkpoint has file:sparse_linear.pt, config:model_type=xlm-roberta" in resolved.reason


@pytest.mark.parametrize(
    ("marker", "holds", "fails"),
    [
        ("file:a.pt", {"files": {"a.pt"}}, {"files": {"b.pt"}}),
        ("config:a.b=text", {"config": {"a": {"b": "text"}}}, {"config": {"a": "text"}}),
        ("config:flag=true", {"config": {"flag": True}}, {"config": {"flag": 1}}),
        ("config:size=3", {"config": {"size": 3}}, {"config": {"size": 4}}),
        ("config:gone=null", {}, {"config": {"gone": 0}}),
        ("tensor:linear.weight", {"tensors": {"linear.weight"}}, {"tensors": {"linear.bias"}}),
        ("module:pylate.models.Dense.Dense", {"modules": ("pylate.models.Dense.Dense",)}, {"modules": ("Dense",)}),
        ("module:*.SpladePooling", {"modules": ("a.Transformer", "b.SpladePooling")}, {"modules": ("a.Pooling",)}),
        ("settings:model_type=CrossEncoder", {"settings": {"model_type": "CrossEncoder"}}, {"settings": {}}),
        ("module:pylate.*|settings:kind=late", {"settings": {"kind": "late"}}, {"settings": {"kind": "early"}}),
        ("module:pylate.*|settings:kind=late", {"modules": ("pylate.models.Dense",)}, {"modules": ("Dense",)}),
        ("name:*qwen3-reranker*", {"name": "Qwen/Qwen3-Reranker-0.6B"}, {"name": "Qwen3-Reranker/Qwen3-0.6B"}),
        ("name:*qwen3-reranker*", {"name": "/models/qwen3-reranker-own/"}, {"name": "/models/qwen3-reranker/x"}),
        ("name:*Reranker*", {"name": "C:\\models\\qwen3-RERANKER"}, {"name": "model"}),
        (
            "name:*qwen3-reranker*",
            {"name": "/cache/models--Qwen--Qwen3-Reranker-0.6B/snapshots/6e9e69830b95c52b5fd889b7690dda3329508de3"},
            {"name": "/cache/models--Qwen--Qwen3-0.6B/snapshots/qwen3"},
        ),
    ],
)
def test_each_kind_of_marker_asks_its_fact(make_facts, marker, holds, fails):
    registry = registry_of(one=PLAIN, two=replace(PLAIN, name="marked", markers=(marker,)))
    assert resolve(registry, make_facts(**holds)).spec.name == "marked"
    assert resolve(registry, make_facts(**fails)).spec.name == "plain"


def test_a_tie_names_both_distributions_with_versions_and_the_way_out(make_facts):
    registry = registry_of(one=PLAIN, rival=replace(PLAIN, name="usurper"))
    with pytest.raises(PluginConflict) as caught:
        resolve(registry, make_facts())
    for words in ("'XLMRobertaModel'", "one 1.0 and rival 1.0", "--adapter one", "(plain, usurper)"):
        assert words in str(caught.value)


def test_a_spec_under_two_names_of_one_distribution_is_no_tie(make_facts):
    registry = registry_of(one=PLAIN)
    registry.register(GROUP, "XLMRobertaModel", PLAIN, distribution="one", version="1.0")
    assert resolve(registry, make_facts()).spec is PLAIN


@pytest.mark.parametrize(("chosen", "spec"), [("usurper", "usurper"), ("rival", "usurper"), ("One", "plain")])
def test_the_user_ends_a_tie_by_spec_or_distribution_name(make_facts, chosen, spec):
    registry = registry_of(one=PLAIN, rival=replace(PLAIN, name="usurper"))
    resolved = resolve(registry, make_facts(), adapter=chosen)
    assert resolved.spec.name == spec
    assert f"adapter={chosen!r} was asked for" in resolved.reason


def test_the_user_may_choose_an_adapter_whose_markers_do_not_hold(make_facts):
    registry = registry_of(one=PLAIN, two=BGE)
    assert resolve(registry, make_facts(), adapter="two").spec is BGE


def test_the_user_may_choose_an_adapter_of_another_architecture(make_facts):
    registry = registry_of(one=PLAIN)
    resolved = resolve(registry, make_facts(), architectures=("HF_ColBERT",), adapter="plain")
    assert (resolved.spec, resolved.architecture) == (PLAIN, "HF_ColBERT")


def test_an_unknown_adapter_lists_what_is_installed(make_facts):
    with pytest.raises(UnknownPlugin, match=r"No adapter is called 'plane'\. Installed: plain, one"):
        resolve(registry_of(one=PLAIN), make_facts(), adapter="plane")


def test_a_distribution_with_several_specs_must_be_chosen_by_spec_name(make_facts):
    registry = registry_of(one=PLAIN)
    registry.register(GROUP, "Other", replace(PLAIN, name="second"), distribution="one", version="1.0")
    with pytest.raises(PluginConflict, match=r"\(plain, second\)"):
        resolve(registry, make_facts(), architectures=("Third",), adapter="one")


def test_architectures_are_tried_in_order_and_model_type_only_without_them(make_facts):
    by_type = replace(PLAIN, name="by-type", architectures=("model_type:xlm-roberta",))
    registry = registry_of(one=PLAIN, two=by_type)
    assert resolve(registry, make_facts(), architectures=("Unknown", "XLMRobertaModel")).spec is PLAIN
    assert resolve(registry, make_facts(), architectures=()).spec is by_type


@pytest.mark.parametrize(
    ("version", "advice"),
    [(API_VERSION + 1, "Upgrade cenote: pip install -U cenote."), (0, "Upgrade two: pip install -U two.")],
)
def test_another_interface_version_is_refused_before_the_adapter_is_imported(make_facts, version, advice):
    registry = registry_of(two=replace(PLAIN, api_version=version, adapter="no_such_module:Adapter"))
    with pytest.raises(PluginIncompatible) as caught:
        resolve(registry, make_facts())
    assert str(caught.value).endswith(advice)
    assert caught.value.distribution == "two"


def test_an_incompatible_spec_does_not_tie_with_one_that_can_run(make_facts):
    registry = registry_of(one=PLAIN, two=replace(PLAIN, name="old", api_version=0))
    assert resolve(registry, make_facts()).spec is PLAIN


def test_a_broken_spec_is_passed_over_with_one_warning(make_facts, make_module, caplog):
    make_module("broken_spec", "import no_such_module_anywhere")
    registry = registry_of(one=PLAIN)
    registry.register(GROUP, "XLMRobertaModel", "broken_spec:SPEC", distribution="two", version="0.1")
    with caplog.at_level(logging.WARNING):
        assert resolve(registry, make_facts()).spec is PLAIN
        assert resolve(registry, make_facts()).spec is PLAIN
    assert len(caplog.records) == 1
    with pytest.raises(PluginError, match="no_such_module_anywhere"):
        resolve(registry, make_facts(), adapter="two")


def test_an_architecture_that_only_a_broken_plugin_offers_raises_its_cause(make_facts):
    registry = registry_of(one=PLAIN)
    registry.register(GROUP, "HF_ColBERT", "no_such_module_anywhere:SPEC", distribution="two", version="0.1")
    with pytest.raises(PluginError, match=r"of two 0\.1 is broken"):
        resolve(registry, make_facts(), architectures=("HF_ColBERT",))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("not a spec", "expected an ArchitectureSpec, found str"),
        (replace(PLAIN, tasks="embed"), "tasks of spec 'plain' must be a tuple"),
        (replace(PLAIN, markers=("files:typo",)), "marker 'files:typo' is not one of"),
        (replace(PLAIN, markers=("settings:model_type",)), "marker 'settings:model_type' is not one of"),
        (replace(PLAIN, markers=("file:a.pt|settings:model_type",)), "marker 'settings:model_type' is not one of"),
        (replace(PLAIN, adapter="no.colon"), "package.module:Class"),
    ],
)
def test_a_malformed_spec_is_a_broken_plugin(make_facts, make_module, spec, message):
    make_module("malformed_spec", "from dataclasses import *\nfrom cenote.registry import *\nSPEC = None")
    import malformed_spec

    malformed_spec.SPEC = spec
    registry = Registry([], environment={})
    registry.register(GROUP, "XLMRobertaModel", "malformed_spec:SPEC", distribution="two", version="0.1")
    with pytest.raises(PluginError, match=message):
        resolve(registry, make_facts())


def test_a_native_spec_is_not_passed_over_for_what_files_say(make_facts):
    files = make_facts(settings={"model_type": "CrossEncoder"}, config={"classifier_from_token": ["no", "yes"]})
    assert resolve(registry_of(one=PLAIN), files).spec is PLAIN


def test_a_spec_for_rerankers_of_a_name_leaves_their_relatives_alone(make_facts):
    reranker = replace(PLAIN, name="reranker", tasks=("classify",), markers=("name:*reranker*",))
    registry = registry_of(one=PLAIN, two=reranker)
    assert resolve(registry, make_facts(name="Qwen/Qwen3-Reranker-0.6B")).spec is reranker
    assert resolve(registry, make_facts(name="Qwen/Qwen3-Embedding-0.6B")).spec is PLAIN


@pytest.mark.parametrize("runner", ["generate", "draft"])
def test_generation_is_refused_as_a_runner(make_facts, runner):
    with pytest.raises(InvalidRequest, match="cenote runs pooling models only") as caught:
        resolve(registry_of(one=PLAIN), make_facts(), runner=runner)
    assert caught.value.param == "runner"


def test_an_unknown_conversion_is_refused(make_facts):
    with pytest.raises(InvalidRequest, match="convert='reward' is unknown"):
        resolve(registry_of(one=PLAIN), make_facts(), convert="reward")


def test_the_adapter_is_loaded_from_the_resolution(make_facts, make_module):
    make_module("fake_adapters", "class Plain:\n    @classmethod\n    def load(cls, checkpoint, options): ...")
    registry = registry_of(one=PLAIN)
    assert load_adapter(resolve(registry, make_facts()), registry).__name__ == "Plain"


def test_an_adapter_without_load_is_a_broken_plugin(make_facts, make_module):
    make_module("fake_adapters", "Plain = 3")
    registry = registry_of(one=PLAIN)
    resolved = resolve(registry, make_facts())
    with pytest.raises(PluginError, match="no method load") as caught:
        load_adapter(resolved, registry)
    assert caught.value.distribution == "one"


def test_the_interface_version_is_checked_again_when_the_adapter_is_loaded(make_facts):
    registry = registry_of(one=PLAIN)
    resolved = replace(resolve(registry, make_facts()), spec=replace(PLAIN, api_version=99))
    with pytest.raises(PluginIncompatible):
        load_adapter(resolved, registry)


@pytest.mark.parametrize("name", ["usurper", "plain"])
def test_a_plugin_does_not_keep_a_built_in_from_its_models(make_facts, caplog, name):
    registry = registry_of(cenote=PLAIN, rival=replace(PLAIN, name=name, adapter="rivals:Own"))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert resolve(registry, make_facts()).distribution == "cenote"
    assert [record.getMessage() for record in caplog.records] == [
        f"Spec {name!r} of rival 1.0 is passed over for 'XLMRobertaModel', which a built-in fits as well. "
        "Choose it with --adapter rival, or give it a marker."
    ]
    assert resolve(registry, make_facts(), adapter="plain").distribution == "cenote"
    assert resolve(registry, make_facts(), adapter="rival").distribution == "rival"


def test_specs_of_one_name_are_told_apart_by_distribution(make_facts):
    registry = registry_of(one=PLAIN, rival=replace(PLAIN, adapter="rivals:Own"))
    with pytest.raises(PluginConflict, match=r"Choose one with --adapter one\.$"):
        resolve(registry, make_facts())


def test_a_marker_that_every_checkpoint_has_is_none():
    with pytest.raises(ValueError, match="it holds of every checkpoint"):
        check_spec(replace(PLAIN, markers=("file:config.json",)))
