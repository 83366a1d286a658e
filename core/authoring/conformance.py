"""Running the classes of the conformance kit on an installed plugin, with pytest in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cenote.authoring.findings import Outcome
from cenote.authoring.process import environment, kill

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["run_kits"]

#: Failing tests of a class that are named.
_SHOWN = 3


def run_kits(kits: Mapping[str, str], seconds: float) -> Iterator[tuple[str, Outcome, str]]:
    """Run test classes, and yield subject, outcome and text of each.

    Args:
        kits: subject to the text of a module with one test class.
        seconds: longest time for all of them.
    """
    if find_spec("pytest") is None:
        for subject in kits:
            yield subject, "not run", "it needs pytest: pip install 'cenote[testing]'"
        return
    with tempfile.TemporaryDirectory(prefix="cenote-check-") as name:
        folder = Path(name)
        modules = {f"test_kit_{number}": subject for number, subject in enumerate(kits)}
        for module, subject in modules.items():
            (folder / f"{module}.py").write_text(kits[subject], encoding="utf-8")
        ending, output = _pytest(folder, seconds)
        cases = _cases(folder / "results.xml")
        for module, subject in modules.items():
            if ending is not None and module not in cases:
                yield subject, "failed", ending
            else:
                yield subject, *_verdict(cases.get(module, []), output)


def _pytest(folder: Path, seconds: float) -> tuple[str | None, str]:
    """Run pytest in a folder; return why it did not come to its end, and what it printed."""
    options = ["-q", "--tb=short", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", "pytest.ini"]
    options.append("--continue-on-collection-errors")  # one class must not keep the others from being run
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    with (folder / "output").open("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pytest", *options, "--junitxml", "results.xml"],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ending = None
        try:
            code = process.wait(timeout=seconds)
            if code not in (0, 1):
                ending = f"pytest ended with status {code}"
        except subprocess.TimeoutExpired:
            ending = f"the tests did not end within {seconds:g} s; give more time with --seconds"
        finally:
            kill(process)
        output.seek(0)
        text = output.read()
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    return (f"{ending}: {last}" if ending and last else ending), text


def _cases(file: Path) -> dict[str, list[Element]]:
    """Return the test cases that pytest reports, by module; nothing where it wrote no report."""
    from xml.etree import ElementTree

    if not file.is_file():
        return {}
    cases: dict[str, list[Element]] = {}
    for case in ElementTree.parse(file).iter("testcase"):
        module = (case.get("classname") or case.get("name") or "").partition(".")[0]
        cases.setdefault(module, []).append(case)
    return cases


def _verdict(cases: list[Element], output: str) -> tuple[Outcome, str]:
    if not cases:
        return "failed", f"no test was run: {output.strip()[-300:]}"
    bad = {case.get("name", ""): found for case in cases if (found := _fault(case)) is not None}
    if not bad:
        return "passed", f"{len(cases)} tests of the kit"
    shown = [f"{name}: {reason}" for name, reason in list(bad.items())[:_SHOWN]]
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return "failed", f"{len(bad)} of {len(cases)} tests of the kit: {'; '.join(shown)}{more}"


def _fault(case: Element) -> str | None:
    """Return why a test did not pass, in one line."""
    for kind in ("failure", "error"):
        found = case.find(kind)
        if found is not None:
            # Of a module that cannot be imported, only the text says why; pytest begins such lines with an E.
            raised = [line[1:].strip() for line in (found.text or "").splitlines() if line.startswith("E ")]
            message = (found.get("message") or kind).partition("\n")[0]
            return raised[-1] if message == "collection failure" and raised else message
    return None
