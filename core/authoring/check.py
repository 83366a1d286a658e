"""Checking installed plugins: what their metadata says, what importing them does, and the conformance kit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cenote.authoring.check_metadata import check_metadata
from cenote.authoring.conformance import run_kits
from cenote.authoring.findings import Finding, Findings
from cenote.authoring.installed import Installed, read_installed, subject_of
from cenote.authoring.process import run_steps
from cenote.authoring.steps import Report, Step, plan
from cenote.registry.entry import Entry

__all__ = ["CONFORMANCE_FACTOR", "check_distributions"]

#: How much longer the conformance tests of one distribution may take than one import.
CONFORMANCE_FACTOR = 10


def check_distributions(
    names: Sequence[str] = (),
    *,
    seconds: float = 60.0,
    conformance: bool = True,
    reserved: Mapping[str, frozenset[str]] | None = None,
) -> Findings:
    """Check distributions, and yield each finding as soon as it is there. No code of a plugin runs in this process.

    Args:
        names: of distributions; none are all that offer something, except cenote itself.
        seconds: longest time for importing one thing; the conformance tests of one distribution may take
            `CONFORMANCE_FACTOR` times as long.
        conformance: run the conformance kit too.
        reserved: per group, names that plugins may not take.

    Raises:
        UnknownPlugin: nothing of a name is installed.
    """
    everything = read_installed(built_in=True)
    for installed in read_installed(names):
        yield from _check(installed, everything, seconds, conformance, reserved or {})


def _check(
    installed: Installed,
    everything: Iterable[Installed],
    seconds: float,
    conformance: bool,
    reserved: Mapping[str, frozenset[str]],
) -> Findings:
    malformed = set()
    for finding in check_metadata(installed, everything, reserved):
        if finding.check == "entry point" and finding.outcome == "failed":
            malformed.add(finding.subject)
        yield finding
    kits: dict[str, str] = {}
    for step, report in _reports([entry for entry in installed.entries if subject_of(entry) not in malformed], seconds):
        if "kit" in report:
            kits[step.subject] = report["kit"]
        elif conformance or report["check"] != "conformance":
            yield Finding(distribution=installed.name, subject=step.subject, **report)
    results = run_kits(kits, CONFORMANCE_FACTOR * seconds) if kits and conformance else ()
    for subject, outcome, text in results:
        yield Finding(distribution=installed.name, subject=subject, check="conformance", outcome=outcome, text=text)


def _reports(entries: Sequence[Entry], seconds: float) -> Iterator[tuple[Step, Report]]:
    """Import the targets, then try their code; what fails there is not tested further."""
    broken: set[tuple[str, str]] = set()
    for step, report in run_steps(plan(entries), seconds):
        if step.stage == "code" and report.get("outcome") == "failed":
            broken.add(step.target)
        if "kit" in report and step.target in broken:
            report = {"check": "conformance", "outcome": "not run", "text": "what failed above comes first"}
        yield step, report
