"""Try an installed wheel from a neutral directory: `python wheel_smoke.py DEMO`, run by `.ci/run`.

Checks what an editable installation cannot show: that every package and data file is in the wheel, that nothing
is imported from the checkout, and that the command line and the demo work with what the wheel holds.
"""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

import cenote


def main(demo: str) -> None:
    """Run all checks; an exception is the failure."""
    home = Path(cenote.__file__).parent
    if not home.is_relative_to(sysconfig.get_path("purelib")):
        raise SystemExit(f"cenote was imported from {home}, not from the installed wheel.")
    if not (home / "py.typed").is_file():
        raise SystemExit("The wheel lacks py.typed.")
    modules = [found.name for found in pkgutil.walk_packages(cenote.__path__, "cenote.")]
    for name in modules:
        if not name.endswith(".triton"):  # needs Triton's interpreter or a GPU from its import on
            importlib.import_module(name)
    named = [point for found in distributions() for point in found.entry_points if point.group.startswith("cenote.")]
    for entry in named:
        entry.load()
    command = Path(sys.executable).with_name("cenote")
    for arguments in (["--help"], ["plugins"], ["env"]):
        subprocess.run([command, *arguments], check=True)
    subprocess.run([sys.executable, demo], check=True)
    print(f"{len(modules)} modules import, {len(named)} entry points load, the demo ran.")


if __name__ == "__main__":
    main(*sys.argv[1:])
