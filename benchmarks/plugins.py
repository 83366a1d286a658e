"""Listing plugins among many installed distributions, and adapters that import torch without torch being imported.

    python benchmarks/plugins.py [--distributions 152] [--adapters 20] [--rounds 9]

The distributions are metadata folders in a temporary folder, the only one that is searched: as many have entry points
as in a usual environment (two in five), one in twelve offers something to cenote, and one of them is cenote itself.
Each round is a fresh process. It imports importlib_metadata, which every program pays that looks for entry points, and
then cenote's registry; what follows is listing: names and distributions of everything, and after it the rows of
`cenote plugins`, for which the modules of specs are imported.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from importlib_metadata import distribution

from cenote.testing.bench import table

#: Milliseconds that listing names may take on top of `import importlib_metadata`, with 152 distributions.
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
STEPS = ("import importlib_metadata", "import cenote.registry", "names of everything", "rows with specs")


def main() -> int:
    """Run the measurements, print them, and return 1 where the limit is exceeded or torch was imported."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distributions", type=int, default=152)
    parser.add_argument("--adapters", type=int, default=20, help="plugins whose adapter imports torch")
    parser.add_argument("--rounds", type=int, default=9, help="fresh processes per case")
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
        found = {case: [run(folder) for _ in range(options.rounds)] for case, folder in cases.items()}
    print(f"median of {options.rounds} fresh processes, ms\n")
    header = ("case", *STEPS, "rows", "torch imported")
    print(table(header, [row(case, rounds) for case, rounds in found.items()], "lrrrrrl"))
    if any(one["torch"] for rounds in found.values() for one in rounds):
        print("\ntorch was imported")
        return 1
    taken = median(one["names of everything"] * 1000 for one in next(iter(found.values())))
    print(f"\nlisting took {taken:.1f} ms on top of importing importlib_metadata; the limit is {LIMIT:g} ms")
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


def run(folder: Path) -> Mapping[str, float]:
    """Measure once, in a fresh process away from the checkout, with compiled modules in the cache."""
    command = [sys.executable, "-c", CHILD, str(folder)]
    found: Mapping[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, cwd=folder).stdout)
    return found


def row(case: str, rounds: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """Return one line of the table."""
    times = (f"{median(one[step] for one in rounds) * 1000:.1f}" for step in STEPS)
    return (case, *times, str(rounds[0]["rows"]), "yes" if any(one["torch"] for one in rounds) else "no")


if __name__ == "__main__":
    raise SystemExit(main())
