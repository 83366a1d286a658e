"""Which adapter a checkpoint gets when no spec names its architecture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cenote.errors import InvalidRequest, PluginConflict, UnknownArchitecture, UnsupportedTask
from cenote.registry import ArchitectureSpec, ConvertRule, Registry, resolve_adapter
from cenote.registry.rules import SUFFIXES, convert_rules, first_rule

TASKS = ("embed", "token_embed")
ENCODER = ArchitectureSpec(
    name="transformers-encoder", architectures=("BertModel",), adapter="fake:Encoder", tasks=TASKS
)
DECODER = ArchitectureSpec(
    name="transformers-decoder", architectures=("Qwen3Model",), adapter="fake:Decoder", tasks=TASKS
)
POOLING = ("sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling")


@pytest.fixture
def registry() -> Registry:
    built_in = Registry([], environment={})
    built_in.register("cenote.convert_rules", "suffixes", "cenote.registry.rules:SUFFIXES", distribution="cenote")
    for spec, kind in ((ENCODER, "encoder"), (DECODER, "decoder")):
        for name in (*spec.architectures, f"convert:embed:{kind}"):
            built_in.register("cenote.architectures", name, spec, distribution="cenote", version="0.1.0")
    return built_in


def resolve(registry, facts, architecture, **options):
    names = (architecture,) if isinstance(architecture, str) else architecture
    return resolve_adapter(facts, architectures=names, model_type=None, registry=registry, **options)


@pytest.mark.parametrize(
    ("architecture", "suffix", "runner", "convert"),
    [
        ("LlamaForCausalLM", "ForCausalLM", "generate", "none"),
        ("T5ForConditionalGeneration", "ForConditionalGeneration", "generate", "none"),
        ("BaichuanChatModel", "ChatModel", "generate", "none"),
        ("GPT2LMHeadModel", "LMHeadModel", "generate", "none"),
        ("GritLMForTextEncoding", "ForTextEncoding", "pooling", "embed"),
        ("BgeEmbeddingModel", "EmbeddingModel", "pooling", "embed"),
        ("BertForSequenceClassification", "ForSequenceClassification", "pooling", "classify"),
        ("BertForTokenClassification", "ForTokenClassification", "pooling", "classify"),
        ("WhisperForAudioClassification", "ForAudioClassification", "pooling", "classify"),
        ("ViTForImageClassification", "ForImageClassification", "pooling", "classify"),
        ("TimesformerForVideoClassification", "ForVideoClassification", "pooling", "classify"),
        ("SomeClassificationModel", "ClassificationModel", "pooling", "classify"),
        ("LlamaForRewardModeling", "ForRewardModeling", "pooling", "embed"),
        ("InternLM2ForRewardModel", "RewardModel", "pooling", "embed"),
        ("BertModel", "Model", "pooling", "embed"),
    ],
)
def test_the_suffix_table_is_the_contracts_and_the_first_match_wins(architecture, suffix, runner, convert):
    rule = first_rule(SUFFIXES, architecture)
    assert (rule.suffix, rule.runner, rule.convert) == (suffix, runner, convert)


def test_a_bare_suffix_is_no_match():
    assert first_rule(SUFFIXES, "Model") is None
    assert first_rule(SUFFIXES, "HF_ColBERT") is None


@pytest.mark.parametrize(
    ("architecture", "spec"),
    [
        ("FooModel", ENCODER),
        ("FooForMaskedLM", ENCODER),
        ("FooForPreTraining", ENCODER),
        ("FooForCausalLM", DECODER),
        ("FooForConditionalGeneration", DECODER),
        ("FooLMHeadModel", DECODER),
    ],
)
def test_an_unregistered_architecture_becomes_an_embedder_by_its_suffix(registry, make_facts, architecture, spec):
    resolved = resolve(registry, make_facts(), architecture)
    assert (resolved.spec, resolved.convert, resolved.architecture) == (spec, "embed", architecture)
    assert f"{architecture!r} is not registered, and its name ends in" in resolved.reason


@pytest.mark.parametrize(
    ("architecture", "spec", "relative"),
    [
        ("BertForMaskedLM", ENCODER, "BertModel"),
        ("Qwen3ForCausalLM", DECODER, "Qwen3Model"),
    ],
)
def test_a_registered_class_of_the_same_family_is_preferred(registry, make_facts, architecture, spec, relative):
    resolved = resolve(registry, make_facts(), architecture)
    assert (resolved.spec, resolved.convert) == (spec, "embed")
    assert f"{relative!r} of the same family is" in resolved.reason


def test_a_classifier_may_be_turned_into_an_embedder_through_its_family(registry, make_facts):
    resolved = resolve(registry, make_facts(), "Qwen3ForSequenceClassification", convert="embed")
    assert (resolved.spec, resolved.convert) == (DECODER, "embed")


def test_a_relative_that_cannot_embed_is_passed_over(registry, make_facts):
    scorer = replace(ENCODER, name="scorer", tasks=("classify",))
    registry.register("cenote.architectures", "FooForSequenceClassification", scorer, distribution="x")
    assert resolve(registry, make_facts(), "FooModel").spec is ENCODER


def test_a_broken_relative_does_not_keep_a_checkpoint_from_loading(registry, make_facts):
    registry.register("cenote.architectures", "FooForTextEncoding", "no_such_module_anywhere:SPEC", distribution="x")
    assert resolve(registry, make_facts(), "FooModel").spec is ENCODER


@pytest.mark.parametrize("options", [{}, {"convert": "classify"}])
def test_classifiers_are_refused_with_what_is_possible(registry, make_facts, options):
    with pytest.raises(UnsupportedTask, match=r"not available in this version\. Possible: convert='embed'"):
        resolve(registry, make_facts(), "FooForSequenceClassification", **options)


def test_a_spec_that_embeds_only_refuses_to_classify(registry, make_facts):
    with pytest.raises(UnsupportedTask, match="transformers-encoder does: embed, token_embed"):
        resolve(registry, make_facts(), "BertModel", convert="classify")


def test_a_spec_that_classifies_is_allowed_to(registry, make_facts):
    native = ArchitectureSpec(name="n", architectures=("N",), adapter="fake:N", tasks=("classify",))
    registry.register("cenote.architectures", "NForSequenceClassification", native, distribution="x")
    assert resolve(registry, make_facts(), "NForSequenceClassification").convert == "none"
    assert resolve(registry, make_facts(), "NForSequenceClassification", convert="classify").convert == "classify"


def test_a_causal_model_registered_for_the_generic_adapter_is_converted(registry, make_facts):
    registry.register("cenote.architectures", "LlamaForCausalLM", DECODER, distribution="cenote", version="0.1.0")
    resolved = resolve(registry, make_facts(), "LlamaForCausalLM")
    assert resolved.convert == "embed"
    assert "converts the causal language model into an embedder" in resolved.reason
    with pytest.raises(InvalidRequest, match="'LlamaForCausalLM' generates text"):
        resolve(registry, make_facts(), "LlamaForCausalLM", convert="none")


def test_an_unknown_architecture_names_the_nearest_and_what_to_install(registry, make_facts):
    with pytest.raises(UnknownArchitecture) as caught:
        resolve(registry, make_facts(), "HF_ColBERT")
    assert str(caught.value) == (
        "No adapter for architecture 'HF_ColBERT' (from config.json). Install one: pip install cenote-colbert. "
        "Installed: BertModel, Qwen3Model."
    )
    assert caught.value.architecture == "HF_ColBERT"


def test_a_long_list_of_names_is_cut_to_the_nearest_three_and_a_count(registry, make_facts):
    for number in range(20):
        registry.register("cenote.architectures", f"Family{number}Model", ENCODER, distribution="cenote")
    with pytest.raises(UnknownArchitecture, match=r"Installed: BertModel, \w+, \w+ \(nearest of 22\)\.$"):
        resolve(registry, make_facts(), "BertMode")


def test_a_known_plugins_architecture_is_not_converted_behind_the_users_back(registry, make_facts):
    with pytest.raises(UnknownArchitecture, match="pip install cenote-nemotron-vl"):
        resolve(registry, make_facts(), "LlamaNemotronVLModel")
    assert resolve(registry, make_facts(), "LlamaNemotronVLModel", convert="embed").spec is ENCODER


@pytest.mark.parametrize("options", [{"convert": "embed"}, {"runner": "pooling"}])
def test_a_strange_name_is_an_embedder_where_the_user_says_so(registry, make_facts, options):
    resolved = resolve(registry, make_facts(), "Strange", **options)
    assert (resolved.spec, resolved.convert) == (ENCODER, "embed")
    assert "an embedder was asked for" in resolved.reason


def test_a_strange_name_is_an_embedder_where_sentence_transformers_pool_it(registry, make_facts):
    assert resolve(registry, make_facts(modules=POOLING), "Strange").convert == "embed"
    with pytest.raises(UnknownArchitecture):
        resolve(registry, make_facts(), "Strange")


def test_without_architectures_and_model_type_there_is_nothing_to_go_by(registry, make_facts):
    with pytest.raises(UnknownArchitecture, match="neither architectures nor a model_type"):
        resolve(registry, make_facts(), ())


def test_a_plugin_adds_a_rule_before_the_built_in_ones(registry, make_facts):
    rule = ConvertRule(suffix="ForRanking", runner="generate", convert="none", order=5)
    take_back = registry.register("cenote.convert_rules", "ranking", rule)
    assert convert_rules(registry)[0] is rule
    assert resolve(registry, make_facts(), "FooForRanking").spec is DECODER
    take_back()
    with pytest.raises(UnknownArchitecture):
        resolve(registry, make_facts(), "FooForRanking")


def test_a_broken_rule_leaves_the_others_in_force(registry):
    registry.register("cenote.convert_rules", "bad", "no_such_module_anywhere:RULES")
    registry.register("cenote.convert_rules", "worse", ConvertRule(suffix="", runner="pooling", convert="embed"))
    registry.register("cenote.convert_rules", "odd", ConvertRule(suffix="X", runner="pooling", convert="none"))
    assert convert_rules(registry) == SUFFIXES


def test_two_rules_that_contradict_each_other_are_a_conflict(registry):
    rule = ConvertRule(suffix="ForCausalLM", runner="pooling", convert="classify", order=10)
    registry.register("cenote.convert_rules", "rival", rule, distribution="rival", version="2")
    with pytest.raises(PluginConflict, match=r"'ForCausalLM' at place 10.*cenote and rival 2"):
        convert_rules(registry)
