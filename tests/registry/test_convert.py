"""Which adapter a checkpoint gets when no spec names its architecture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cenote.errors import InvalidRequest, PluginConflict, UnknownArchitecture, UnknownPlugin, UnsupportedTask
from cenote.registry import ArchitectureSpec, ConvertRule, Entry, Registry, resolve_adapter
from cenote.registry.rules import SUFFIXES, convert_rules, first_rule

TASKS = ("embed", "token_embed")
CLASSES = ("classify", "token_classify")


def generic(kind, *architectures, tasks):
    names = (*architectures, f"convert:{kind}")
    return ArchitectureSpec(name=kind.replace(":", "-"), architectures=names, adapter="fake:Adapter", tasks=tasks)


ENCODER = generic("embed:encoder", "BertModel", tasks=TASKS)
DECODER = generic("embed:decoder", "Qwen3Model", tasks=TASKS)
SEQUENCE = generic("classify:sequence", "BertForSequenceClassification", tasks=CLASSES)
TOKEN = generic("classify:token", tasks=("token_classify",))
LM = generic("classify:lm", tasks=CLASSES)
LOGIT_SCORE = ("sentence_transformers.cross_encoder.modules.logit_score.LogitScore",)
YES_NO = {"classifier_from_token": ["no", "yes"]}
POOLING = ("sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling")


@pytest.fixture
def registry() -> Registry:
    built_in = Registry([], environment={})
    built_in.register("cenote.convert_rules", "suffixes", "cenote.registry.rules:SUFFIXES", distribution="cenote")
    for spec in (ENCODER, DECODER, SEQUENCE, TOKEN, LM):
        for name in spec.architectures:
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
    assert f"{relative!r} of the same family is registered" in resolved.reason


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


@pytest.mark.parametrize("options", [{}, {"convert": "classify"}, {"convert": "none"}, {"runner": "pooling"}])
@pytest.mark.parametrize(
    ("architecture", "spec"),
    [
        ("FooForSequenceClassification", SEQUENCE),
        ("FooForTokenClassification", TOKEN),
        ("FooClassificationModel", SEQUENCE),
        ("BertForTokenClassification", TOKEN),
    ],
)
def test_a_classifier_is_one_by_its_suffix(registry, make_facts, architecture, spec, options):
    resolved = resolve(registry, make_facts(), architecture, **options)
    assert (resolved.spec, resolved.convert) == (spec, "classify")


@pytest.mark.parametrize("architecture", ["FooForRewardModeling", "FooRewardModel"])
def test_a_reward_model_without_spec_is_an_embedder_as_the_table_says(registry, make_facts, architecture):
    resolved = resolve(registry, make_facts(), architecture)
    assert (resolved.spec, resolved.convert) == (ENCODER, "embed")


def test_a_registered_classifier_stays_what_it_is(registry, make_facts):
    resolved = resolve(registry, make_facts(), "BertForSequenceClassification")
    assert (resolved.spec, resolved.convert) == (SEQUENCE, "none")


@pytest.mark.parametrize(
    ("config", "modules"),
    [(YES_NO, ()), ({"is_original_qwen3_reranker": True}, ()), ({}, LOGIT_SCORE)],
)
@pytest.mark.parametrize("convert", ["auto", "classify"])
@pytest.mark.parametrize(
    "architecture",
    [
        "FooForCausalLM",
        "FooForConditionalGeneration",
        "Qwen3ForSequenceClassification",
        "Qwen3ForTokenClassification",
        "Qwen3ForCausalLM",
        "Qwen3Model",
        "BertForSequenceClassification",
        "Strange",
    ],
)
def test_tokens_that_classify_make_a_language_model_a_classifier(
    registry, make_facts, architecture, config, modules, convert
):
    resolved = resolve(registry, make_facts(config=config, modules=modules), architecture, convert=convert)
    assert (resolved.spec, resolved.convert, resolved.architecture) == (LM, "classify", architecture)


def test_the_reason_of_a_conversion_names_what_the_files_say(registry, make_facts):
    by_config = resolve(registry, make_facts(config=YES_NO), "FooForCausalLM").reason
    assert by_config.endswith("'FooForCausalLM' is not registered, and its config has classifier_from_token.")
    by_modules = resolve(registry, make_facts(modules=LOGIT_SCORE), "Qwen3Model").reason
    assert by_modules.endswith("no spec of 'Qwen3Model' does what is needed, and modules.json ends in LogitScore.")


def test_a_language_model_with_a_stored_classifier_classifies_with_it(registry, make_facts):
    facts = make_facts(tensors={"score.weight"})
    assert resolve(registry, facts, "LlamaForCausalLM", convert="classify").spec is SEQUENCE
    assert resolve(registry, make_facts(), "LlamaForCausalLM", convert="classify").spec is LM


def test_what_sentence_transformers_call_a_cross_encoder_classifies(registry, make_facts):
    facts = make_facts(settings={"model_type": "CrossEncoder"})
    for architecture, spec in (("FooModel", SEQUENCE), ("FooForCausalLM", LM), ("Strange", SEQUENCE)):
        assert resolve(registry, facts, architecture).spec is spec


def test_what_sentence_transformers_pool_embeds_whatever_its_class(registry, make_facts):
    facts = make_facts(modules=POOLING)
    for architecture in ("BertForSequenceClassification", "FooForTokenClassification"):
        assert resolve(registry, facts, architecture).spec is ENCODER
        assert "token_classify" in resolve(registry, facts, architecture, convert="classify").spec.tasks


@pytest.mark.parametrize(
    ("architecture", "spec"),
    [("BertForSequenceClassification", ENCODER), ("FooForTokenClassification", ENCODER), ("Strange", ENCODER)],
)
def test_the_user_gets_an_embedder_out_of_anything(registry, make_facts, architecture, spec):
    resolved = resolve(registry, make_facts(config=YES_NO), architecture, convert="embed")
    assert (resolved.spec, resolved.convert) == (spec, "embed")


@pytest.mark.parametrize(("architecture", "spec"), [("BertModel", SEQUENCE), ("FooModel", SEQUENCE), ("Odd", SEQUENCE)])
def test_the_user_gets_a_classifier_out_of_anything(registry, make_facts, architecture, spec):
    resolved = resolve(registry, make_facts(), architecture, convert="classify")
    assert (resolved.spec, resolved.convert) == (spec, "classify")


def test_of_several_architectures_the_one_that_is_what_was_asked_for_decides(registry, make_facts):
    names = ("FooModel", "FooForTokenClassification")
    assert resolve(registry, make_facts(), names).spec is ENCODER
    assert resolve(registry, make_facts(), names, convert="classify").spec is TOKEN


def test_a_native_spec_gives_way_only_to_what_the_user_asked_and_it_cannot_do(registry, make_facts):
    native = ArchitectureSpec(name="n", architectures=("N",), adapter="fake:N", tasks=("token_embed",))
    registry.register("cenote.architectures", "BarModel", native, distribution="x")
    assert resolve(registry, make_facts(modules=LOGIT_SCORE), "BarModel").spec is native
    assert resolve(registry, make_facts(), "BarModel", convert="embed").spec is native
    resolved = resolve(registry, make_facts(), "BarModel", convert="classify")
    assert resolved.spec is SEQUENCE
    assert "no spec of 'BarModel' does what is needed, and convert='classify' was asked for" in resolved.reason


def test_an_adapter_that_was_named_must_do_what_was_asked(registry, make_facts):
    with pytest.raises(UnsupportedTask, match="'embed-encoder' can do; it does: embed, token_embed") as caught:
        resolve(registry, make_facts(), "BertModel", convert="classify", adapter="embed-encoder")
    assert caught.value.param == "convert"
    named = resolve(registry, make_facts(config=YES_NO), "FooForCausalLM", convert="classify", adapter="classify-lm")
    assert named.spec is LM
    assert resolve(registry, make_facts(), "FooForCausalLM", adapter="classify-lm").convert == "classify"


def test_a_relative_classifies_the_same_thing_or_is_passed_over(registry, make_facts):
    own = ArchitectureSpec(name="own", architectures=("Own",), adapter="fake:N", tasks=CLASSES)
    registry.register("cenote.architectures", "FooForSequenceClassification", own, distribution="x")
    assert resolve(registry, make_facts(), "FooModel", convert="classify").spec is own
    assert resolve(registry, make_facts(), "FooClassificationModel").spec is own
    assert resolve(registry, make_facts(), "FooForTokenClassification").spec is TOKEN
    assert resolve(registry, make_facts(), "FooForCausalLM", convert="classify").spec is LM


def test_a_config_is_repaired_as_that_of_the_family_is(registry, make_facts):
    own = ArchitectureSpec(name="own", architectures=("Own",), adapter="fake:N", tasks=TASKS, config_repair="a:b")
    registry.register("cenote.architectures", "FooModel", own, distribution="x")
    spec = resolve(registry, make_facts(), "FooForSequenceClassification").spec
    assert (spec.adapter, spec.config_repair) == (SEQUENCE.adapter, "a:b")


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [("ForImageClassification", "image"), ("ForAudioClassification", "audio"), ("ForVideoClassification", "video")],
)
def test_what_nothing_installed_can_classify_names_the_missing_conversion(registry, make_facts, suffix, kind):
    with pytest.raises(UnsupportedTask, match=f"'convert:classify:{kind}', which nothing installed offers") as caught:
        resolve(registry, make_facts(), f"ViT{suffix}")
    assert caught.value.param == "convert"
    images = generic(f"classify:{kind}", tasks=("classify",))
    registry.register("cenote.architectures", f"convert:classify:{kind}", images, distribution="x")
    assert resolve(registry, make_facts(), f"ViT{suffix}").spec is images


def test_a_disabled_conversion_says_so(make_facts):
    lm = Entry("cenote.architectures", "convert:classify:lm", "no_such_module_anywhere:LM", "x", "1")
    registry = Registry([lm], environment={"CENOTE_DISABLE_PLUGINS": "x"})
    with pytest.raises(UnknownPlugin, match="is disabled: CENOTE_DISABLE_PLUGINS names it"):
        resolve(registry, make_facts(config=YES_NO), "FooForCausalLM")


@pytest.mark.parametrize("runner", ["auto", "pooling"])
@pytest.mark.parametrize("architecture", ["FooForCausalLM", "FooForConditionalGeneration"])
def test_a_generating_class_that_shall_stay_one_is_no_pooling_model(registry, make_facts, architecture, runner):
    with pytest.raises(InvalidRequest, match=f"'{architecture}' generates text; with convert='none'") as caught:
        resolve(registry, make_facts(modules=POOLING), architecture, convert="none", runner=runner)
    assert caught.value.param == "convert"


def test_a_strange_name_that_shall_stay_what_it_is_has_no_adapter(registry, make_facts):
    with pytest.raises(UnknownArchitecture):
        resolve(registry, make_facts(modules=POOLING), "Strange", convert="none", runner="pooling")


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
        "Installed: BertModel, BertForSequenceClassification, Qwen3Model."
    )
    assert caught.value.architecture == "HF_ColBERT"


def test_a_long_list_of_names_is_cut_to_the_nearest_three_and_a_count(registry, make_facts):
    for number in range(20):
        registry.register("cenote.architectures", f"Family{number}Model", ENCODER, distribution="cenote")
    with pytest.raises(UnknownArchitecture, match=r"Installed: BertModel, \w+, \w+ \(nearest of 23\)\.$"):
        resolve(registry, make_facts(), "BertMode")


def test_a_known_plugins_architecture_is_not_converted_behind_the_users_back(registry, make_facts):
    with pytest.raises(UnknownArchitecture, match="pip install cenote-nemotron-vl"):
        resolve(registry, make_facts(), "LlamaNemotronVLModel")
    assert resolve(registry, make_facts(), "LlamaNemotronVLModel", convert="embed").spec is ENCODER


@pytest.mark.parametrize(
    ("options", "why"),
    [({"convert": "embed"}, "convert='embed' was asked for"), ({"runner": "pooling"}, "runner='pooling' was asked")],
)
def test_a_strange_name_is_an_embedder_where_the_user_says_so(registry, make_facts, options, why):
    resolved = resolve(registry, make_facts(), "Strange", **options)
    assert (resolved.spec, resolved.convert) == (ENCODER, "embed")
    assert why in resolved.reason


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
