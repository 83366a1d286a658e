"""Servers of the libraries that have one, each in a process group that is stopped while another is asked."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.arena import Arena
from harness.peers import CENOTE, Peer, interpreter
from harness.process import WorkerError, environment

__all__ = ["NAME", "Server", "body_of", "start_server", "start_servers"]

#: What requests call the model.
NAME = "minilm"
_DEADLINE = 150.0
#: Of vLLM: the model is not compiled.
_EAGER = "--enforce-eager"
_CENOTE = ("-P", "-c", "from cenote.cli import main; main()", "serve")


@dataclass
class Server:
    """A running server.

    Attributes:
        peer: name of the library.
        title: for tables.
        setting: as in `Job`.
        address: where texts are posted.
        first_answer: seconds from the start of its process to the first answer.
    """

    peer: str
    title: str
    setting: str
    address: str
    first_answer: float
    process: subprocess.Popen[bytes]

    def ask(self, texts: Sequence[str]) -> list[list[float]]:
        """Post texts, and return their vectors.

        Raises:
            OSError: no answer, or an error.
        """
        answer = json.loads(self.post({"model": NAME, "input": list(texts)}))
        return [item["embedding"] for item in answer["data"]]

    def post(self, body: Mapping[str, Any]) -> bytes:
        """Post a body, and return the answer as it is.

        Raises:
            OSError: no answer, or an error.
        """
        given = json.dumps(body).encode()
        request = urllib.request.Request(self.address, given, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return bytes(reply.read())

    def awake(self, running: bool) -> None:
        """Let its processes run, or stop them."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGCONT if running else signal.SIGSTOP)

    def close(self) -> None:
        """End its processes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def body_of(text: str) -> str:
    """Return the JSON of a request of one text."""
    return json.dumps({"model": NAME, "input": text})


def start_servers(arena: Arena, folder: Path, settings: Sequence[str]) -> list[Server]:
    """Start the servers that are installed, one after the other; each is stopped once it has answered.

    Before the first of a library one is started off the clock, which brings its files into the system's cache.
    """
    servers = []
    installed = {peer.name: peer for peer in (CENOTE, *arena.peers)}
    for name, (_, _, own_settings) in _COMMANDS.items():
        peer = installed.get(name)
        if peer is None or interpreter(peer, arena.home / "peers") is None:
            continue
        for place, setting in enumerate(setting for setting in settings if setting in own_settings):
            try:
                if not place:
                    start_server(arena, peer, folder, setting).close()
                servers.append(start_server(arena, peer, folder, setting))
            except WorkerError as error:
                arena.failed(peer, f"server, {setting}", error)
    return servers


def start_server(arena: Arena, peer: Peer, folder: Path, setting: str) -> Server:
    """Start one server, and stop it once it has answered.

    Raises:
        WorkerError: it did not answer.
    """
    command_of, path, _ = _COMMANDS[peer.name]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python = interpreter(peer, arena.home / "peers")
    assert python is not None
    command = command_of(python, folder, setting, port)
    server = _started(command, peer.variables, arena.threads, f"http://127.0.0.1:{port}{path}")
    title = f"{peer.title}, eager" if _EAGER in command else peer.title
    server.peer, server.title, server.setting = peer.name, title, setting
    return server


def _started(command: Sequence[str], variables: Mapping[str, str], threads: int, address: str) -> Server:
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**environment(threads), **variables},
            process_group=0,
        )
        server = Server("", "", "", address, 0.0, process)
        while process.poll() is None and time.perf_counter() - begin < _DEADLINE:
            try:
                server.ask(["a text"])
            except OSError:
                time.sleep(0.05)
                continue
            server.first_answer = time.perf_counter() - begin
            server.awake(False)
            return server
        server.close()
        log.seek(0)
        words = log.read().decode(errors="replace").strip().splitlines()[-3:]
    raise WorkerError(f"the server did not answer: {' / '.join(words)[-400:]}")


def _cenote(python: str, folder: Path, setting: str, port: int) -> list[str]:
    kind = ["--dtype", "bfloat16", "--quantization", "int8"] if setting == "int8" else ["--dtype", setting]
    address = ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", NAME]
    return [python, *_CENOTE, str(folder), *address, *kind]


def _infinity(python: str, folder: Path, setting: str, port: int) -> list[str]:
    kind = ["--dtype", setting, "--engine", "torch", "--device", "cpu", "--no-bettertransformer", "--no-model-warmup"]
    name = ["--model-id", str(folder), "--served-model-name", NAME]
    return [str(Path(python).with_name("infinity_emb")), "v2", *name, *kind, "--port", str(port)]


def _vllm(python: str, folder: Path, setting: str, port: int) -> list[str]:
    kind = ["--runner", "pooling", "--dtype", setting, "--max-model-len", "256", _EAGER]
    kind += ["--gpu-memory-utilization", "0.2"]
    name = ["--served-model-name", NAME, "--host", "127.0.0.1", "--port", str(port)]
    # The program `vllm` looks for a distribution of that name, which the CPU build is not.
    return [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), *name, *kind]


_Command = Callable[[str, Path, str, int], list[str]]
#: How each is started, where it takes texts, and its settings.
_COMMANDS: Mapping[str, tuple[_Command, str, tuple[str, ...]]] = {
    "cenote": (_cenote, "/v1/embeddings", ("float32", "bfloat16", "int8")),
    "infinity": (_infinity, "/embeddings", ("float32",)),
    "vllm": (_vllm, "/v1/embeddings", ("float32", "bfloat16")),
}
