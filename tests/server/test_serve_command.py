"""`cenote serve` as a process: what it prints, how it refuses, how it ends."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from cenote.testing.checkpoints import build_checkpoint

COMMAND = [sys.executable, "-c", "from cenote.cli import main; main()", "serve"]
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1"}


def run_to_end(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=120, env={**ENVIRONMENT, **environment}
    )


@contextlib.contextmanager
def served(log: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Start a server on a free port; give the process, its URL and its banner. The error stream goes to `log`."""
    with log.open("w") as errors:
        command = [*COMMAND, "--host", "127.0.0.1", "--port", "0", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=ENVIRONMENT)
    assert process.stdout is not None
    try:
        banner = ""
        while "stop      Ctrl+C" not in banner:
            line = process.stdout.readline()
            assert line, log.read_text()
            banner += line
        found = re.search(r"ready at (https?://\S+)", banner)
        assert found
        yield process, found[1], banner
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_with_status_0_and_without_a_traceback(
    tmp_path: Path, model_folder: Path, number: signal.Signals
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


def test_requests_in_flight_finish_after_sigterm(tmp_path: Path, model_folder: Path) -> None:
    log, texts = tmp_path / "log", ["many words " * 100] * 100
    with (
        served(log, str(model_folder), "--shutdown-grace", "100") as (process, url, _),
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        answer = pool.submit(httpx.post, url + "/v1/embeddings", json={"input": texts}, timeout=100)
        while httpx.get(url + "/load").json()["server_load"] == 0:
            assert not answer.done()
        process.send_signal(signal.SIGTERM)
        assert answer.result().status_code == 200
        assert len(answer.result().json()["data"]) == 100
        assert process.wait(30) == 0
    assert "Traceback" not in log.read_text()


def test_two_signals_end_a_busy_server_at_once_and_without_a_traceback(tmp_path: Path, model_folder: Path) -> None:
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
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert answer.result().status_code == 503
    assert "Traceback" not in log.read_text()


def test_a_folder_is_listed_by_its_name_and_three_examples_work_as_printed(tmp_path: Path, model_folder: Path) -> None:
    arguments = (str(model_folder), "--examples", "--api-key", "first", "--api-key", "secret")
    with served(tmp_path / "log", *arguments, "--disable-access-log-for-endpoints", "/v1/models") as (process, url, _):
        assert process.stdout is not None
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
    tmp_path: Path, model_folder: Path
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


def test_routes_of_plugins_that_need_no_key_are_warned_about_once(tmp_path: Path) -> None:
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


def test_an_occupied_port_is_one_line_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_to_end("--host", "127.0.0.1", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "address already in use" in done.stderr
    assert "--port" in done.stderr


def test_the_banner_of_a_classifier_tells_its_labels_and_an_example_that_works(tmp_path: Path) -> None:
    folder = build_checkpoint("bert_classifier", tmp_path / "model")
    with served(tmp_path / "log", "--model", str(folder), "--examples") as (process, _, banner):
        assert "labels    3: negative, neutral, positive; softmax" in banner
        assert "components" not in banner
        assert process.stdout is not None
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
#: Runs commands in forks of one process, as each would import everything anew.
FORKS = """
import gc, json, os, sys
import cenote.cli.engine_options, cenote.cli.serve
import cenote.server.banner, cenote.server.log, cenote.server.run, cenote.server.sockets
from cenote.cli import main
gc.freeze()
for arguments, log in json.load(sys.stdin):
    if (child := os.fork()) == 0:
        os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY), 2)
        sys.argv = ["cenote", "serve", *arguments]
        try:
            main()
        except SystemExit as end:
            sys.stderr.flush()
            os._exit(end.code)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """The exit status and the error stream of each wrong command."""
    logs = [tmp_path_factory.mktemp("wrong") / "log" for _ in WRONG]
    commands = [(arguments, str(log)) for (arguments, _), log in zip(WRONG, logs, strict=True)]
    done = subprocess.run(
        [sys.executable, "-c", FORKS], input=json.dumps(commands), capture_output=True, text=True, env=ENVIRONMENT
    )
    return list(zip(map(int, done.stdout.split()), [log.read_text() for log in logs], strict=True))


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[text for _, text in WRONG])
def test_wrong_options_are_one_line_and_no_traceback(refusals: list[tuple[int, str]], number: int) -> None:
    status, errors = refusals[number]
    assert status in (1, 2)
    assert WRONG[number][1] in errors
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1].startswith("Error: ")


def test_options_come_from_the_environment_unless_a_flag_is_given() -> None:
    assert "port" in run_to_end(CENOTE_PORT="99999").stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in run_to_end("--port", port, CENOTE_PORT="1", CENOTE_HOST="127.0.0.1").stderr


def test_every_option_is_a_flag() -> None:
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
