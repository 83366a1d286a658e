"""Time of `import cenote` and `cenote --help` in fresh processes.

Usage: python benchmarks/startup.py [rounds]
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import tempfile
import time

#: What is started, and the most seconds that it may take.
CASES = {
    "python, nothing imported": (["-c", "pass"], None),
    "import cenote": (["-c", "import cenote"], 0.15),
    "cenote --help": (["-c", "from cenote.cli import main; main()", "--help"], 0.5),
    "cenote plugins": (["-c", "from cenote.cli import main; main()", "plugins"], None),
}


def main(rounds: int) -> int:
    """Print one line per case and return 1 where a limit is exceeded."""
    print(f"Python {platform.python_version()}, {platform.machine()}, {rounds} fresh processes each")
    print(f"{'case':28}{'median':>10}{'best':>10}{'worst':>10}{'limit':>10}")
    exceeded = False
    for name, (arguments, limit) in CASES.items():
        seconds = sorted(_start(arguments) for _ in range(rounds))
        median = statistics.median(seconds)
        exceeded |= limit is not None and median > limit
        shown = "" if limit is None else f"{limit * 1000:.0f} ms"
        print(f"{name:28}{_ms(median)}{_ms(seconds[0])}{_ms(seconds[-1])}{shown:>10}")
    return int(exceeded)


def _start(arguments: list[str]) -> float:
    # Away from the checkout, whose directories would be searched first.
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        return time.perf_counter() - begin


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms".rjust(10)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
