"""Look-alike checkpoints are the same bytes wherever they are built."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from cenote.testing.checkpoints import FAMILIES, HEADED, STATIC, TOWERS, VISUAL, build_checkpoint, build_static


def _build(folder: Path) -> None:
    for name in (*FAMILIES, *HEADED, *VISUAL, *TOWERS):
        build_checkpoint(name, folder / name)
    for name in STATIC:
        build_static(name, folder / name)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_another_process_builds_the_same_bytes(tmp_path: Path) -> None:
    _build(tmp_path / "here")
    subprocess.run([sys.executable, __file__, str(tmp_path / "there")], check=True, capture_output=True)
    found = _digests(tmp_path / "there")
    assert {Path(name).parts[0] for name in found} == {*FAMILIES, *HEADED, *VISUAL, *TOWERS, *STATIC}
    assert found == _digests(tmp_path / "here")


if __name__ == "__main__":
    _build(Path(sys.argv[1]))
