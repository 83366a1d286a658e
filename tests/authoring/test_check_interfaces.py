"""`cenote plugins check`: targets of every group that are not what their group wants."""

from __future__ import annotations

import pytest

from cenote.registry.points import short_name

HOOKS = "from cenote.hooks import hookimpl\n\n\n@hookimpl\ndef {name}({arguments}):\n    pass\n"
PROCESSOR = """
from cenote.io_processors import IOProcessor


class Processor(IOProcessor):
    {more}

    def pre_process(self, prompt, context):
        return prompt

    def post_process(self, outputs, context):
        return None
"""


#: Group and name of an entry point, its module, and what is told of it.
BAD = [
    (
        "cenote",
        "acme",
        HOOKS.format(name="cenote_model_laoded", arguments="event"),
        "unknown hook 'cenote_model_laoded'; did you mean cenote_model_loaded?",
    ),
    (
        "cenote",
        "acme",
        HOOKS.format(name="cenote_model_loaded", arguments="event, model"),
        "cenote_model_loaded wants 'model'; the hook offers event, by name",
    ),
    (
        "cenote",
        "acme",
        "def cenote_model_loaded(event):\n    pass\n",
        "cenote_model_loaded is not marked: write @hookimpl",
    ),
    ("cenote", "acme", "NOTHING = 1\n", "it has no hooks: mark functions with cenote.hooks.hookimpl"),
    ("cenote.io_processors", "acme", "THING = object()\n", "An IO processor is a class; <object object at"),
    (
        "cenote.io_processors",
        "acme",
        PROCESSOR.format(more="def parse_request(self, request):\n        return request") + "\nTHING = Processor",
        "Processor has hooks by older names, which nothing calls: parse_request is now parse_data.",
    ),
    (
        "cenote.io_processors",
        "acme",
        "from cenote.io_processors import IOProcessor\nTHING = IOProcessor\n",
        "pre_process",
    ),
    ("cenote.routes", "acme", "def THING():\n    pass\n", "it must take one argument, the context"),
    ("cenote.routes", "acme", "async def THING(context):\n    pass\n", "it is a coroutine function"),
    ("cenote.commands", "acme", "THING = 3\n", "expected a typer app or a function, found int"),
    (
        "cenote.poolers",
        "ACME",
        "def THING(hidden):\n    pass\n",
        "a pooling method is a function (hidden, lengths, skips)",
    ),
    ("cenote.kernels", "linear:acme", "class THING:\n    pass\n", "a kernel is a function, not the class THING"),
    ("cenote.tasks", "acme", "THING = 'acme'\n", "a task is a cenote.tasks.Task, not str"),
    ("cenote.scorers", "acme", "THING = object()\n", "a scorer names its task as a string, which object does not"),
    (
        "cenote.output_codecs",
        "acme",
        "THING = object()\n",
        "an output codec has a method encode(rows, param); object has none",
    ),
    (
        "cenote.media_loaders",
        "acme",
        "THING = object()\n",
        "A media loader has a method load(url, policy); object has none.",
    ),
    ("cenote.convert_rules", "acme", "THING = ('Model',)\n", "expected ConvertRule objects, found str"),
]


@pytest.fixture(scope="module")
def faults(faults_of):
    """What fails of all of them, by subject: one distribution, imported by one process."""
    points: dict[str, dict[str, str]] = {}
    for number, (group, name, _, _) in enumerate(BAD):
        points.setdefault(group, {})[f"{name}{number}"] = f"bad{number}" if group == "cenote" else f"bad{number}:THING"
    found: dict[str, list[tuple[str, str]]] = {}
    for subject, check, text in faults_of(points, {f"bad{number}": row[2] for number, row in enumerate(BAD)}):
        if check != "name":
            found.setdefault(subject, []).append((check, text))
    return found


@pytest.mark.parametrize("number", range(len(BAD)), ids=[f"{group}-{text}" for group, _, _, text in BAD])
def test_a_target_that_is_not_what_its_group_wants_is_told(faults, number):
    assert len(faults) == len(BAD)
    group, name, _, text = BAD[number]
    ((check, told),) = faults[f"{short_name(group)}/{name}{number}"]
    assert check == "interface"
    assert text in told


STYLE = """
class Style:
    def __init__(self, vllm_config, renderer):
        pass

    def parse_data(self, data):
        return data

    def pre_process(self, prompt, request_id=None, **more):
        return prompt

    def {last}(self, outputs, request_id=None, **more):
        return None


def offer():
    return "style.Style"
"""


def test_an_io_processor_for_vllm_is_found_as_selecting_it_would(site):
    points = {"vllm.io_processor_plugins": {"style": "style:offer"}}
    site.install("style-plugin", points, {"style": STYLE.format(last="post_process")})
    found = {(item.check, item.outcome) for item in site.check("style-plugin")}
    assert "failed" not in {outcome for _, outcome in found}
    assert {("import", "passed"), ("interface", "passed")} <= found


def test_an_io_processor_for_vllm_that_cannot_be_used_is_told(site):
    points = {"vllm.io_processor_plugins": {"style": "style:offer"}}
    site.install("style-plugin", points, {"style": STYLE.format(last="output_to_response")})
    ((subject, check, text),) = site.faults("style-plugin")
    assert (subject, check) == ("vllm.io_processor_plugins/style", "interface")
    assert text.endswith("cannot be used: Style has neither post_process nor post_process_async.")
