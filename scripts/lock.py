"""Write constraints.txt anew: the newest versions that a clean installation with every CI extra picks.

Run by `make lock` with Python 3.11. torch keeps its pin (change it by hand), and so does triton, which must be the
version that torch's CUDA wheel asks for.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
KEPT = ("torch", "triton")


def main() -> None:
    """Install into a temporary environment and store what it holds."""
    old = CONSTRAINTS.read_text().splitlines()
    header = [line for line in old if line.startswith("#")]
    pins = [line for line in old if line.split("==")[0] in KEPT]
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        pip = [str(python), "-m", "pip"]
        subprocess.run([*pip, "install", pins[0]], check=True)
        plugins = [*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("io_processors/*/pyproject.toml")]
        folders = [f"{ROOT}[demo,test]", *(str(path.parent) for path in sorted(plugins))]
        editable = [part for folder in folders for part in ("-e", folder)]
        subprocess.run([*pip, "install", "--no-build-isolation", *editable, *pins], check=True)
        frozen = subprocess.run([*pip, "freeze", "--all"], check=True, capture_output=True, text=True).stdout
    # Local versions (torch's +cpu) name one machine's wheel, editable lines and comments are this checkout.
    found = [re.sub(r"\+.*", "", line) for line in frozen.splitlines() if re.match(r"(?!pip==)[\w.-]+==", line)]
    CONSTRAINTS.write_text("\n".join([*header, *sorted(found, key=str.lower)]) + "\n")


if __name__ == "__main__":
    main()
