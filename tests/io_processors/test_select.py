"""Which processors a model gets, and which classes can be one."""

from __future__ import annotations

import json
import logging
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cenote import LLM
from cenote.config import EngineConfig
from cenote.errors import (
    CheckpointError,
    InvalidRequest,
    PluginConflict,
    PluginError,
    ProcessorError,
    UnknownPlugin,
    UnsupportedTask,
)
from cenote.io_processors import IOProcessor
from cenote.io_processors.select import check_processor, find_processor, processor_names
from cenote.registry import Registry, default_registry
from cenote.registry.known_plugins import KNOWN_PROCESSORS
from cenote.testing.checkpoints import build_checkpoint


class Good(IOProcessor[Any, Any]):
    def pre_process(self, prompt, context):
        return prompt

    def post_process(self, outputs, context):
        return len(outputs)


class Awaiting(IOProcessor[Any, Any]):
    async def pre_process_async(self, prompt, context):
        return prompt

    async def post_process_async(self, outputs, context):
        return len(outputs)


def made(**attributes: Any) -> type:
    return type("Bad", (Good,), attributes)


async def _async(self, *arguments):
    return None


@pytest.mark.parametrize("kind", [Good, Awaiting])
def test_a_class_with_both_hooks_is_a_processor(kind: type) -> None:
    check_processor(kind)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (3, "An IO processor is a class; 3 is none. Name the class itself."),
        (
            dict,
            "dict must be a subclass of cenote.io_processors.IOProcessor. A class that was written for vLLM inherits "
            "from cenote.io_processors.vllm.IOProcessor, or is named in vllm.io_processor_plugins.",
        ),
        (
            type("Half", (IOProcessor,), {"pre_process": Good.pre_process}),
            "Half has neither post_process nor post_process_async.",
        ),
        (made(pre_process=_async), "Bad.pre_process is async, so that nobody awaits it; call it pre_process_async."),
        (
            made(parse_data=_async),
            "Bad.parse_data is async, so that nobody awaits it; do what must be awaited in pre_process_async.",
        ),
        (made(Request=dict), "Bad.Request must be a model of pydantic or None, not <class 'dict'>."),
        (made(tasks="embed"), "Bad.tasks must be a tuple of names, not 'embed'."),
        (made(role="passage"), "Bad.role must be 'query', 'document' or None, not 'passage'."),
        (
            made(api_version=2),
            "Bad is made for version 2 of the interface of IO processors; this is version 1.",
        ),
        (
            made(parse_request=_async, validate_or_generate_params=_async, output_to_response=_async),
            "Bad has hooks by older names, which nothing calls: parse_request is now parse_data; "
            "validate_or_generate_params is now merge_pooling_params; output_to_response is now post_process, whose "
            "result is the answer.",
        ),
    ],
)
def test_anything_else_is_refused_and_told_why(value: object, error: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        check_processor(value)
    assert str(caught.value) == error


def test_a_class_for_two_versions_of_vllm_may_keep_its_older_hooks() -> None:
    check_processor(made(parse_data=Good.parse_data, parse_request=len, output_to_response=len))


def test_the_operator_names_processors_and_a_checkpoint_only_where_it_may(caplog: pytest.LogCaptureFixture) -> None:
    def names(asked: object, **options: Any) -> tuple[str, ...]:
        return processor_names(EngineConfig(**options), {} if asked is None else {"io_processor_plugin": asked})

    assert names(None) == ()
    assert names("theirs", io_processor_plugin="ours,others") == ("ours", "others")
    assert names("theirs", io_processor_plugin="") == ()
    assert names(["a", "b"], io_processor_from_config=True) == ("a", "b")
    assert caplog.messages == []
    with caplog.at_level(logging.WARNING):
        assert names("theirs") == ()
    assert caplog.messages == [
        "config.json asks for the IO processor 'theirs', which is not loaded: a checkpoint chooses no code by itself. "
        "Allow it with io_processor_from_config=True (--io-processor-from-config), or name it with "
        "io_processor_plugin (--io-processor-plugin)."
    ]
    assert names(3) == ()
    with pytest.raises(CheckpointError, match="io_processor_plugin=3; it must be a name, or a list of names"):
        names(3, io_processor_from_config=True)


def test_a_name_that_nobody_offers_says_what_there_is_and_what_to_install() -> None:
    registry = Registry([])
    registry.register("cenote.io_processors", "terms", Good)
    with pytest.raises(UnknownPlugin) as caught:
        find_processor("term", registry)
    text = "No IO processor 'term' is installed. Installed: terms. Install the distribution that offers it."
    assert str(caught.value) == text
    for name, distribution in KNOWN_PROCESSORS.items():
        with pytest.raises(UnknownPlugin, match=rf"Install the distribution: pip install {distribution}\.$"):
            find_processor(name, registry)


def test_no_processor_is_advised_that_this_project_does_not_have() -> None:
    files = Path(__file__).parents[2].glob("io_processors/*/pyproject.toml")
    projects = [tomllib.loads(file.read_text())["project"] for file in files]
    offered = {
        name: project["name"] for project in projects for name in project["entry-points"]["cenote.io_processors"]
    }
    assert KNOWN_PROCESSORS == offered
    with pytest.raises(UnknownPlugin) as caught:
        find_processor("long-documents", Registry([]))
    assert "pip install" not in str(caught.value)


def test_two_offers_of_a_name_are_a_conflict_and_a_broken_one_is_named() -> None:
    registry = Registry([])
    registry.register("cenote.io_processors", "terms", Good)
    registry.register("cenote.io_processors", "terms", Awaiting)
    registry.register("cenote.io_processors", "broken", made(tasks="embed"), distribution="acme", version="1.0")
    with pytest.raises(PluginConflict):
        find_processor("terms", registry)
    with pytest.raises(PluginError, match=r"'broken' .*acme 1\.0 .*Bad\.tasks must be a tuple of names"):
        find_processor("broken", registry)


class Set(Good):
    class Settings(BaseModel):
        pages: int = 3
        name: str = ""

    def __init__(self, context):
        """Do not call the inherited constructor."""


class Failing(Good):
    def __init__(self, context):
        raise KeyError("no licence")


class Choosing(Good):
    def choose_task(self):
        raise RuntimeError("no choice")


class Exiting(Good):
    def choose_task(self):
        raise SystemExit(3)


class Unsupported(Good):
    def choose_task(self):
        raise UnsupportedTask("Not with this model.", param="task")


class Sparse(Good):
    tasks = ("sparse_embed", "embed&classify")


def test_a_wrong_processor_is_told_before_or_when_the_model_is_loaded(offer, tmp_path: Path) -> None:
    source = str(build_checkpoint("bert", tmp_path))
    for kind in (Set, Failing, Sparse, Choosing, Exiting, Unsupported):
        offer(kind)

    def refusal(error: type[Exception], **options: Any) -> str:
        with pytest.raises(error) as caught:
            LLM(source, **options)
        return str(caught.value)

    assert "'sett' is installed" in refusal(UnknownPlugin, io_processor_plugin="sett")
    text = "IO processor 'failing' of acme 1.0 could not be made: KeyError: 'no licence'"
    assert refusal(ProcessorError, io_processor_plugin="failing") == text
    for name, cause in {"choosing": "RuntimeError: no choice", "exiting": "SystemExit: 3"}.items():
        text = f"IO processor {name!r} of acme 1.0 failed in choose_task: {cause}"
        assert refusal(ProcessorError, io_processor_plugin=name) == text
    text = "IO processor 'unsupported' of acme 1.0: Not with this model."
    assert refusal(UnsupportedTask, io_processor_plugin="unsupported") == text
    assert refusal(UnsupportedTask, io_processor_plugin="sparse").startswith(
        "The IO processor 'sparse' works with a model that can do sparse_embed or embed&classify; "
    )
    text = "Settings of the IO processor 'set': set.pages: Input should be a valid integer, unable to parse string as "
    assert refusal(InvalidRequest, io_processor_plugin="set", io_processor_settings={"set": {"pages": "x"}}).startswith(
        text
    )
    text = "io_processor_settings is for 'sets', which is not loaded. Loaded: set."
    assert refusal(InvalidRequest, io_processor_plugin="set", io_processor_settings={"sets": {}}) == text


def test_settings_of_the_operators_file_and_of_an_option_reach_a_processor_as_its_own_model(
    offer, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "plugins.toml"
    file.write_text('[settings."io_processors/both"]\npages = 5\nname = "a"\n[settings."io_processors/raw"]\nx = 1\n')
    monkeypatch.setenv("CENOTE_PLUGIN_CONFIG", str(file))
    default_registry().refresh()
    names = [offer(Set, "both"), offer(Good, "raw")]
    with LLM(source, io_processor_plugin=names, io_processor_settings={"both": {"pages": 7}}) as llm:
        settings = [llm.processor(name).processor.context.settings for name in llm.io_processors]
        assert settings == [Set.Settings(pages=7, name="a"), {"x": 1}]
        assert llm.report()["io_processors"] == "both, raw"
    monkeypatch.undo()
    default_registry().refresh()


def test_a_checkpoint_that_names_a_processor_gets_it_only_where_that_is_allowed(
    offer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = build_checkpoint("bert", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "io_processor_plugin": offer(Good, "theirs")}))
    with LLM(str(folder)) as llm:
        assert llm.io_processors == ()
        assert "config.json asks for the IO processor 'theirs', which is not loaded" in caplog.text
    with LLM(str(folder), io_processor_from_config=True) as llm:
        assert llm.io_processors == ("theirs",)
        assert llm.encode({"data": ["a", "b"]}, pooling_task="plugin", use_tqdm=False)[0].outputs.data == 2
    with LLM(str(folder), io_processor_from_config=True, io_processor_plugin=offer(Awaiting, "ours")) as llm:
        assert llm.io_processors == ("ours",)


def test_a_processor_that_is_added_later_is_the_last(offer, tmp_path: Path) -> None:
    names = [offer(Good, "first"), offer(Set, "second")]
    with LLM(str(build_checkpoint("bert", tmp_path)), io_processor_plugin=names[0]) as llm:
        llm.add_processor("second", {"pages": 9})
        assert llm.io_processors == ("first", "second")
        assert llm.processor("second").processor.context.settings.pages == 9
        with pytest.raises(InvalidRequest, match="The IO processor 'second' is loaded already"):
            llm.add_processor("second")
