"""cenote beside other libraries on this machine: every work in one run, each library in an environment of its own.

    python benchmarks/run.py [--only embed maxsim] [--peers openvino onnx] [--quick] [--publish] [--page]

Peers that are not installed are named, with the command that installs them. The run ends with an error where cenote's
results are out of tolerance. `--publish` writes benchmarks/results.json, docs/benchmarks.md and its plots;
`--page` writes the latter two from results.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from harness.arena import Arena
from harness.machine import capability, threads_of_run
from harness.options import whole
from harness.origin import CHANGED, Mixed, about, check_published, commit_of
from harness.page import as_text, publish
from harness.peers import PEERS
from harness.rates import hold_against_best
from harness.sections import FULL, QUICK, SECTIONS

from cenote.testing.bench import machine

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".bench"


def main() -> None:
    """Run the sections, print tables, and write what was asked for."""
    options = _options()
    if options.page:
        _published(json.loads((ROOT / "benchmarks" / "results.json").read_text()))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that workers are ended
    if options.quick and options.publish:
        raise SystemExit("--quick shows that all works; its figures are not published.")
    wanted = [peer for peer in PEERS if options.peers is None or peer.name in options.peers]
    arena = Arena(options.home.resolve(), threads_of_run(options.threads), wanted)
    out = arena.home / "results.json"
    sizes, commit = QUICK if options.quick else FULL, commit_of(ROOT)
    run = _begun(arena, out if options.keep else None, commit)
    begin, before = time.perf_counter(), list(run["failures"])
    for name in options.only or SECTIONS:
        print(f"{time.perf_counter() - begin:6.0f} s  {name}", flush=True)
        facts = about(commit, sizes, datetime.datetime.now())
        run["sections"][name] = {**SECTIONS[name](arena, sizes), "about": facts}
        hold_against_best(run["sections"])
        run["failures"] = [*before, *arena.failures]
        out.write_text(json.dumps(run, indent=1) + "\n")  # an error in a later section leaves what was measured
    print(as_text(run))
    print(f"{time.perf_counter() - begin:.0f} s in all; written to {out}")
    if options.publish:
        try:
            check_published(run)
        except Mixed as error:
            raise SystemExit(str(error)) from None
        _published(run)


def _begun(arena: Arena, kept: Path | None, commit: str) -> dict[str, Any]:
    """Return a run with no section yet, or with those of the last one on this day, machine and commit."""
    run: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": {**machine(), "threads": arena.threads, "kind": capability()},
        "sections": {},
        "missing": [peer.name for peer in arena.missing()],
        "failures": [],
    }
    if kept is not None and kept.is_file():
        last = json.loads(kept.read_text())
        commits = {section.get("about", {}).get("commit") for section in last["sections"].values()}
        if (
            commits != {commit}
            or commit.endswith(CHANGED)
            or any(last.get(key) != run[key] for key in ("date", "machine"))
        ):
            raise SystemExit(
                f"{kept.name} is of another day, machine or commit than {commit}, or of changed files: no --keep."
            )
        run |= {"sections": last["sections"], "failures": last["failures"]}
    return run


def _published(run: dict[str, Any]) -> None:
    for path in publish(ROOT, run):
        print(f"wrote {path.relative_to(ROOT)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), help="these sections; all where left out")
    parser.add_argument(
        "--peers", nargs="*", choices=[peer.name for peer in PEERS], help="these peers; all that are installed else"
    )
    threads = whole(1, threads_of_run(), "the processors of this process")
    parser.add_argument("--threads", type=threads, help="so many; all processors of the process where left out")
    parser.add_argument("--quick", action="store_true", help="few inputs: shows that all works, judges nothing")
    parser.add_argument("--publish", action="store_true", help="write results.json, docs/benchmarks.md and plots")
    parser.add_argument("--page", action="store_true", help="write the page from results.json, and measure nothing")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the other sections of the last run, which was today, here and of this commit",
    )
    parser.add_argument("--home", type=Path, default=HOME, help="models, exports and environments (default: .bench)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
