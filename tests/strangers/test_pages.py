"""What docs/plugins/ shows is what happens: its programs, its commands and its requests, with their answers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from cenote.testing.checkpoints import build_checkpoint

PAGES = Path(__file__).resolve().parents[2] / "docs" / "plugins"
_WRITTEN_BY_SCRIPT = re.compile(r"<!-- (?:generated|include): .*?<!-- end -->", re.DOTALL)
_BLOCK = re.compile(r"(?:^`([\w./]+\.(?:py|toml))`[^\n]*:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_RUN = """
import contextlib, io, json, sys
found = {}
for page, programs in json.load(sys.stdin).items():
    space = {"__name__": "__main__"}
    found[page] = []
    for program in programs:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(program, page, "exec"), space)
        found[page].append(printed.getvalue())
print(json.dumps(found))
"""

#: Distributions that go wrong, each in its own way: entry points, what the metadata asks for, and modules.
_ZOO: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "cenote-broken 0.2.0": (
        "[cenote.commands]\nbroken = cenote_broken:run",
        "cenote>=0.1,<0.2",
        {"cenote_broken": "raise RuntimeError('this never worked')"},
    ),
    "cenote-lacking 0.1.0": (
        "[cenote.commands]\nlacking = cenote_lacking:run",
        "cenote>=0.1,<0.2",
        {"cenote_lacking": "import pypdfium3"},
    ),
    "cenote-future 0.9.0": (
        "[cenote.commands]\nfuture = cenote_future:run",
        "cenote>=0.9,<0.10",
        {"cenote_future": "raise SystemExit('imported all the same')"},
    ),
    "cenote-rival 0.1.0": (
        "[cenote.poolers]\nACME_PEAK = cenote_rival:peak",
        "cenote>=0.1,<0.2",
        {"cenote_rival": "peak = max"},
    ),
}


class Block:
    """One block of code of a page.

    Attributes:
        file: the file that it is, where the line in front says so.
        kind: its language.
        text: what is in it.
        before: the page up to it.
    """

    def __init__(self, found: re.Match[str]) -> None:
        self.file, self.kind, self.text = found[1], found[2], found[3]
        self.before = found.string[: found.start()]


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page that people wrote."""
    return [Block(found) for found in _BLOCK.finditer(_WRITTEN_BY_SCRIPT.sub("", (PAGES / page).read_text()))]


def programs(page: str) -> list[tuple[str, str]]:
    """Return the programs of a page, each with what the block behind it says that it prints."""
    parts = blocks(page)
    shown = {id(before): after.text for before, after in pairwise(parts) if after.kind == "text"}
    return [(part.text, shown.get(id(part), "")) for part in parts if part.kind == "python" and part.file is None]


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each command of a block, with what is shown behind it."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def assert_shown(command: str, shown: str, printed: str) -> None:
    """Check that a page shows what was printed, but for blanks; a line `...` stands for any lines."""
    lines = [r"(?:.*\n)*?" if line == "..." else re.escape(line) + "\n" for line in _without_blanks(shown)]
    assert re.fullmatch("".join(lines), "".join(f"{line}\n" for line in _without_blanks(printed))), (
        f"$ {command}\n{printed}"
    )


def _without_blanks(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def ask(client: httpx.Client, command: str) -> str:
    """Send what a curl line sends, and return the body of the answer, with ids and times made alike."""
    words = shlex.split(command)
    (address,) = (word for word in words if word.startswith("http://"))
    body = words[words.index("--json") + 1]
    path = "/" + address.split("/", 3)[3]
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    text = re.sub(r"(pooling-)[0-9a-f]+", r"\g<1>3d02c722", answer.text)
    return re.sub(r'"created_at":\d+', '"created_at":1795221260', text) + "\n"


PROGRAMS = ("heavy-imports.md", "io-processors.md", "testing.md", "vllm.md", "points/poolers.md")


@pytest.fixture(scope="module")
def printed(installed: Any) -> dict[str, list[str]]:
    """What the programs of the pages print, all in one process, where Acme's plugin is installed."""
    given = json.dumps({page: [text for text, _ in programs(page)] for page in PROGRAMS})
    done = installed.run_python(_RUN, stdin=given)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("page", PROGRAMS)
def test_programs_print_what_pages_show(page: str, printed: dict[str, list[str]]) -> None:
    assert printed[page] == [shown for _, shown in programs(page)]


def test_no_page_has_programs_that_nothing_runs() -> None:
    pages = {path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*.md")}
    assert {page for page in pages if programs(page)} == {*PROGRAMS, "tutorial.md"}


def test_requests_get_the_answers_that_the_guide_shows(client: httpx.Client) -> None:
    found = [item for block in blocks("io-processors.md") if block.kind == "console" for item in commands(block)]
    sent = [(command, shown) for command, shown in found if command.startswith("curl")]
    assert sent
    for command, shown in sent:
        assert_shown(command, shown, ask(client, command))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the distributions that go wrong."""
    folder = tmp_path_factory.mktemp("zoo")
    for source, (points, wanted, modules) in _ZOO.items():
        name, version = source.split()
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: {wanted}\n"
        (info / "METADATA").write_text(head)
        (info / "entry_points.txt").write_text(f"{points}\n")
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(f"{text}\n")
    return folder


@pytest.mark.parametrize("page", ["selection.md", "which-spec-wins.md"])
def test_commands_print_what_pages_show(page: str, installed: Any, zoo: Path) -> None:
    is_wrong = False
    for block in blocks(page):
        # From here on the page is about plugins that are installed beside Acme's and go wrong.
        is_wrong = is_wrong or "five distributions installed of which four" in block.before
        if block.kind == "console":
            variables = {"PYTHONPATH": str(zoo)} if is_wrong else {}
            for command, shown in commands(block):
                done = installed.cenote(*shlex.split(command)[1:], **variables)
                assert_shown(command, shown, done.stdout + done.stderr)


def test_the_file_of_the_page_for_operators_does_what_it_says(installed: Any, tmp_path: Path) -> None:
    (text,) = (block.text for block in blocks("selection.md") if block.kind == "toml")
    (tmp_path / "plugins.toml").write_text(text)
    listed = installed.cenote("--plugin-config", str(tmp_path / "plugins.toml"), "plugins", "list", "--json")
    rows = [row for row in json.loads(listed.stdout)["plugins"] if row["distribution"] == "cenote-acme"]
    assert [row["kind"] for row in rows if row["state"] == "disabled"] == ["hooks"]


@pytest.fixture(scope="module")
def author(new_venv: Callable[[], Any]) -> Any:
    """An environment in which the plugins of the tutorial are installed, each from a folder of its own."""
    venv = new_venv()
    files = [block for block in blocks("tutorial.md") if block.file is not None]
    project = next(block.text for block in files if block.file == "pyproject.toml")
    last = [block.text for block in files if block.file == "pyproject.toml"][-1]
    head = project.partition("[project.entry-points")[0].replace("cenote-similar", "cenote-strong")
    for name, text in {"similar": project, "strong": head + last}.items():
        folder = venv.neutral / f"cenote-{name}"
        for block in files:
            if f"cenote_{name}" in block.file:
                (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
                (folder / block.file).write_text(block.text)
        empty = f"src/cenote_{name}/py.typed"
        assert f"`{empty}`" in (PAGES / "tutorial.md").read_text()
        (folder / empty).touch()
        (folder / "pyproject.toml").write_text(text)
        venv.install_editable(folder)
    return venv


def test_the_programs_of_the_tutorial_print_what_it_shows(author: Any) -> None:
    config = {"architectures": ["StrongBertModel"]}
    build_checkpoint("bert", author.neutral / "strong", sentence_transformers=False, config=config)
    strong = 'from cenote import LLM\nwith LLM("strong") as llm: print(llm.report()["pooling"])'
    shown = programs("tutorial.md")
    done = author.run_python(_RUN, stdin=json.dumps({"tutorial.md": [*(text for text, _ in shown), strong]}))
    assert done.returncode == 0, done.stderr
    *found, pooling = json.loads(done.stdout)["tutorial.md"]
    assert found == [text for _, text in shown]
    assert pooling.startswith("STRONGEST")


def test_the_commands_of_the_tutorial_print_what_it_shows(author: Any) -> None:
    found = [item for block in blocks("tutorial.md") if block.kind == "console" for item in commands(block)]
    for command, shown in found:
        if command.startswith("cenote"):
            done = author.cenote(*shlex.split(command)[1:])
            assert_shown(command, shown, done.stdout + done.stderr)


def test_the_request_of_the_tutorial_gets_the_answer_that_it_shows(author: Any) -> None:
    found = [item for block in blocks("tutorial.md") if block.kind == "console" for item in commands(block)]
    (sent,) = (item for item in found if item[0].startswith("curl"))
    (options,) = re.findall(r"after `cenote serve ([^`]*)`", (PAGES / "tutorial.md").read_text())
    with author.serving(*options.split()) as address, httpx.Client(base_url=address) as client:
        assert_shown(sent[0], sent[1], ask(client, sent[0]))
