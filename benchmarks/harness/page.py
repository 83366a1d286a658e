"""A run as text for a terminal, as docs/benchmarks.md, and as plots beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cenote.testing.bench import table
from harness.agreement import COSINES, DIFFERENCES, SHARES, TOKENS
from harness.drawings import drawings
from harness.origin import described
from harness.peers import PEERS
from harness.tables import OTHERS, SPREAD, TABLES
from harness.targets import targets

__all__ = ["as_text", "page", "publish"]

_INTRODUCTION = """# Benchmarks

<!-- written by `make bench ARGS=--publish` from benchmarks/results.json; do not edit -->

Every figure of this page is from `benchmarks/run.py` on one machine and one day, at the commit that is named below.
Each library ran in an environment and a process of its own, held to the same {threads} threads, in turns with the
others; all others are stopped meanwhile. Each section says how many rounds it had. A round begins with a few inputs
off the clock, and the median of all passes counts; a library that takes longer than 6 s for one pass has one. "Spread"
is the distance between the quartiles of the passes, as a share of the median. An exclamation mark behind it says that
the row is doubtful: the spread is above {spread:.0%}, or other processes took more than {others:.0%} of the
processors. A library takes the best batch size that was found for it just before. Texts are docstrings of Python's
standard library, short and long mixed, cut at 256 tokens. "float32, high" computes float32 products with about 16 bits
(`float32_matmul_precision`). Only ratios mean something elsewhere, and differences below 15 % (25 % for servers) are
noise: a target that is met by less than that is marked. How to repeat it: [benchmarks](../benchmarks/README.md).

Results were compared with plain transformers in float32 while measuring; a row that is further away than this is marked
with an asterisk:

* least cosine of a text's vector: {cosines};
* least cosine of a token's vector: {tokens};
* largest difference of a reranker's score: {differences};
* largest difference of a MaxSim, as a share of the largest: {shares}.

"Limit" is the share of the machine's matmul rate for the setting: the work of the model's products and attention on
real tokens, divided by the time and by the rate of the fastest product that was found in the same run (oneDNN, MKL or
cenote's own; 2048 rows, the widths of MiniLM and BERT-base; best of many calls, before and after every contest). Norms,
activations, tokenisation and answers count as time and not as work. Rates are the machine's at its best, so where other
processes slow a contest down, its shares are lower than the code's.
"""


#: Words for whether a target is met, and whether that is within the noise.
_MET = {(True, False): "yes", (True, True): "yes, within noise", (False, False): "**no**", (False, True): "**no**"}


def page(run: Mapping[str, Any]) -> str:
    """Return docs/benchmarks.md."""
    facts = run["machine"]
    head = _INTRODUCTION.format(
        threads=facts["threads"],
        spread=SPREAD,
        others=OTHERS,
        cosines=_limits(COSINES),
        tokens=_limits(TOKENS),
        differences=_limits(DIFFERENCES),
        shares=_limits(SHARES),
    )
    measured = f"Measured on {run['date']}, {described(run)}: {_machine(facts)}."
    body = [head, measured, _versions(run), _targets(run), *_sections(run, plots=True)]
    return "\n\n".join(part.strip() for part in [*body, _absent(run)] if part.strip()) + "\n"


def as_text(run: Mapping[str, Any]) -> str:
    """Return the tables alone."""
    parts = [_machine(run["machine"]), *_sections(run, plots=False), _targets(run), _absent(run)]
    return "\n\n".join(part for part in parts if part)


def publish(root: Path, run: Mapping[str, Any]) -> list[Path]:
    """Write results.json, the page and its plots into a checkout; returns their paths."""
    texts = {
        root / "benchmarks" / "results.json": json.dumps(run, indent=1) + "\n",
        root / "docs" / "benchmarks.md": page(run),
        **{root / "docs" / "benchmarks" / name: text for name, text in drawings(run).items()},
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(texts)


def _sections(run: Mapping[str, Any], *, plots: bool) -> list[str]:
    drawn = drawings(run) if plots else {}
    parts = []
    for name, section in ((name, run["sections"][name]) for name in TABLES if name in run["sections"]):
        title, laid_out = TABLES[name]
        parts.append(f"## {title}\n\n{laid_out(section)}")
        shown = [file for file in drawn if file.rpartition("_")[0] == name]
        parts += [f"![{title}](benchmarks/{file})" for file in shown]
    return parts


def _targets(run: Mapping[str, Any]) -> str:
    """Lay out what is reached and what is not, the latter first."""
    found = sorted(targets(run), key=lambda target: target.met)
    if not found:
        return ""
    rows = [[each.work, each.wanted, each.measured, _MET[each.met, each.close]] for each in found]
    met, close = sum(each.met for each in found), sum(each.met and each.close for each in found)
    head = (
        f"## Targets\n\nWhat cenote is meant to reach, set before it was built and computed from this run: {met} of "
        f"{len(found)} are met, {close} of them by less than the noise."
    )
    return f"{head}\n\n{table(['work', 'target', 'measured', 'met'], rows, 'llll')}"


def _limits(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def _machine(facts: Mapping[str, Any]) -> str:
    return (
        f"{facts['processor']} ({facts['kind']}), {facts['cores']} cores, {facts['threads']} threads, "
        f"{facts['system']}, Python {facts['python']}, torch {facts['torch']}, cenote {facts['cenote']}"
    )


def _versions(run: Mapping[str, Any]) -> str:
    """Name the versions of the libraries, each once."""
    found: dict[str, str] = {}
    for section in run["sections"].values():
        for row in section.get("rows", ()):
            packages = ", ".join(f"{name} {version}" for name, version in row.get("versions", {}).items())
            if packages and row["peer"] != "cenote":
                found[row["title"]] = packages
    return "\n".join(["Versions of the peers:", "", *(f"* {name}: {text}" for name, text in found.items())])


def _absent(run: Mapping[str, Any]) -> str:
    """Say who did not take part, and why."""
    parts = []
    titles = {peer.name: peer.title for peer in PEERS}
    if run["missing"]:
        rows = [f"* {titles[name]}: `python benchmarks/peers.py install {name}`" for name in run["missing"]]
        parts.append("\n".join(["Not installed, and how to install:", "", *rows]))
    if run["failures"]:
        rows = [f"* {titles[each['peer']]}, {each['setting']}: {each['reason']}" for each in run["failures"]]
        parts.append("\n".join(["Failed:", "", *dict.fromkeys(rows)]))
    return "\n\n".join(parts)
