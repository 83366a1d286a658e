"""`cenote plugins check`: what importing a plugin does, tried in processes of their own."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

ARCHITECTURES, COMMANDS = "cenote.architectures", "cenote.commands"
SPEC = """
from cenote.registry import ArchitectureSpec
SPEC = ArchitectureSpec(name="acme", architectures=("AcmeModel",), adapter="{adapter}", tasks=("embed",){more})
"""


#: An adapter that loads no torch, which takes seconds.
ADAPTER = {"fine": "class Adapter:\n    def load(self, checkpoint, options):\n        raise NotImplementedError"}


def spec(adapter: str = "fine:Adapter", more: str = "") -> str:
    return SPEC.format(adapter=adapter, more=more)


#: Modules, and what is told of importing them.
RAISING = {
    "raise RuntimeError('no luck')": "RuntimeError: no luck",
    "raise KeyboardInterrupt": "KeyboardInterrupt: ",
    "raise GeneratorExit": "GeneratorExit: ",
}


def test_whatever_a_module_raises_is_told(site):
    modules = {f"bad{number}": source for number, source in enumerate(RAISING)}
    site.install("cenote-bad", {COMMANDS: {name: f"{name}:run" for name in modules}}, modules)
    told = [(f"commands/{name}", "import", text) for name, text in zip(modules, RAISING.values(), strict=True)]
    assert site.faults("cenote-bad") == told


def test_a_missing_module_is_told(site):
    site.install("cenote-bad", {ARCHITECTURES: {"AcmeModel": "nowhere_at_all:SPEC"}})
    text = "ModuleNotFoundError: No module named 'nowhere_at_all'"
    assert site.faults("cenote-bad") == [("architectures/AcmeModel", "import", text)]


def test_what_hangs_or_ends_the_process_fails_alone(site):
    modules = {
        "hanging": "import time\ntime.sleep(600)",
        "leaving": "import os, sys\nprint('goodbye', file=sys.stderr)\nos._exit(3)",
        "dying": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "exiting": "raise SystemExit(5)",
        "good": "import sys\nprint('printed while imported', file=sys.stderr)\ndef run() -> None:\n    pass",
    }
    site.install("cenote-bad", {COMMANDS: {name: f"{name}:run" for name in modules}}, modules)
    found = site.check("cenote-bad", seconds=1.5)
    assert [(item.subject, item.check, item.text) for item in found if item.outcome == "failed"] == [
        ("commands/hanging", "import", "importing hanging did not end within 1.5 s; do such work in functions"),
        ("commands/leaving", "import", "importing leaving ended the process with status 3; it last said: goodbye"),
        ("commands/dying", "import", "importing dying ended the process by the signal SIGKILL"),
        ("commands/exiting", "import", "SystemExit: 5"),
    ]
    good = [item.check for item in found if item.subject == "commands/good"]
    assert good == ["entry point", "name", "import", "interface"]


def test_a_hanging_import_takes_the_processes_along_that_it_started(site, tmp_path):
    pid = tmp_path / "pid"
    source = f"""
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path({str(pid)!r}).write_text(str(child.pid))
child.wait()
"""
    site.install("cenote-bad", {COMMANDS: {"hang": "hanging:run"}}, {"hanging": source})
    assert len(site.faults("cenote-bad", seconds=1.5)) == 1
    deadline = time.monotonic() + 30
    while _is_running(int(pid.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # In a container nobody may collect what has ended: it stays as a zombie.
    facts = Path(f"/proc/{pid}/stat")
    return not (facts.is_file() and facts.read_text().rpartition(")")[2].split()[0] == "Z")


def test_torch_in_the_module_of_a_spec_is_told(site):
    # A stand-in is enough: what counts is the name in sys.modules.
    modules = {"heavy": f"import torch\n{spec()}", "torch": "", **ADAPTER}
    site.install("cenote-bad", {ARCHITECTURES: {"AcmeModel": "heavy:SPEC"}}, modules)
    text = (
        "importing heavy loads torch, and heavy is imported to look at plugins. Import it in the adapter's module, "
        "which the spec names by a string"
    )
    assert site.faults("cenote-bad") == [("architectures/AcmeModel", "light", text)]


#: Modules with the spec of AcmeModel, and what is told of them by which check. Each gets a number behind that name.
SPECS = [
    ("SPEC = 3", "interface", "expected an ArchitectureSpec, found int"),
    (
        spec().replace("AcmeModel", "Acme"),
        "architectures",
        "AcmeModel is an entry point, but not among",
    ),
    (
        spec().replace('("AcmeModel",)', '("AcmeModel", "AcmeNet")'),
        "architectures",
        "architectures of the spec has AcmeNet, for which there is no entry point; add one",
    ),
    (spec(more=", api_version=9"), "api version", "was made for version 9 of the adapter interface, this cenote"),
    (spec().replace('"embed"', '"embd"'), "tasks", "tasks has 'embd', which is unknown; known: embed"),
    (spec(more=', modalities=("txt",)'), "modalities", "modalities has 'txt', which is unknown; known: text"),
    (spec(more=', markers=("files:a",)'), "interface", "marker 'files:a' is not one of file:NAME"),
    (spec("nowhere_at_all:Adapter"), "adapter", "nowhere_at_all:Adapter cannot be used: ModuleNotFoundError"),
    (spec("string:capwords"), "adapter", "string:capwords cannot be used: TypeError"),
    (spec(more=', config_repair="string:gone"'), "config_repair", "string:gone cannot be imported: ImportError"),
    (spec(more=', lookalike="string:digits"'), "lookalike", "string:digits is no function"),
]


@pytest.fixture(scope="module")
def faults_of_specs(faults_of):
    """What fails of all of them, by subject: one distribution, imported by one process."""
    points = {f"AcmeModel{number}": f"bad{number}:SPEC" for number in range(len(SPECS))}
    sources = [source.replace("AcmeModel", f"AcmeModel{number}") for number, (source, _, _) in enumerate(SPECS)]
    found: dict[str, list[tuple[str, str]]] = {}
    modules = {f"bad{number}": source for number, source in enumerate(sources)}
    for subject, check, text in faults_of({ARCHITECTURES: points}, {**modules, **ADAPTER}):
        found.setdefault(subject, []).append((check, text))
    return found


@pytest.mark.parametrize("number", range(len(SPECS)), ids=[text for _, _, text in SPECS])
def test_a_spec_that_does_not_fit_is_told(faults_of_specs, number):
    assert len(faults_of_specs) == len(SPECS)
    _, check, text = SPECS[number]
    ((found, told),) = faults_of_specs[f"architectures/AcmeModel{number}"]
    assert found == check
    assert text.replace("AcmeModel", f"AcmeModel{number}") in told


#: What modules do, and what is told of it.
BUSY = [
    ("import os\nos.chdir('/')", "changes the working directory"),
    ("import os\nos.environ['ACME'] = '1'", "sets the environment variable ACME"),
    ("import socket\nplug = socket.socket()\nplug.bind(('127.0.0.1', 0))", "binds a socket"),
    ("import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])", "starts a process"),
    ("import os\nif os.fork() == 0:\n    os._exit(0)", "starts a process"),
    (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()",
        "starts a thread that is no daemon, which keeps the process from ending",
    ),
    ("open('written.txt', 'w').close()", "writes the file written.txt"),
    ("print('hello')", "prints to standard output"),
    ("import os, sys\nsys.stdout.close()\nos.close(1)\nos.close(2)", "closes or replaces a standard stream"),
    ("import sys\nsys.setrecursionlimit(60)", "changes the recursion limit"),
    ("import warnings\nwarnings.warn('old', DeprecationWarning)", "warns (DeprecationWarning: old)"),
]


def test_what_a_module_does_beside_being_imported_is_told_and_no_other_is_blamed(site, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run = "def run() -> None:\n    pass"
    modules: dict[str, str] = {}
    for number, (source, _) in enumerate(BUSY):
        modules |= {f"busy{number}": f"{source}\n{run}", f"good{number}": run}
    site.install("cenote-bad", {COMMANDS: {name: f"{name}:run" for name in modules}}, modules)
    told = {f"busy{number}": f"importing busy{number} {text}" for number, (_, text) in enumerate(BUSY)}
    assert site.faults("cenote-bad") == [
        (f"commands/{name}", "side effects", f"{text}. Do such work in functions") for name, text in told.items()
    ]


def test_a_plugin_is_not_blamed_for_what_a_library_does_when_it_is_imported(site):
    library = "import os, warnings\nos.environ['LIBRARY'] = '1'\nwarnings.warn('old')\nprint('hello')"
    modules = {"good": "import a_library\ndef run() -> None:\n    pass", "a_library": library}
    site.install("cenote-good", {COMMANDS: {"good": "good:run"}}, modules)
    assert site.faults("cenote-good") == []


def test_an_operator_without_a_reference_is_noted(site):
    kernels = {"nowhere:mine": "kernel:run", "segment_pool:mine": "kernel:run", "own:reference": "kernel:run"}
    site.install("cenote-fast", {"cenote.kernels": kernels}, {"kernel": "def run(*, hidden):\n    return hidden"})
    found = site.check("cenote-fast")
    assert "failed" not in {item.outcome for item in found}
    notes = [(item.outcome, item.text) for item in found if item.check == "operator"]
    assert notes == [("not run", "there is no operator 'nowhere' with a reference; a new one needs nowhere:reference")]


def test_what_belongs_to_a_built_in_is_told(site):
    source = spec().replace("AcmeModel", "BertModel").replace('"acme"', '"transformers-encoder"')
    site.install("cenote-bad", {ARCHITECTURES: {"BertModel": "bad:SPEC"}}, {"bad": source, **ADAPTER})
    told = "a built-in is called 'transformers-encoder' too; choose another name"
    found = site.check("cenote-bad")
    assert [(item.check, item.text) for item in found if item.outcome == "failed"] == [("spec name", told)]
    notes = [item.text for item in found if item.check == "markers"]
    assert notes == ["BertModel has a built-in; without markers this spec is taken where --adapter names it"]
