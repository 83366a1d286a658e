"""Options: unknown names, wrong values, names kept for compatibility, where a value came from."""

from __future__ import annotations

import logging

import pytest

from cenote import EngineArgs
from cenote.config import EngineConfig, first_set
from cenote.config.foreign import FOREIGN
from cenote.errors import InvalidRequest


def test_unknown_options_are_refused_with_the_nearest_names() -> None:
    with pytest.raises(InvalidRequest, match=r"Unknown option 'max_model_length'.*max_model_len") as caught:
        EngineConfig.from_options(max_model_length=5)
    assert caught.value.param == "max_model_length"


@pytest.mark.parametrize(
    ("option", "value"),
    [("dtype", "int3"), ("max_model_len", 0), ("max_model_len", -2), ("max_num_seqs", 0)],
)
def test_wrong_values_name_their_option(option: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=option):
        EngineConfig.from_options(**{option: value})


@pytest.mark.parametrize(
    ("option", "value"),
    [("hf_overrides", [1]), ("served_model_name", 3), ("hf_token", ["my secret"]), ("chat_template", 3)],
)
def test_a_value_of_the_wrong_kind_names_its_option_and_shows_no_secret(option: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=f"^{option}: Input should be a valid") as caught:
        EngineConfig.from_options(**{option: value})
    assert caught.value.param == option
    assert "secret" not in str(caught.value)


def test_options_are_checked_alike_where_they_are_made_directly() -> None:
    assert EngineArgs is EngineConfig
    assert EngineArgs(model="m", tensor_parallel_size=1) == EngineConfig(model="m")
    for wrong in ({"runner": "generate"}, {"dtype": "int3"}, {"no_option": 1}, {"quantization": "awq"}):
        with pytest.raises(InvalidRequest):
            EngineArgs(**wrong)


def test_minus_one_is_the_automatic_length() -> None:
    assert EngineConfig.from_options(max_model_len=-1).max_model_len is None


def test_options_of_generation_are_accepted_where_they_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cenote"):
        EngineConfig.from_options(enforce_eager=True, tensor_parallel_size=1)
    assert "enforce_eager has no effect" in caplog.text


def test_several_devices_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="tensor_parallel_size=2 is not offered"):
        EngineConfig.from_options(tensor_parallel_size=2)


@pytest.mark.parametrize("runner", ["generate", "draft"])
def test_generation_is_refused_with_what_there_is(runner: str) -> None:
    with pytest.raises(InvalidRequest, match=r"cenote runs pooling models only\. Use 'auto' or 'pooling'") as caught:
        EngineConfig.from_options(runner=runner)
    assert caught.value.param == "runner"


@pytest.mark.parametrize(
    ("option", "value", "known"),
    [("convert", "reward", "'auto', 'none', 'embed' or 'classify'"), ("runner", "embed", "'auto' or 'pooling'")],
)
def test_a_word_that_an_option_does_not_know_is_answered_with_those_it_does(
    option: str, value: str, known: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"{option}='{value}' is not offered. Use {known}") as caught:
        EngineConfig.from_options(**{option: value})
    assert caught.value.param == option


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("tensor_parallel_size", 2, "one device"),
        ("data_parallel_size", 4, "one device"),
        ("skip_tokenizer_init", True, "Token ids are accepted as prompts in any case"),
        ("tokenizer_mode", "mistral", "'auto' or 'hf'"),
        ("tokenizer_revision", "main", "give its folder as tokenizer"),
        ("code_revision", "main", "of its revision"),
        ("model_impl", "vllm", "'auto' or 'transformers'"),
        ("hf_config_path", "x", "hf_overrides"),
        ("quantization_config", {"bits": 4}, "dtype"),
        ("override_pooler_config", {"pooling_type": "CLS"}, "It is called pooler_config"),
        ("enable_prompt_embeds", True, "token ids"),
        ("model_class_overrides", {"A": "b:C"}, "adapter"),
    ],
)
def test_options_of_vllm_that_would_change_something_are_refused_with_advice(
    option: str, value: object, advice: str
) -> None:
    with pytest.raises(
        InvalidRequest, match=f"{option}=.* is not offered; (accepted is|leave it out).*{advice}"
    ) as caught:
        EngineConfig.from_options(**{option: value})
    assert caught.value.param == option


@pytest.mark.parametrize("option", FOREIGN)
def test_options_of_vllm_are_accepted_at_values_that_change_nothing(option: str) -> None:
    number = FOREIGN[option].number
    for value in FOREIGN[option].harmless or ((None, 1) if number else (True, 0.9)):
        assert EngineConfig.from_options(**{option: value}) == EngineConfig()


@pytest.mark.parametrize(
    ("task", "convert", "default"),
    [
        ("auto", "auto", None),
        ("embed", "embed", "embed"),
        ("embedding", "embed", "embed"),
        ("classify", "classify", "classify"),
        ("score", "auto", None),
        ("reward", "auto", None),
        ("token_embed", "auto", "token_embed"),
        ("plugin", "auto", "plugin"),
    ],
)
def test_the_older_option_task_is_translated_with_a_warning(task: str, convert: str, default: str | None) -> None:
    with pytest.warns(DeprecationWarning, match="The option task=.* is deprecated: (say|leave)"):
        config = EngineConfig.from_options(task=task, pooler_config={"use_activation": False})
    assert (config.convert, config.pooler_config.task) == (convert, default)
    assert config.pooler_config.use_activation is False


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("encode", "'encode' was removed; use pooler_config={'task': 'token_embed'} or 'token_classify'"),
        ("generate", "cenote runs pooling models only"),
        ("embeddings", "task='embeddings' is unknown. Known: auto, embed"),
    ],
)
def test_an_older_task_that_means_nothing_is_refused(task: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        EngineConfig.from_options(task=task)
    assert caught.value.param == "task"


@pytest.mark.parametrize(
    "other", [{"convert": "classify"}, {"convert": "none"}, {"pooler_config": {"task": "token_embed"}}]
)
@pytest.mark.filterwarnings("ignore:The option task:DeprecationWarning")
def test_an_older_task_may_not_contradict_what_replaced_it(other: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match=r"task='embed' means .* is asked for too") as caught:
        EngineConfig.from_options(task="embed", **other)
    assert caught.value.param == "task"


@pytest.mark.parametrize(
    "given",
    [
        ["a=/x", "b=/y"],
        {"a": "/x", "b": "/y"},
        [{"name": "a", "path": "/x"}, '{"name": "b", "path": "/y", "base_model_name": "c"}'],
    ],
)
def test_low_rank_adapters_may_be_spelt_in_several_ways(given: object) -> None:
    assert EngineConfig.from_options(lora_modules=given).lora_modules == ("a=/x", "b=/y")
    assert EngineConfig.from_options(lora_modules="a=/x").lora_modules == ("a=/x",)
    assert EngineConfig.from_options(lora_modules=None).lora_modules == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a"], "takes name=folder, not 'a'"),
        (["=x"], "takes name=folder"),
        ([3], "takes name=folder, not 3"),
        ([{"name": "a"}], "needs 'name' and 'path'"),
        (["{name}"], "is not valid JSON"),
        (["a=/x", "a=/y"], "names an adapter twice"),
    ],
)
def test_low_rank_adapters_that_are_misspelt_are_refused(given: object, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        EngineConfig.from_options(lora_modules=given)
    assert caught.value.param == "lora_modules"


def test_low_rank_adapters_are_not_named_where_they_are_off() -> None:
    with pytest.raises(InvalidRequest, match="enable_lora is off"):
        EngineConfig.from_options(enable_lora=False, lora_modules=["a=/x"])
    assert EngineConfig.from_options(lora_modules=["a=/x"]).lora_modules == ("a=/x",)


def test_the_strongest_source_decides_and_is_remembered() -> None:
    assert str(first_set(user=None, sentence_transformers=None, model=None, default=1)) == "1 (pooler_default)"
    assert str(first_set(user=None, sentence_transformers=None, model=2, default=1)) == "2 (model_default)"
    assert str(first_set(user=None, sentence_transformers=3, model=2, default=1)) == "3 (sentence_transformers)"
    assert str(first_set(user=False, sentence_transformers=True, default=True)) == "False (user)"


@pytest.mark.parametrize(("option", "value"), [("seed", "x"), ("seed", 0.5), ("max_loras", True)])
def test_options_without_effect_have_the_right_type_all_the_same(option: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=f"{option} must be of type int"):
        EngineConfig.from_options(**{option: value})


@pytest.mark.parametrize(
    ("given", "names"),
    [(None, None), ("", ()), ([], ()), ("a", ("a",)), (" a, b ,", ("a", "b")), (["a", "b,c"], ("a", "b", "c"))],
)
def test_io_processors_are_named_in_a_text_or_a_list(given: object, names: object) -> None:
    assert EngineConfig.from_options(io_processor_plugin=given).io_processor_plugin == names


def test_io_processors_that_are_named_twice_or_not_by_text_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="io_processor_plugin names a processor twice: a, b, a"):
        EngineConfig.from_options(io_processor_plugin="a,b,a")
    with pytest.raises(InvalidRequest, match="io_processor_plugin"):
        EngineConfig.from_options(io_processor_plugin=[1])
    with pytest.raises(InvalidRequest, match="io_processor_settings"):
        EngineConfig.from_options(io_processor_settings={"a": 1})
