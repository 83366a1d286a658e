"""Processors written for vLLM: refused with advice as they are, and run with their import line changed.

The class is modelled on those that vLLM documents for BGE-M3: parameters changed in place, a queue of its own between
hooks replaced by the request's id, a tokenizer from the renderer, results in any order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import ANY

import pytest

from cenote import LLM, AsyncLLM, PoolingParams
from cenote.errors import InvalidRequest, PluginError, ProcessorError
from cenote.io_processors.select import find_processor
from cenote.registry import Registry

_GROUP = "vllm.io_processor_plugins"

#: What such a class imports as it is written, and what it must import here.
_THEIRS = """
from vllm.config import VllmConfig
from vllm.outputs import PoolingRequestOutput
from vllm.plugins.io_processors.interface import IOProcessor
from vllm.pooling_params import PoolingParams
from vllm.renderers import BaseRenderer
"""
_OURS = """
from typing import TYPE_CHECKING

from cenote.io_processors.vllm import IOProcessor, PoolingParams, PoolingRequestOutput

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.renderers import BaseRenderer
"""

_WRITTEN = '''
from __future__ import annotations

from collections.abc import Sequence
from typing import Any
IMPORTS

class PassageProcessor(IOProcessor[list[str], dict]):
    """Passages in, the norms of their vectors and their first tokens out."""

    def __init__(self, vllm_config: VllmConfig, renderer: BaseRenderer) -> None:
        super().__init__(vllm_config, renderer)
        self.tokenizer = renderer.get_tokenizer()
        self.max_length = vllm_config.model_config.max_model_len
        self.hidden_size = vllm_config.model_config.hf_config.hidden_size
        self.seen: dict[str, list[str]] = {}

    def parse_data(self, data: object) -> list[str]:
        if not isinstance(data, dict) or not isinstance(data.get("passages"), list):
            raise ValueError("passages must be a list of texts")
        return data["passages"]

    def merge_pooling_params(self, params=None):
        if params is not None:
            params.task = "embed"
            params.skip_reading_prefix_cache = True
        return params or PoolingParams(task="plugin")

    def pre_process(self, prompt: list[str], request_id: str | None = None, **kwargs: Any):
        assert request_id.startswith("pooling-")
        ids = [self.tokenizer(text)["input_ids"] for text in prompt]
        return [{"prompt_token_ids": item[: self.max_length]} for item in ids]

    def post_process(
        self, model_output: Sequence[PoolingRequestOutput], request_id: str | None = None, **kwargs: Any
    ):
        return {
            "norms": [float(item.outputs.data.norm()) for item in model_output],
            "sizes": [item.outputs.data.shape[-1] == self.hidden_size for item in model_output],
            "tokens": [len(item.prompt_token_ids) for item in model_output],
            "request_id": request_id,
        }


def processor():
    return "MODULE.PassageProcessor"


def nothing():
    return None


def missing():
    return "MODULE.Missing"
'''

_IMPORT = "from vllm.plugins.io_processors.interface import IOProcessor"

_INHERITED = '''
from vllm.plugins.io_processors.interface import IOProcessor


class PassageProcessor(IOProcessor[list, dict]):
    """The same passages, with the async hooks."""

    def __init__(self, vllm_config, renderer):
        super().__init__(vllm_config, renderer)
        self.tokenizer = renderer.tokenizer
        self.calls = []

    def parse_data(self, data):
        return data["passages"]

    def merge_pooling_params(self, params=None):
        merged = super().merge_pooling_params(params)
        merged.task = "embed&token_embed"
        return merged

    def pre_process(self, prompt, request_id=None, **kwargs):
        raise AssertionError("the async hook is called")

    async def pre_process_async(self, prompt, request_id=None, **kwargs):
        self.calls.append("pre")
        return prompt

    def post_process(self, model_output, request_id=None, **kwargs):
        self.calls.append("post")
        return {
            "norms": [float(item.outputs.data.norm()) for item in model_output],
            "tokens": [len(item.outputs.by_task["token_embed"]) for item in model_output],
        }

    async def post_process_async(self, model_output, **kwargs):
        return await super().post_process_async(model_output, **kwargs)


class Plain(IOProcessor):
    def parse_data(self, data):
        return data

    def pre_process(self, prompt, request_id=None, **kwargs):
        return prompt

    def post_process(self, model_output, request_id=None, **kwargs):
        return self.vllm_config.model_config.hf_config.no_such_entry


class Older:
    def __init__(self, vllm_config):
        pass

    def parse_request(self, request):
        return request

    def pre_process(self, prompt, request_id=None, **kwargs):
        return prompt

    def post_process(self, model_output, request_id=None, **kwargs):
        return model_output

    def output_to_response(self, plugin_output):
        return plugin_output


def older():
    return "MODULE.Older"
'''


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], str]]:
    """Write a module that can be imported while the tests of this file run."""
    folder = tmp_path_factory.mktemp("modules")
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(folder))

    def write(name: str, text: str) -> str:
        (folder / f"{name}.py").write_text(text.replace("MODULE", name))
        return name

    yield write
    patch.undo()


@pytest.fixture(scope="module")
def names(offer, written: Callable[[str, str], str]) -> list[str]:
    """Two classes with their imports changed, and one that asks for what is not there."""
    ours = "from cenote.io_processors.vllm import IOProcessor"
    changed = written("acme_vllm", _WRITTEN.replace("IMPORTS", _OURS))
    ported = written("acme_ported", _INHERITED.replace(_IMPORT, ours))
    return [
        offer(f"{changed}:processor", "passages", _GROUP),
        offer(f"{ported}:PassageProcessor", "ported"),
        offer(f"{ported}:Plain", "plain"),
    ]


_DATA = {"passages": ["a red fox", "a fox"]}


def test_a_class_with_changed_imports_runs_through_its_own_group(names: list[str], source: str) -> None:
    with LLM(source, io_processor_plugin=names) as llm:
        (output,) = llm.encode({"data": _DATA}, pooling_task="plugin", use_tqdm=False)
        assert output.outputs.data == {
            "norms": pytest.approx([1.0, 1.0], abs=1e-5),
            "sizes": [True, True],
            "tokens": [5, 4],
            "request_id": ANY,
        }
        assert output.outputs.data["request_id"].startswith("pooling-")
        params = PoolingParams(use_activation=False)
        (raw,) = llm.encode({"data": _DATA}, params, pooling_task="plugin", use_tqdm=False)
        assert min(raw.outputs.data["norms"]) > 1.5
        with pytest.raises(ProcessorError, match=r"'passages' of acme 1\.0 refused the data: passages must be a list"):
            llm.encode({"data": {}}, pooling_task="plugin", use_tqdm=False)
        assert llm.processor().description.startswith("Passages in")


def test_a_ported_class_runs_with_its_async_hooks(names: list[str], source: str) -> None:
    async def both(llm: AsyncLLM) -> list[Any]:
        return [await llm.process(_DATA, processor=name, request_id="pooling-7") for name in ("passages", "ported")]

    llm = AsyncLLM(source, io_processor_plugin=names)
    passages, ported = asyncio.run(both(llm))
    assert passages["request_id"].startswith("pooling-7-")
    assert ported == {"norms": pytest.approx([1.0, 1.0], abs=1e-5), "tokens": [5, 4]}
    inner: Any = llm.processor("ported").processor
    assert inner._inner.calls == ["pre", "post"]
    with pytest.raises(ProcessorError, match=r"'plain' of acme 1\.0 failed in post_process"):
        asyncio.run(llm.process("text", processor="plain"))
    asyncio.run(llm.shutdown())


_MERGES = """
from cenote.io_processors.vllm import IOProcessor, PoolingParams


class Base(IOProcessor):
    def parse_data(self, data):
        return data

    def pre_process(self, prompt, request_id=None, **kwargs):
        return prompt

    def post_process(self, model_output, request_id=None, **kwargs):
        return [round(float(item.outputs.data.norm()), 1) for item in model_output]


def raw(params):
    params = params.clone()
    params.task = "embed"
    return params


class Cloning(Base):
    def merge_pooling_params(self, params=None):
        return raw(params or PoolingParams())


class Required(Base):
    def merge_pooling_params(self, params):
        return raw(params)


class Keyword(Base):
    def merge_pooling_params(self, *, params=None):
        return raw(params or PoolingParams())


class RequiredKeyword(Base):
    def merge_pooling_params(self, *, params):
        return raw(params)


class Anything(Base):
    def merge_pooling_params(self, *args, **kwargs):
        assert not kwargs
        return raw(args[0] if args else PoolingParams())


class NothingAtAll(Base):
    def merge_pooling_params(self):
        return PoolingParams(task="embed", use_activation=False)
"""


def test_merge_pooling_params_is_called_in_the_form_that_it_is_written_in(
    offer, written: Callable[[str, str], str], source: str
) -> None:
    module = written("acme_merges", _MERGES)
    kinds = ("Cloning", "Required", "Keyword", "RequiredKeyword", "Anything", "NothingAtAll")
    names = [offer(f"{module}:{kind}", kind.lower()) for kind in kinds]
    unlike = PoolingParams(use_activation=False)
    with LLM(source, io_processor_plugin=names) as llm:

        def ask(name: str, params: PoolingParams | None) -> Any:
            (output,) = llm.encode({"data": ["a"]}, params, pooling_task="plugin", io_processor=name, use_tqdm=False)
            return output.outputs.data

        for name in names[:-1]:
            assert ask(name, None) == [1.0], name
            assert ask(name, unlike)[0] > 2, name
            with pytest.raises(InvalidRequest, match="pool_factor"):  # it is not lost on the way
                ask(name, PoolingParams(pool_factor=2))
        assert ask(names[-1], None) == ask(names[-1], PoolingParams(use_activation=True)) == ask("cloning", unlike)


def test_the_facts_of_a_model_are_read_only_and_say_what_they_lack(names: list[str], source: str) -> None:
    with LLM(source, io_processor_plugin="plain") as llm:
        adapted: Any = llm.processor().processor
        config = adapted._inner.vllm_config
        assert config.model_config.hf_config.to_dict()["hidden_size"] == 384
        assert config.model_config.hf_text_config.hidden_size == 384
        assert config.model_config.model == llm.model
        with pytest.raises(
            AttributeError, match=r"vllm_config has no 'cache_config' here. cenote offers model_config\."
        ):
            _ = config.cache_config
        with pytest.raises(AttributeError, match="vllm_config cannot be changed here"):
            config.model_config = None


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (
            "acme_vllm:nothing",
            "IO processor 'it' of acme 1.0 cannot be used: ValueError: it offers no class on this machine (its "
            "function returned None).",
        ),
        (
            "acme_vllm:missing",
            "IO processor 'it' of acme 1.0 cannot be used: AttributeError: module 'acme_vllm' has no "
            "attribute 'Missing'.",
        ),
        (
            "acme_ported:older",
            "IO processor 'it' of acme 1.0 cannot be used: Older has hooks by older names, which nothing calls: "
            "parse_request is now parse_data; output_to_response is now post_process, whose result is the answer.",
        ),
        (
            "acme_written:processor",
            "IO processor 'it' of acme 1.0 cannot be used: ModuleNotFoundError: No module named 'vllm'. It imports "
            "vllm: import IOProcessor, PoolingParams and PoolingRequestOutput from cenote.io_processors.vllm, and what "
            "only annotations name under `if TYPE_CHECKING:`.",
        ),
    ],
)
def test_a_class_that_cannot_run_says_why(
    names: list[str], written: Callable[[str, str], str], target: str, text: str
) -> None:
    written("acme_theirs", _WRITTEN.replace("IMPORTS", _THEIRS))
    written("acme_written", 'def processor():\n    return "acme_theirs.PassageProcessor"\n')
    registry = Registry([])
    registry.register(_GROUP, "it", target, distribution="acme", version="1.0")
    with pytest.raises(PluginError) as caught:
        find_processor("it", registry)
    assert str(caught.value) == text
