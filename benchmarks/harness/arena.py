"""The contestants of a run: one process per library, one loaded model per setting."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.job import Job
from harness.peers import CENOTE, Peer, interpreter
from harness.process import Worker, WorkerError
from harness.workload import texts_of

__all__ = ["Arena", "Entry"]

_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Entry:
    """A library with a model loaded in one setting, and its best batch size once that is found.

    Attributes:
        versions: of the packages that matter.
        load_seconds: imports included where this was the first model of the process.
        sizes: of batches, among which the best is looked for; (0,) where the library has none in this work.
    """

    peer: Peer
    setting: str
    worker: Worker
    handle: int
    versions: dict[str, str]
    load_seconds: float
    sizes: tuple[int, ...]
    batch: int = 0


@dataclass
class Arena:
    """Where a run keeps its files and workers.

    Attributes:
        home: cache of models, exports and environments (`peers/`).
        threads: that each library may use.
        peers: who takes part beside cenote.
        failures: what did not load or run, with the reason.
    """

    home: Path
    threads: int
    peers: Sequence[Peer]
    failures: list[dict[str, str]] = field(default_factory=list)
    _workers: dict[str, Worker] = field(default_factory=dict)

    def missing(self) -> list[Peer]:
        """Return the peers whose environment is not there."""
        return [peer for peer in self.peers if interpreter(peer, self.home / "peers") is None]

    def job(self, work: str, folder: Path, setting: str, max_tokens: int = 256) -> Job:
        """Describe a model to load."""
        return Job(work, str(folder), setting, max_tokens, self.threads, str(self.home), str(self._calibration()))

    def inputs(self, name: str, inputs: Sequence[Any]) -> Path:
        """Write inputs where workers read them."""
        path = self.home / "inputs" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(list(inputs)))
        return path

    def fresh(self, peer: Peer) -> Worker:
        """Start a further process of a library, which the caller closes."""
        python = interpreter(peer, self.home / "peers")
        if python is None:
            raise WorkerError(f"{peer.name} is not installed")
        return Worker(python, peer.module, threads=self.threads, variables=peer.variables)

    def local(self, module: str, variables: Mapping[str, str] | None = None) -> Worker:
        """Start a worker in the environment of this process, which the caller closes."""
        return Worker(sys.executable, module, threads=self.threads, variables=variables)

    def enter(
        self, work: str, folder: Path, settings: Sequence[str], max_tokens: int = 256, only: Sequence[str] = ()
    ) -> list[Entry]:
        """Load a model in every installed library and in each of `settings` that it has, cenote first.

        Args:
            work: as in `Job`.
            folder: of the model.
            settings: those that count here.
            max_tokens: where texts are cut.
            only: names of the peers that count here; all where empty.
        """
        entries = []
        for peer in (CENOTE, *self.peers):
            if interpreter(peer, self.home / "peers") is None or (only and peer.name not in (*only, CENOTE.name)):
                continue
            for setting in peer.works.get(work, ()):
                if setting in settings and (entry := self._load(peer, work, folder, setting, max_tokens)):
                    entries.append(entry)
        return entries

    def failed(self, peer: Peer, setting: str, error: Exception) -> None:
        """Remember that a library could not do something, without this machine's folders; cenote may not fail.

        Raises:
            WorkerError: it was cenote.
        """
        if peer is CENOTE:
            raise WorkerError(f"cenote, {setting}: {error}") from error
        print(f"  failed: {peer.title}, {setting}: {error}", file=sys.stderr)
        reason = str(error)
        for folder, shown in ((self.home, ".bench"), (_CHECKOUT, "."), (Path.home(), "~")):
            reason = reason.replace(str(folder), shown)
        self.failures.append({"peer": peer.name, "setting": setting, "reason": reason})

    def retire(self) -> None:
        """End all workers, with their models."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    @contextmanager
    def open(self) -> Iterator[Arena]:
        """End the workers at the end of a block."""
        try:
            yield self
        finally:
            self.retire()

    def _load(self, peer: Peer, work: str, folder: Path, setting: str, max_tokens: int) -> Entry | None:
        try:
            if peer.name not in self._workers:
                self._workers[peer.name] = self.fresh(peer)
            worker = self._workers[peer.name]
            loaded = worker.load(self.job(work, folder, setting, max_tokens))
        except WorkerError as error:
            self.failed(peer, setting, error)
            return None
        sizes = peer.sizes(work)
        return Entry(peer, setting, worker, loaded["handle"], loaded["versions"], loaded["seconds"], sizes, sizes[0])

    def _calibration(self) -> Path:
        folder = self.home / "calibration"
        path = folder / "texts.jsonl"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts_of(300, seed=7)))
        return folder
