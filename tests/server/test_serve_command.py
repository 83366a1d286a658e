"""`cenote serve` as a process: what it prints, how it refuses, how it ends."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import runpy
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
import trustme

from cenote.testing.checkpoints import build_checkpoint

COMMAND = [sys.executable, "-c", "from cenote.cli import main; main()", "serve"]
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1"}
FORKS = runpy.run_path(str(Path(__file__).parents[1] / "forks.py"))

RunToEnd = Callable[..., subprocess.CompletedProcess[str]]
Served = Callable[..., contextlib.AbstractContextManager[tuple[Any, str, str]]]


@pytest.fixture(scope="module")
def forks() -> Iterator[Any]:
    """Starts command lines in forks of a process that has imported what a server needs."""
    with FORKS["forking"]() as found:
        yield found


@pytest.fixture(scope="module")
def run_to_end(forks: Any) -> RunToEnd:
    def run(*arguments: str, **environment: str) -> Any:
        return forks.run(("serve", *arguments), timeout=120, environment={**ENVIRONMENT, **environment})

    return run


@pytest.fixture(scope="module")
def served(forks: Any) -> Served:
    @contextlib.contextmanager
    def serve(log: Path, *arguments: str) -> Iterator[tuple[Any, str, str]]:
        """Start a server on a free port; give the process, its URL and its banner. The error stream goes to `log`."""
        ours, theirs = os.pipe()
        with log.open("w") as errors, open(os.devnull) as nothing, open(theirs, "w") as out:
            streams = [nothing.fileno(), out.fileno(), errors.fileno()]
            words = ("serve", "--host", "127.0.0.1", "--port", "0", *arguments)
            process = forks.start(words, streams, environment=ENVIRONMENT)
        with open(ours) as printed:
            try:
                url, banner = read_banner(printed, log)
                process.stdout = printed
                yield process, url, banner
            finally:
                process.end()

    return serve


def read_banner(printed: IO[str], log: Path) -> tuple[str, str]:
    """Return the URL of a server and its banner, once it is ready."""
    banner = ""
    while "stop      Ctrl+C" not in banner:
        line = printed.readline()
        assert line, log.read_text()
        banner += line
    found = re.search(r"ready at (https?://\S+)", banner)
    assert found
    return found[1], banner


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_with_status_0_and_without_a_traceback(
    tmp_path: Path, model_folder: Path, served: Served, number: signal.Signals
) -> None:
    log = tmp_path / "log"
    with served(log, str(model_folder), "--served-model-name", "one", "--served-model-name", "two") as (
        process, url, banner
    ):  # fmt: skip
        assert "one, two" in banner
        assert "embed" in banner
        assert "MEAN" in banner
        assert "256 tokens" in banner
        assert [card["id"] for card in httpx.get(url + "/v1/models").json()["data"]] == ["one", "two"]
        assert httpx.post(url + "/v1/embeddings", json={"input": "x"}).status_code == 200
        process.send_signal(number)
        assert process.wait(30) == 0
    assert "Traceback" not in log.read_text()
    assert "Error" not in log.read_text()


def test_requests_in_flight_finish_after_sigterm(tmp_path: Path, model_folder: Path, served: Served) -> None:
    log, texts = tmp_path / "log", ["many words " * 100] * 20
    with (
        served(log, str(model_folder), "--shutdown-grace", "100") as (process, url, _),
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        answer = pool.submit(httpx.post, url + "/v1/embeddings", json={"input": texts}, timeout=100)
        while httpx.get(url + "/load").json()["server_load"] == 0:
            assert not answer.done()
        process.send_signal(signal.SIGTERM)
        assert answer.result().status_code == 200
        assert len(answer.result().json()["data"]) == 20
        assert process.wait(30) == 0
    assert "Traceback" not in log.read_text()


def test_two_signals_end_a_busy_server_at_once_and_without_a_traceback(
    tmp_path: Path, model_folder: Path, served: Served
) -> None:
    log, texts = tmp_path / "log", ["many words " * 100] * 1000
    with (
        served(log, str(model_folder), "--shutdown-grace", "600") as (process, url, _),
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        answer = pool.submit(httpx.post, url + "/v1/embeddings", json={"input": texts}, timeout=100)
        while httpx.get(url + "/load").json()["server_load"] == 0:
            assert not answer.done()
        process.send_signal(signal.SIGINT)
        while httpx.get(url + "/ready").status_code != 503:
            assert process.is_running()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert answer.result().status_code == 503
    assert "Traceback" not in log.read_text()


def test_a_folder_is_listed_by_its_name_and_three_examples_work_as_printed(
    tmp_path: Path, model_folder: Path, served: Served
) -> None:
    arguments = (str(model_folder), "--examples", "--api-key", "first", "--api-key", "secret")
    with served(tmp_path / "log", *arguments, "--disable-access-log-for-endpoints", "/v1/models") as (process, url, _):
        printed = [line for line in (process.stdout.readline() for _ in range(5)) if "curl" in line]
        assert len(printed) == 3
        for line in printed:
            done = subprocess.run(
                line, shell=True, capture_output=True, text=True, env={**os.environ, "CENOTE_API_KEY": "secret"}
            )
            assert '"object":"list"' in done.stdout, (line, done)
        headers = {"Authorization": "Bearer first"}
        listed = httpx.get(url + "/v1/models", headers=headers).json()
        assert [card["id"] for card in listed["data"]] == [model_folder.name]
        by_path = {"input": "x", "model": str(model_folder)}
        assert httpx.post(url + "/v1/embeddings", json=by_path, headers=headers).json()["model"] == model_folder.name
    assert "POST /v1/embeddings" in (tmp_path / "log").read_text()
    assert "GET /v1/models" not in (tmp_path / "log").read_text()


def test_a_server_with_tls_on_a_unix_socket_takes_several_keys_and_keeps_strangers_out(
    tmp_path: Path, model_folder: Path, served: Served
) -> None:
    authority, socket_path = trustme.CA(), tmp_path / "socket"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    tls = ("--ssl-certfile", str(tmp_path / "both.pem"), "--root-path", "/api")
    unix = ("--uds", str(socket_path), "--uds-mode", "600", "--max-body-bytes", "1k")
    with served(tmp_path / "log", str(model_folder), "--api-key", "one", "two", *tls, *unix) as (process, url, banner):
        assert url == "https://localhost"
        assert str(socket_path) in banner
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket_path), verify=trust), base_url=url) as own:
            for key, status in (("one", 200), ("two", 200), (model_folder.name, 401)):
                headers = {"Authorization": f"Bearer {key}"}
                for path in ("/v1/models", "/api/v1/models"):
                    assert own.get(path, headers=headers).status_code == status
            assert (
                own.post("/pooling", json={"input": "x" * 2000}, headers={"Authorization": "Bearer one"}).status_code
                == 413
            )
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not socket_path.exists()


def test_routes_of_plugins_that_need_no_key_are_warned_about_once(tmp_path: Path, run_to_end: RunToEnd) -> None:
    options = ("--api-key", "k", "--routes", "tokenizer-info", "--guarded-routes", "vllm", "--port", "0")
    done = run_to_end(str(tmp_path / "no-model"), *options)
    assert done.returncode != 0
    assert done.stderr.count("routes of tokenizer-info") == 1


def test_a_signal_while_loading_ends_the_process_quietly(model_folder: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, str(model_folder), "--host", "0.0.0.0", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert process.stderr is not None
    first = process.stderr.readline()  # printed before the model is loaded
    assert "without an API key" in first
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "ready" not in out


def test_an_occupied_port_is_one_line_before_anything_is_loaded(run_to_end: RunToEnd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_to_end("--host", "127.0.0.1", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "address already in use" in done.stderr
    assert "--port" in done.stderr


def test_the_banner_of_a_classifier_tells_its_labels_and_an_example_that_works(tmp_path: Path, served: Served) -> None:
    folder = build_checkpoint("bert_classifier", tmp_path / "model")
    with served(tmp_path / "log", "--model", str(folder), "--examples") as (process, _, banner):
        assert "labels    3: negative, neutral, positive; softmax" in banner
        assert "components" not in banner
        example = [line for line in (process.stdout.readline() for _ in range(4)) if "curl" in line][-1]
        done = subprocess.run(example, shell=True, capture_output=True, text=True)
        assert '"object":"list"' in done.stdout, (example, done)


WRONG = (
    (("--pooler-config", "{bad"), "--pooler-config is not valid JSON"),
    (("--pooler-config", "[1]"), "--pooler-config must be a JSON object"),
    (("--pooler-config", '{"pooling_type": "mean"}'), "names are written in upper case: 'MEAN'"),
    (("--hf-overrides", "nope"), "--hf-overrides is not valid JSON"),
    (("--port", "99999"), "port"),
    (("--runner", "generate"), "runner"),
    (("--error-format", "xml"), "error_format"),
    (("--max-model-len", "8kb"), "max_model_len"),
    (("--ssl-certfile", "/no/such/cert.pem"), "--ssl-certfile /no/such/cert.pem: no such file or directory."),
    (("--ssl-keyfile", "/no/such/key.pem"), "add --ssl-certfile"),
    (("--uds-mode", "999"), "uds_mode"),
    (("--middleware", "no_such_package.Thing"), "No module named 'no_such_package'"),
    (("--served-model-name", ""), "--served-model-name is empty"),
    (("--served-model-name", "one", "folder"), "Several served names and no model: put it first"),
    (("--host", "no-such-host.invalid"), "Cannot listen on no-such-host.invalid"),
    (("/no/such/model", "--host", "127.0.0.1", "--port", "0"), "/no/such/model"),
)


@pytest.mark.parametrize(("arguments", "text"), WRONG, ids=[text for _, text in WRONG])
def test_wrong_options_are_one_line_and_no_traceback(
    run_to_end: RunToEnd, arguments: tuple[str, ...], text: str
) -> None:
    done = run_to_end(*arguments)
    assert done.returncode in (1, 2)
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("Error: ")


def test_options_come_from_the_environment_unless_a_flag_is_given(run_to_end: RunToEnd) -> None:
    assert "port" in run_to_end(CENOTE_PORT="99999").stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in run_to_end("--port", port, CENOTE_PORT="1", CENOTE_HOST="127.0.0.1").stderr


def test_every_option_is_a_flag(run_to_end: RunToEnd) -> None:
    done = run_to_end("--help", COLUMNS="300")
    for flag in (
        "--max-model-len",
        "--served-model-name",
        "--api-key",
        "--max-body-bytes",
        "--ssl-keyfile",
        "--middleware",
    ):
        assert flag in done.stdout
    assert done.returncode == 0
