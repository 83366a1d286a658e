"""Compare cenote's speed with the committed baseline: `make bench-check`.

    python benchmarks/check.py [--refresh] [--strict] [--tell] [--home .bench]

Each figure is a ratio to plain transformers in the same run, in processes of two threads. One that lies more than 40 %
(memory: 10 %) below the baseline of this kind of processor, or below what holds on every machine, is measured once
more, and fails if it stays there. Without a baseline for the kind, only the latter is judged, and the end says so;
`--refresh` writes one, `--strict` fails without one. `--tell` says what is slower and fails for memory alone, for
machines whose other work nobody knows.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from harness.arena import Arena
from harness.baseline import MEMORY, judged, read, slower, written
from harness.machine import capability, threads_of_run
from harness.ratios import measure

from cenote.testing.bench import machine, table

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "benchmarks" / "baseline.json"
#: A baseline holds for so many threads only.
THREADS = 2
_UNKNOWN = (
    "*** NOT JUDGED: benchmarks/baseline.json has no figures for '{kind}'. A regression would pass unless cenote fell "
    "behind plain transformers.\n*** Write the figures on a quiet machine: python benchmarks/check.py --refresh"
)


def main() -> int:
    """Measure, compare, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refresh", action="store_true", help="write the figures into benchmarks/baseline.json")
    lenience = parser.add_mutually_exclusive_group()
    lenience.add_argument("--strict", action="store_true", help="exit with 2 where there is no baseline for this kind")
    lenience.add_argument("--tell", action="store_true", help="say what is slower, and fail for memory alone")
    parser.add_argument("--home", type=Path, default=ROOT / ".bench", help="models (default: .bench)")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    threads = threads_of_run(THREADS)
    arena = Arena(options.home.resolve(), threads, ())
    kind = capability() if threads == THREADS else f"{capability()}, {threads} threads"
    ratios = measure(arena, options.rounds)
    if options.refresh:
        stored = BASELINE.read_text() if BASELINE.is_file() else ""
        where = str(machine()["processor"])
        BASELINE.write_text(written(stored, kind, ratios, datetime.date.today().isoformat(), where))
    baseline = read(BASELINE, kind)
    if slower(ratios, baseline):
        print(f"below the limit, measured again: {', '.join(slower(ratios, baseline))}")
        again = measure(arena, options.rounds)
        ratios = {name: max(ratios[name], again[name]) for name in ratios}
    print(f"{kind}: times as fast, or as small in memory, as plain transformers in float32\n")
    print(table(("work", "measured", "baseline", "at least", ""), judged(ratios, baseline), "lrrrl"))
    if baseline is None:
        print(f"\n{_UNKNOWN.format(kind=kind)}")
    if late := slower(ratios, baseline):
        print(f"\n*** SLOWER THAN THE LIMIT, TWICE: {', '.join(late)}")
    failed = MEMORY in late if options.tell else bool(late)
    return 1 if failed else 2 if options.strict and baseline is None else 0


if __name__ == "__main__":
    raise SystemExit(main())
