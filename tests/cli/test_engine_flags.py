"""Flags of everything that may be said of a model, as every command that loads one has them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from cenote.cli.engine_extras import SpreadCommand
from cenote.cli.engine_options import engine_flags, engine_options
from cenote.config import EngineConfig
from cenote.errors import InvalidRequest


def parse(*words: str) -> tuple[dict[str, Any], str]:
    """Return the engine's options that a command line gives, and what was printed."""
    app, found = typer.Typer(add_completion=False), []

    @app.command(cls=SpreadCommand)
    @engine_flags
    def command(**options: Any) -> None:
        found.append(engine_options(options))

    finished = CliRunner().invoke(app, list(words))
    if isinstance(finished.exception, Exception):
        raise finished.exception
    assert finished.exit_code == 0, finished.output
    return found[0], finished.stderr


def refusal(*words: str) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse(*words)
    return str(caught.value)


def test_what_is_not_given_is_left_to_the_checkpoint():
    assert parse() == ({}, "")


@pytest.mark.parametrize(
    "words",
    [
        ("--pooler-config", '{"seq_pooling_type": "CLS", "use_activation": false, "returned_token_ids": [1, 2]}'),
        (
            "--pooler-config.seq_pooling_type=CLS",
            "--pooler-config.use-activation",
            "false",
            "--pooler-config.returned_token_ids=[1, 2]",
        ),
        (
            "--pooler-config",
            '{"use_activation": false, "returned_token_ids": [1, 2]}',
            "--pooler-config.seq-pooling-type",
            "CLS",
        ),
    ],
)
def test_pooling_settings_come_as_json_and_one_by_one(words):
    settings = {"seq_pooling_type": "CLS", "use_activation": False, "returned_token_ids": [1, 2]}
    assert parse(*words) == ({"pooler_config": settings}, "")


def test_a_pooling_setting_given_twice_is_refused():
    text = refusal("--pooler-config", '{"task": "embed"}', "--pooler-config.task", "classify")
    assert text == "task is given in --pooler-config and as --pooler-config.task; give it once."


@pytest.mark.parametrize(
    "flag", ["--pooler-config", "--hf-overrides", "--io-processor-settings", "--mm-processor-kwargs"]
)
def test_json_that_is_none_or_no_object_is_refused(flag):
    assert refusal(flag, "{CLS}").startswith(f"{flag} is not valid JSON")
    assert refusal(flag, "[1]") == f"{flag} must be a JSON object, not '[1]'."


def test_entries_of_the_config_are_overridden_by_json():
    overrides = '{"classifier_from_token": ["no", "yes"], "is_original_qwen3_reranker": true}'
    expected = {"classifier_from_token": ["no", "yes"], "is_original_qwen3_reranker": True}
    assert parse("--hf-overrides", overrides)[0] == {"hf_overrides": expected}


def test_options_of_media_are_flags():
    words = (
        *(
            "--limit-mm-per-prompt",
            '{"image": {"count": 4}, "video": 0}',
            "--mm-processor-kwargs",
            '{"max_pixels": 65536}',
        ),
        *("--max-image-pixels", "16M", "--media-workers", "2", "--mm-processor-cache-gb", "0", "--enable-mm-embeds"),
    )
    config = EngineConfig.from_options(**parse(*words)[0])
    assert config.limit_mm_per_prompt == {"image": 4, "video": 0}
    assert config.mm_processor_kwargs == {"max_pixels": 65536}
    assert (config.max_image_pixels, config.media_workers) == (16 * 1024**2, 2)
    assert (config.mm_processor_cache_gb, config.enable_mm_embeds) == (0.0, True)
    short = EngineConfig.from_options(**parse("--limit-mm-per-prompt", "image=4,video=0")[0])
    assert short.limit_mm_per_prompt == config.limit_mm_per_prompt


def test_io_processors_are_named_and_set_up():
    words = ("--io-processor-plugin", "a,b", "--io-processor-plugin", "c", "--io-processor-settings", '{"a": {"x": 1}}')
    options = parse(*words, "--io-processor-from-config")[0]
    config = EngineConfig.from_options(**options)
    assert config.io_processor_plugin == ("a", "b", "c")
    assert config.io_processor_settings == {"a": {"x": 1}}
    assert config.io_processor_from_config


def test_the_older_task_is_translated_with_a_warning():
    options, printed = parse("--task", "classify", "--pooler-config.use_activation", "true")
    assert options["convert"] == "classify"
    assert options["pooler_config"].task == "classify"
    assert options["pooler_config"].use_activation is True
    assert printed.startswith("Warning: The option task='classify' is deprecated: say convert='classify'")
    assert parse("--task", "score")[0] == {"runner": "pooling"}


def test_the_older_task_encode_is_refused_with_a_hint():
    assert "'encode' was removed; use pooler_config={'task': 'token_embed'}" in refusal("--task", "encode")


def test_low_rank_adapters_may_follow_one_flag_or_several():
    expected = {"enable_lora": True, "lora_modules": ["a=/x", "b=/y", '{"name": "c", "path": "/z"}']}
    words = ("--enable-lora", "--lora-modules", "a=/x", "b=/y", "--lora-modules", '{"name": "c", "path": "/z"}')
    assert parse(*words)[0] == expected


def test_several_served_names_may_follow_one_flag():
    app, found = typer.Typer(add_completion=False), []

    @app.command(cls=SpreadCommand)
    def command(model: str, served_model_name: Annotated[list[str], typer.Option()], port: int = 1) -> None:
        found.append((model, served_model_name, port))

    finished = CliRunner().invoke(app, ["folder", "--served-model-name", "a", "b", "--port", "2"])
    assert finished.exit_code == 0, finished.output
    assert found == [("folder", ["a", "b"], 2)]


@pytest.mark.parametrize(
    ("words", "hosts"),
    [
        (("--model", "m", "--allowed-media-domains", "a.example", "b.example"), ["a.example", "b.example"]),
        (("--allowed-media-domains=a.example,b.example", "--media-timeout", "2"), ["a.example,b.example"]),
        (("--allowed-media-domains", "a.example", "--allowed-media-domains", "b"), ["a.example", "b"]),
    ],
)
def test_hosts_of_media_may_follow_one_flag_or_several(words: tuple[str, ...], hosts: list[str]) -> None:
    app, found = typer.Typer(add_completion=False), []

    @app.command(cls=SpreadCommand)
    @engine_flags
    def command(model: str = "", **options: Any) -> None:
        found.append(engine_options(options))

    finished = CliRunner().invoke(app, list(words))
    assert finished.exit_code == 0, finished.output
    assert found[0]["allowed_media_domains"] == hosts


@pytest.mark.parametrize(
    ("words", "models", "keys"),
    [
        (("folder", "--api-key", "a", "b", "--port", "2"), ["folder"], ["a", "b"]),
        (("--port", "2", "folder", "--api-key", "a", "b"), ["folder"], ["a", "b"]),
        (("--model", "folder", "--api-key", "a", "b"), [], ["a", "b"]),
        (("--api-key", "a", "folder"), ["folder"], ["a"]),
        (("--port", "2", "--api-key", "a", "folder"), ["folder"], ["a"]),
        (("--loud", "--api-key", "a", "folder"), ["folder"], ["a"]),
        (("--port=2", "--api-key", "a", "folder", "--api-key", "b"), ["folder"], ["a", "b"]),
    ],
)
def test_several_keys_may_follow_one_flag_but_a_model_never_becomes_a_key(
    words: tuple[str, ...], models: list[str], keys: list[str]
) -> None:
    app, found = typer.Typer(add_completion=False), []

    @app.command(cls=SpreadCommand)
    def command(
        folder: Annotated[list[str] | None, typer.Argument()] = None,
        model: str = "",
        api_key: Annotated[list[str] | None, typer.Option()] = None,
        port: int = 1,
        loud: Annotated[bool, typer.Option("--loud")] = False,
    ) -> None:
        found.append((folder or [], api_key))

    finished = CliRunner().invoke(app, list(words))
    assert finished.exit_code == 0, finished.output
    assert found == [(models, keys)]


def test_sizes_may_have_a_suffix():
    assert parse("--max-model-len", "8k", "--max-num-batched-tokens", "16K")[0] == {
        "max_model_len": "8k",
        "max_num_batched_tokens": "16K",
    }


def test_options_of_vllm_reach_the_check_of_their_values():
    words = ("--tensor-parallel-size", "2", "--no-enforce-eager", "--tokenizer-mode", "hf", "--quantization", "awq")
    assert parse(*words)[0] == {
        "tensor_parallel_size": 2,
        "enforce_eager": False,
        "tokenizer_mode": "hf",
        "quantization": "awq",
    }


def test_help_lists_neither_single_settings_nor_what_has_no_effect(site):
    shown = site.cenote("serve", "--help").stdout
    assert "--pooler-config.FIELD" in shown
    for flag in ("--pooler-config.task", "--tensor-parallel-size", "--task "):
        assert flag not in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("serve", "/m", "--pooler-config.seq_pooling_type=cls"), "upper case: 'CLS'"),
        (("serve", "/m", "--pooler-config.normalize=true"), "PoolerConfig has no 'normalize'"),
        (("serve", "/m", "--runner", "generate"), "cenote runs pooling models only"),
        (("embed", "/m", "a", "--convert", "reward"), "convert='reward' is not offered"),
        (("embed", "/m", "a", "--quantization", "awq"), "quantization='awq' is not offered. Use 'int8'"),
        (("serve", "/m", "--pooler-config.seq_poling_type=CLS"), "No such option: --pooler-config.seq_poling_type"),
    ],
)
def test_wrong_options_end_before_a_model_is_looked_for(here, words, message):
    finished = here(*words)
    assert finished.returncode == 2
    assert message in " ".join(finished.stderr.replace("│", " ").split())
