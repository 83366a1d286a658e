"""Create or refresh `.venv`: torch first and alone, then everything else with the pins of constraints.txt.

Run by the Makefile with any Python 3.11 or newer; standard library only. Does nothing when the installed set
matches what the repository asks for. Two runs at once wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "cenote-setup"
CONSTRAINTS = ROOT / "constraints.txt"


def plugin_folders() -> list[Path]:
    """Return the folders of this repository's plugins and IO processors, relative to the root."""
    found = [*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("io_processors/*/pyproject.toml")]
    return sorted(path.parent.relative_to(ROOT) for path in found)


def fingerprint() -> str:
    """Digest everything that decides what an installation must look like.

    The root belongs to it because scripts in a virtual environment hold absolute paths: a checkout that was moved
    needs a new one. The version belongs to it because an editable installation stores it.
    """
    digest = hashlib.sha256(f"{ROOT}\n".encode())
    folders = [Path("."), *plugin_folders()]
    sources = ("setup.py", "native/*", "src/*/sources.py")
    compiled = [path for pattern in sources for path in sorted(ROOT.glob(f"plugins/*/{pattern}"))]
    for path in [Path(__file__), CONSTRAINTS, *(ROOT / folder / "pyproject.toml" for folder in folders), *compiled]:
        digest.update(path.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    version = [line for line in (ROOT / "core/__init__.py").read_text().splitlines() if line.startswith("__version__")]
    digest.update("".join(version).encode())
    return digest.hexdigest()


def is_ready(wanted: str) -> bool:
    """Tell whether `.venv` holds what is wanted and its interpreter still runs."""
    if not STAMP.is_file() or STAMP.read_text() != wanted:
        return False
    return runs("-c", "pass")


def runs(*arguments: str) -> bool:
    """Run the environment's interpreter quietly and tell whether it succeeded."""
    try:
        return subprocess.run([PYTHON, *arguments], capture_output=True, cwd=ROOT).returncode == 0
    except OSError:
        return False


def pip(*arguments: str) -> None:
    """Run the environment's pip."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    subprocess.run(command, cwd=ROOT, check=True)


def pinned(name: str) -> str:
    """Return the `name==version` line of constraints.txt."""
    for line in CONSTRAINTS.read_text().splitlines():
        if line.startswith(f"{name}=="):
            return line
    raise SystemExit(f"constraints.txt has no line that starts with {name}==.")


def create_environment() -> None:
    """Create `.venv` where there is none that works, or where it was made at another path."""
    here = (VENV / "pyvenv.cfg").is_file() and str(VENV) in (VENV / "bin" / "activate").read_text()
    if here and runs("-m", "pip", "--version"):
        return
    print(f"Creating .venv with Python {sys.version.split()[0]}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)


def install() -> None:
    """Install torch, then the rest in one command.

    Torch comes first and alone, so that the machine's index decides between its CPU and CUDA builds. It brings
    setuptools, with which the editable packages build: no second download for build isolation.
    """
    print("Installing (the first time takes a few minutes)", flush=True)
    pip("--quiet", pinned("torch"))
    editables = [f"./{folder}" for folder in plugin_folders()]
    arguments = ["--quiet", "--no-build-isolation", "-c", "constraints.txt", "-e", ".[demo,test]"]
    pip(*arguments, *(part for folder in editables for part in ("-e", folder)))
    # Left beside the sources by the build; on sys.path it would shadow the installed metadata.
    for folder in (ROOT, *(ROOT / folder / "src" for folder in plugin_folders())):
        for left in folder.glob("*.egg-info"):
            shutil.rmtree(left, ignore_errors=True)


def main() -> None:
    """Bring `.venv` up to date, one process at a time."""
    if is_ready(fingerprint()):
        return
    with CONSTRAINTS.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint()
        if is_ready(wanted):
            return
        STAMP.unlink(missing_ok=True)
        create_environment()
        install()
        STAMP.write_text(wanted)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            f"Setting up .venv failed: {' '.join(map(str, error.cmd))!r} ended with {error.returncode}."
        ) from None
