"""Hooks of a real `LLM`: what it tells, and defaults of its options."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.engine.plugin_options import configured
from cenote.errors import InvalidRequest
from cenote.hooks import BatchDone, ModelLoaded, hookimpl
from cenote.hooks.caller import HookCaller
from cenote.registry import Registry, default_registry
from cenote.testing.checkpoints import build_checkpoint

TEXTS = ["a text", "another, longer text", "one more"]


class Gives:
    """Has the hook `cenote_engine_options`."""

    def __init__(self, offer: Any) -> None:
        self.offer = offer
        self.told: dict[str, Any] = {}

    @hookimpl
    def cenote_engine_options(self, options: Mapping[str, Any]) -> Any:
        self.told = dict(options)
        if isinstance(self.offer, Exception):
            raise self.offer
        return self.offer


@pytest.fixture
def plug() -> Iterator[Callable[[str, object], None]]:
    """Offer hooks under a name in this process, until the test ends."""
    with ExitStack() as stack:
        yield lambda name, plugin: stack.callback(
            default_registry().register("cenote", name, plugin, distribution="acme", version="1.2")
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("bert", tmp_path_factory.mktemp("model") / "tiny")


def _caller(**plugins: object) -> HookCaller:
    registry = Registry([], environment={})
    for name, plugin in plugins.items():
        registry.register("cenote", name, plugin, distribution="acme", version="1.2")
    return HookCaller.load(registry)


def test_an_engine_tells_of_its_model_and_of_every_batch(folder: Path, plug: Any) -> None:
    class Notes:
        def __init__(self) -> None:
            self.loaded: list[ModelLoaded] = []
            self.batches: list[BatchDone] = []

        @hookimpl
        def cenote_model_loaded(self, event: ModelLoaded) -> None:
            self.loaded.append(event)

        @hookimpl
        def cenote_batch_done(self, event: BatchDone) -> None:
            self.batches.append(event)

    notes = Notes()
    plug("notes", notes)
    with LLM(str(folder), served_model_name="tiny", max_num_seqs=2) as llm:
        outputs = llm.embed(TEXTS, use_tqdm=False)
        stats = llm.stats()
        assert llm.hooks.flush(20)
    (loaded,) = notes.loaded
    assert (loaded.model, loaded.architecture, loaded.adapter) == ("tiny", "BertModel", "transformers-encoder")
    assert loaded.distribution.startswith("cenote ")
    assert (loaded.tasks, loaded.device) == (llm.supported_tasks, "cpu")
    assert loaded.seconds > 0
    assert len(notes.batches) == stats.forwards >= 2
    assert sum(event.requests for event in notes.batches) == len(TEXTS)
    assert sum(event.tokens for event in notes.batches) == sum(len(each.prompt_token_ids) for each in outputs)
    assert {(event.model, event.budget) for event in notes.batches} == {("tiny", llm.engine.max_batch_tokens)}
    assert abs(sum(event.seconds for event in notes.batches) - stats.busy_seconds) < 1e-9


def test_plugins_give_defaults_of_options_and_the_report_says_who(folder: Path, plug: Any) -> None:
    first, second = Gives({"max_num_seqs": 3, "max_model_len": 20}), Gives({"max_num_seqs": 5, "execution": "padded"})
    plug("b-second", second)
    plug("a-first", first)
    with LLM(str(folder), max_model_len=16, hf_token="secret") as llm:
        report = llm.report()
    assert (llm.config.max_num_seqs, llm.config.max_model_len, llm.config.execution) == (3, 16, "padded")
    assert report["option max_num_seqs"] == "3 (plugin 'a-first' of acme 1.2)"
    assert report["option execution"] == "padded (plugin 'b-second' of acme 1.2)"
    assert "option max_model_len" not in report
    assert first.told == {"model": str(folder), "max_model_len": 16}


@pytest.mark.parametrize(
    ("offer", "warning"),
    [
        ({"max_num_sequences": 3}, "'max_num_sequences', which there is not; it is ignored. Did you mean max_num_seqs"),
        ({5: 3}, "gives the engine option 5, which there is not; it is ignored."),
        ({"max_num_seqs": "many"}, "gives an engine option that does not fit; it is ignored. max_num_seqs"),
        ({"lora_modules": ["a=b"]}, "contradict the others and are ignored: enable_lora is off"),
        (["max_num_seqs"], "failed in cenote_engine_options: TypeError: it returned list, not a mapping"),
        (RuntimeError("no luck"), "failed in cenote_engine_options: RuntimeError: no luck"),
    ],
)
def test_what_is_no_option_is_ignored_with_a_warning(
    caplog: pytest.LogCaptureFixture, offer: Any, warning: str
) -> None:
    hooks = _caller(wrong=Gives(offer))
    config, sources = configured(hooks, {"max_model_len": 16, "enable_lora": False})
    assert (config.max_model_len, sources) == (16, {})
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "plugin 'wrong' of acme 1.2" in record.message
    assert warning in record.message


def test_a_wrong_setting_of_the_operators_ends_the_load_and_so_do_the_users_own() -> None:
    with pytest.raises(InvalidRequest, match="no such profile"):
        configured(_caller(strict=Gives(InvalidRequest("no such profile"))), {})
    with pytest.raises(InvalidRequest, match="Unknown option 'max_seqs'"):
        configured(_caller(kind=Gives({"max_num_seqs": 3})), {"max_seqs": 3})


def test_a_file_of_options_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "options.toml"
    monkeypatch.setenv("CENOTE_ENGINE_OPTIONS_FILE", str(file))
    file.write_text('max_num_seqs = 9\ndtype = "float32"\n')
    config, sources = configured(HookCaller.load(), {"dtype": "auto"})
    assert (config.max_num_seqs, config.dtype) == (9, "auto")
    assert list(sources) == ["max_num_seqs"]
    assert "plugin 'engine-options-file' of cenote" in sources["max_num_seqs"]
    file.write_text("max_num_seqs = ")
    with pytest.raises(InvalidRequest, match=r"CENOTE_ENGINE_OPTIONS_FILE names '.*', which is no TOML: "):
        configured(HookCaller.load(), {})
    file.unlink()
    with pytest.raises(InvalidRequest, match="which cannot be read: No such file or directory"):
        configured(HookCaller.load(), {})
    monkeypatch.setenv("CENOTE_ENGINE_OPTIONS_FILE", "")
    assert configured(HookCaller.load(), {})[1] == {}


def test_the_log_says_which_model_was_loaded(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cenote.hooks")
    with LLM(str(folder), served_model_name="tiny") as llm:
        assert llm.hooks.flush(20)
    (line,) = [record.message for record in caplog.records if record.name == "cenote.hooks.announce"]
    assert line.startswith("tiny loaded in ")
    assert line.endswith(f" s on cpu: BertModel by adapter 'transformers-encoder' of {llm.report()['distribution']}")
