"""Compare cenote with the committed baseline: `make bench-check`.

    python benchmarks/check.py [--refresh | --new | --ways] [--strict | --tell] [--home .bench]

How cenote computes (the operators that are chosen, layers fused and joined, packed or padded) must be what the baseline
of this kind of processor says: that is no measurement, holds under any load, and fails at once.

Each figure is a ratio to plain transformers in the same run, in processes of two threads. One below the baseline by
more than its margin, or below what holds on every machine, is measured once more, and fails if it stays there. Without
figures for the kind, only the latter is judged, and the end says so; `--refresh` writes them, `--strict` fails without.
`--new` writes those of works that have none yet, and keeps the others, which a busy machine would make easier to meet.
`--ways` writes how cenote computes on this kind and all lesser ones, and times nothing. `--tell` says what is slower
and fails for memory and ways alone, for machines whose other work nobody knows.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from harness.arena import Arena
from harness.baseline import Baseline, failed, judged, other_ways, read, refreshed, slower, with_new, written
from harness.machine import capability, lesser, threads_of_run
from harness.options import ROUNDS, whole
from harness.ratios import loaded_ways, measure

from cenote.testing.bench import machine, table

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "benchmarks" / "baseline.json"
#: A baseline holds for so many threads only.
THREADS = 2
#: Measurements that a baseline is made of.
PASSES = 3
_UNKNOWN = (
    "*** NOT JUDGED: benchmarks/baseline.json has no figures for '{kind}'. A regression of speed would pass unless "
    "cenote fell behind plain transformers.\n*** Write the figures on a quiet machine: python benchmarks/check.py "
    "--refresh"
)


def main() -> int:
    """Measure, compare, print, and return the exit code."""
    options = _options()
    threads = threads_of_run(THREADS)
    arena = Arena(options.home.resolve(), threads, ())
    kind = capability() if threads == THREADS else f"{capability()}, {threads} threads"
    if options.ways:
        return _write_ways(arena)
    if options.refresh or options.new:
        return _refresh(arena, kind, options.rounds, keep=options.new)
    baseline, found = read(BASELINE, kind), measure(arena, options.rounds)
    ratios = found.ratios
    if failed(late := slower(ratios, baseline), (), tell=options.tell):
        print(f"below the limit, measured again: {', '.join(late)}")
        again = measure(arena, options.rounds).ratios
        ratios = {name: max(value, again[name]) for name, value in ratios.items()}
    print(f"{kind}: times as fast, or as small in memory, as plain transformers in float32\n")
    print(table(("work", "measured", "baseline", "at least", ""), judged(ratios, baseline), "lrrrl"))
    if not baseline.ratios:
        print(f"\n{_UNKNOWN.format(kind=kind)}")
    if late := slower(ratios, baseline):
        print(f"\n*** SLOWER THAN THE LIMIT{'' if options.tell else ', TWICE'}: {', '.join(late)}")
    if changed := other_ways(found.ways, baseline):
        print("\n*** COMPUTED IN ANOTHER WAY (python benchmarks/check.py --ways, if it is meant):", *changed, sep="\n")
    if failed(late, changed, tell=options.tell):
        return 1
    return 2 if options.strict and not baseline.ratios else 0


def _refresh(arena: Arena, kind: str, rounds: int, *, keep: bool) -> int:
    """Write the figures and ways of this kind, or the figures that it has not."""
    passes = [measure(arena, rounds) for _ in range(PASSES)]
    measured = f"{datetime.date.today().isoformat()}, {machine()['processor']}"
    found = refreshed([each.ratios for each in passes], passes[0].ways, measured)
    _write(kind, with_new(read(BASELINE, kind), found) if keep else found)
    return 0


def _write_ways(arena: Arena) -> int:
    """Write the ways of this kind and all lesser ones; figures stay."""
    for kind in lesser(capability()):
        baseline = read(BASELINE, kind)
        baseline.ways = loaded_ways(arena, kind)
        _write(kind, baseline)
    return 0


def _write(kind: str, baseline: Baseline) -> None:
    BASELINE.write_text(written(BASELINE.read_text() if BASELINE.is_file() else "", kind, baseline))
    print(f"wrote {kind} into {BASELINE.relative_to(ROOT)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    writing = parser.add_mutually_exclusive_group()
    writing.add_argument(
        "--refresh", action="store_true", help="write this kind's figures into benchmarks/baseline.json"
    )
    writing.add_argument("--new", action="store_true", help="write figures of works that have none, and no others")
    writing.add_argument("--ways", action="store_true", help="write how cenote computes, on this kind and lesser ones")
    lenience = parser.add_mutually_exclusive_group()
    lenience.add_argument("--strict", action="store_true", help="exit with 2 where there are no figures for this kind")
    lenience.add_argument("--tell", action="store_true", help="say what is slower, and fail for memory and ways alone")
    parser.add_argument("--home", type=Path, default=ROOT / ".bench", help="models (default: .bench)")
    parser.add_argument("--rounds", type=whole(1, ROUNDS), default=5)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
