"""Install the libraries that cenote is compared with, each in a virtual environment of its own.

    python benchmarks/peers.py list
    python benchmarks/peers.py install openvino onnx
    python benchmarks/peers.py install --all

torch comes first, in the version that cenote is tested with, and nothing replaces it. Models are never downloaded.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.peers import PEERS, Peer, interpreter

TORCH = "torch==2.13.0"
HOME = Path(__file__).resolve().parents[1] / ".bench"


def main() -> None:
    """List or install."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=HOME, help="where environments are kept (default: .bench)")
    todo = parser.add_subparsers(dest="todo", required=True)
    todo.add_parser("list", help="say which are installed")
    install = todo.add_parser("install", help="make environments")
    install.add_argument("names", nargs="*", choices=[[], *(peer.name for peer in PEERS)], metavar="peer")
    install.add_argument("--all", action="store_true", help="of every peer")
    options = parser.parse_args()
    folder = options.home.resolve() / "peers"
    if options.todo == "list":
        print("\n".join(listed(folder)))
        return
    chosen = [peer for peer in PEERS if options.all or peer.name in options.names]
    for peer in chosen:
        if interpreter(peer, folder) is None:
            make(peer, folder)


def listed(folder: Path) -> list[str]:
    """Return a line per peer: installed, or the command that installs it."""
    return [
        f"{peer.name:24}"
        + (
            "installed"
            if interpreter(peer, folder)
            else f"not installed: python benchmarks/peers.py install {peer.name}"
        )
        for peer in PEERS
    ]


def make(peer: Peer, folder: Path) -> None:
    """Create the environment of a peer; one that failed half-way is made anew the next time.

    Raises:
        subprocess.CalledProcessError: pip failed.
    """
    place = folder / peer.environment
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    pip = [str(place / "bin" / "python"), "-m", "pip"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as held:
        held.write(f"{TORCH}\n")
        held.flush()
        for command in commands(peer, held.name):
            print(f"{peer.environment}: pip {' '.join(command)}", flush=True)
            subprocess.run([*pip, *command], check=True)
    (place / ".installed").write_text("\n".join((*peer.packages, *peer.alone)) + "\n")


def commands(peer: Peer, constraints: str) -> list[Sequence[str]]:
    """Return what pip is asked in order: torch, the peer, what goes in alone, what goes out again."""
    found: list[Sequence[str]] = [
        ("install", "-q", TORCH, "numpy"),
        ("install", "-q", "-c", constraints, *peer.packages),
    ]
    if peer.alone:
        found.append(("install", "-q", "--no-deps", *peer.alone))
    if peer.unwanted:
        found.append(("uninstall", "-q", "-y", *peer.unwanted))
    return found


if __name__ == "__main__":
    main()
