"""Listing plugins among many installed distributions, and adapters that import torch without torch being imported.

    python benchmarks/plugins.py [--distributions 152] [--adapters 20] [--rounds 9]

The distributions are metadata folders in a temporary folder, the only one that is searched: as many have entry points
as in a usual environment (two in five), one in twelve offers something to cenote, and one of them is cenote itself.
Each round is a fresh process. It imports importlib_metadata, which every program pays that looks for entry points, and
then cenote's registry; it finds the names of everything, and then makes the rows of `cenote plugins list`, for which
the modules of specs are imported. The limit is for the names alone; a listing costs the last three steps together.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from harness.options import ROUNDS, whole
from importlib_metadata import distribution

from cenote.testing.bench import table

#: Milliseconds that finding the names of everything may take, once importlib_metadata and the registry are imported.
LIMIT = 10.0
#: What a distribution offers to cenote, in turns.
OFFERS = (
    ("cenote.architectures", "{0}Model", "{0}:SPEC"),
    ("cenote.io_processors", "{0}", "{0}.processor:Processor"),
    ("cenote.architectures", "{0}ForPooling", "{0}:SPEC"),
    ("cenote", "{0}", "{0}.hooks"),
    ("cenote.commands", "{0}", "{0}.command:run"),
)
SPEC = """
from cenote.registry import ArchitectureSpec

SPEC = ArchitectureSpec(name={0!r}, architectures=({0!r},), adapter="{0}.adapter:Adapter", tasks=("embed",))
"""
CHILD = """
import json, sys, time
folder = sys.argv[1]
start = time.perf_counter()
import importlib_metadata
found = time.perf_counter()
import cenote.registry as registry
ready = time.perf_counter()
sys.path[:] = [folder, *(path for path in sys.path if path and "site-packages" not in path)]
here = registry.Registry(environment={})
begin = time.perf_counter()
groups = {group: here.names(group) for group in here.groups()}
named = time.perf_counter()
rows = registry.list_plugins(here)
listed = time.perf_counter()
print(json.dumps({
    "import importlib_metadata": found - start, "import cenote.registry": ready - found,
    "names of everything": named - begin, "rows with specs": listed - named,
    "rows": len(rows), "usable": sum(row.state in registry.USABLE for row in rows), "torch": "torch" in sys.modules,
}))
"""
NAMES = "names of everything"
#: What `cenote plugins list` does beside starting Python and the command line.
LISTING = ("import cenote.registry", NAMES, "rows with specs")
STEPS = ("import importlib_metadata", *LISTING)


def main() -> int:
    """Run the measurements, print them, and return 1 where the limit is exceeded or torch was imported."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distributions", type=whole(1, 10_000), default=152)
    parser.add_argument("--adapters", type=whole(1, 10_000), default=20, help="plugins whose adapter imports torch")
    parser.add_argument("--rounds", type=whole(1, ROUNDS), default=9, help="fresh processes per case")
    parser.add_argument("--no-limit", action="store_true", help="do not judge times")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        many, heavy = Path(name, "many"), Path(name, "heavy")
        offering = install_many(many, options.distributions)
        install_adapters(heavy, options.adapters)
        cases = {
            f"{options.distributions} distributions, {offering} offer plugins": many,
            f"{options.adapters} adapters that import torch": heavy,
        }
        found = {case: measure(folder, options.rounds, Path(name, "compiled")) for case, folder in cases.items()}
    print(f"median of {options.rounds} fresh processes, ms\n")
    header = ("case", *STEPS, "listing in all", "rows", "torch imported")
    print(table(header, [row(case, rounds) for case, rounds in found.items()], "lrrrrrrl"))
    if any(one["torch"] for rounds in found.values() for one in rounds):
        print("\ntorch was imported")
        return 1
    first = next(iter(found.values()))
    taken = median(one[NAMES] * 1000 for one in first)
    print(f"\nthe names took {taken:.1f} ms once everything was imported; the limit is {LIMIT:g} ms")
    in_all = median(map(listing, first))
    print(f"a listing took {in_all:.1f} ms in all on top of importing importlib_metadata; it has no limit")
    return int(taken > LIMIT and not options.no_limit)


def install_many(folder: Path, count: int) -> int:
    """Write the metadata of distributions, and return how many offer something to cenote."""
    cenote = distribution("cenote")
    write_distribution(folder, "cenote", cenote.version, cenote.read_text("entry_points.txt") or "")
    offering = 1
    for number in range(1, count):
        name, entry_points = f"package_{number}", ""
        if number % 12 == 0:
            group, key, value = OFFERS[number // 12 % len(OFFERS)]
            entry_points = f"[{group}]\n{key.format(name)} = {value.format(name)}\n"
            write_module(folder / f"{name}.py", SPEC.format(name))
            offering += 1
        elif number % 5 < 2:
            entry_points = f"[console_scripts]\n{name} = {name}.cli:main\n\n[some.framework]\n{name} = {name}:plugin\n"
        write_distribution(folder, name, "1.0", entry_points)
    return offering


def install_adapters(folder: Path, count: int) -> None:
    """Write plugins of one spec each, whose adapters import torch."""
    for number in range(count):
        name = f"adapter_{number}"
        write_module(folder / name / "__init__.py", SPEC.format(name))
        write_module(folder / name / "adapter.py", "import torch\n\n\nclass Adapter(torch.nn.Module):\n    pass\n")
        points = f"[cenote.architectures]\n{name} = {name}:SPEC\n"
        write_distribution(folder, name, "1.0", points)


def write_distribution(folder: Path, name: str, version: str, entry_points: str) -> None:
    """Write what pip leaves of a wheel, with metadata and a RECORD of usual length."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    needs = "".join(f"Requires-Dist: package_{number}>=1\n" for number in range(5))
    header = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}Requires-Dist: cenote<9,>=0.1\n"
    (info / "METADATA").write_text(header + "\n" + "A line of the description.\n" * 100)
    (info / "RECORD").write_text("".join(f"{name}/module_{n}.py,sha256={n:043d},1234\n" for n in range(40)))
    if entry_points:
        (info / "entry_points.txt").write_text(entry_points)


def write_module(path: Path, source: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


def measure(folder: Path, rounds: int, compiled: Path) -> list[Mapping[str, float]]:
    """Measure in fresh processes away from the checkout; one more before them compiles modules, as pip does."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(compiled)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", CHILD, str(folder)]
    texts = [
        subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment).stdout
        for _ in range(rounds + 1)
    ]
    return [json.loads(text) for text in texts[1:]]


def listing(found: Mapping[str, float]) -> float:
    """Return the milliseconds of one round that a listing costs in all."""
    return sum(found[step] for step in LISTING) * 1000


def row(case: str, rounds: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """Return one line of the table."""
    times = (f"{median(one[step] for one in rounds) * 1000:.1f}" for step in STEPS)
    in_all = f"{median(map(listing, rounds)):.1f}"
    imported = "yes" if any(one["torch"] for one in rounds) else "no"
    return (case, *times, in_all, str(rounds[0]["rows"]), imported)


if __name__ == "__main__":
    raise SystemExit(main())
