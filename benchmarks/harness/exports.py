"""Files that a library makes of a checkpoint once, kept in the cache folder. Runs in workers, without cenote."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from harness.job import Job

__all__ = ["existing", "exported"]


def exported(job: Job, kind: str, export: Callable[[Job, Path], None]) -> str:
    """Return a copy of the job's checkpoint to which `export` has added its files, made where it is not there.

    Args:
        job: names the checkpoint and the cache folder.
        kind: of the export; each has a folder of its own.
        export: adds its files to the given folder. A copy whose export failed is not kept.
    """
    folder = Path(job.cache) / "exports" / f"{Path(job.folder).name}-{kind}"
    if not folder.is_dir():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(job.folder, unfinished)
        export(job, unfinished)
        unfinished.rename(folder)
    return str(folder)


def existing(job: Job, kind: str) -> str:
    """Return the copy that another library's worker has made.

    Raises:
        FileNotFoundError: it has not.
    """
    folder = Path(job.cache) / "exports" / f"{Path(job.folder).name}-{kind}"
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not there; it is made by the {kind} peer, which must be installed too.")
    return str(folder)
