"""Options of the server: defaults, environment, lists, errors."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from cenote.config.server import ServerConfig
from cenote.errors import InvalidRequest
from cenote.server.banner import address_warning, routes_warning, server_url
from cenote.server.log import AccessLines
from cenote.server.sockets import AddressInUse, bind_sockets


def test_an_argument_wins_over_the_environment_and_that_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ServerConfig().port == 8000
    monkeypatch.setenv("CENOTE_PORT", "9000")
    assert ServerConfig().port == 9000
    assert ServerConfig(port=9001).port == 9001


@pytest.mark.parametrize(
    ("name", "value"),
    [("CENOTE_API_KEY", "a"), ("CENOTE_API_KEYS", "a"), ("CENOTE_API_KEYS", '["a"]'), ("VLLM_API_KEY", "a")],
)
def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert ServerConfig().api_keys == ("a",)
    assert ServerConfig(api_keys=["b"]).api_keys == ("b",)


def test_empty_keys_are_no_keys() -> None:
    assert ServerConfig(api_keys=["", " "]).api_keys == ()
    assert ServerConfig(api_keys=["a,b", ""]).api_keys == ("a,b",)


@pytest.mark.parametrize("given", ["a, b", '["a", "b"]', ["a", "b"], ['["a"]', "b"]])
def test_lists_are_read_as_json_or_with_commas(given: object) -> None:
    assert ServerConfig(allowed_origins=given).allowed_origins == ("a", "b")


def test_keys_are_never_shown() -> None:
    config = ServerConfig(api_keys=["hunter2"])
    assert "hunter2" not in repr(config)
    with pytest.raises(InvalidRequest) as caught:
        ServerConfig.from_options(api_keys={"hunter2": 1})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("given", "kept"), [("", ""), ("/", ""), ("a", "/a"), ("/a/b/", "/a/b")])
def test_the_root_path_starts_with_a_slash_and_ends_without(given: str, kept: str) -> None:
    assert ServerConfig(root_path=given).root_path == kept


def test_unknown_options_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="prot"):
        ServerConfig.from_options(prot=1)


def test_listening_to_everybody_without_a_key_is_warned_about() -> None:
    assert "every interface" in (address_warning(ServerConfig()) or "")
    assert "10.0.0.1" in (address_warning(ServerConfig(host="10.0.0.1")) or "")
    for quiet in (
        {"host": "127.0.0.1"}, {"host": "localhost"}, {"host": "::1"}, {"api_keys": ["k"]}, {"uds": "/tmp/s"}
    ):  # fmt: skip
        assert address_warning(ServerConfig(**quiet)) is None


def test_routes_of_plugins_that_need_no_key_are_warned_about() -> None:
    config = {"routes": ["acme"], "api_keys": ["k"], "guarded_routes": "vllm"}
    assert "routes of acme" in (routes_warning(ServerConfig(**config)) or "")
    for quiet in ({"routes": []}, {"api_keys": []}, {"guarded_routes": "all"}):
        assert routes_warning(ServerConfig(**{**config, **quiet})) is None


def test_without_a_host_every_interface_shares_one_port() -> None:
    config = ServerConfig(port=0)
    sockets = bind_sockets(config)
    try:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
        assert server_url(config, sockets) == f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        assert {sock.getsockname()[0] for sock in sockets} <= {"0.0.0.0", "::"}
    finally:
        for sock in sockets:
            sock.close()


def test_a_unix_socket_that_somebody_answers_is_kept_and_a_left_over_one_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    [alive] = bind_sockets(ServerConfig(uds=path))
    alive.listen()
    with pytest.raises(AddressInUse, match="address already in use"):
        bind_sockets(ServerConfig(uds=path))
    alive.close()
    [again] = bind_sockets(ServerConfig(uds=path))
    again.close()


def test_a_file_in_the_place_of_a_unix_socket_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("mine")
    with pytest.raises(AddressInUse):
        bind_sockets(ServerConfig(uds=str(path)))
    assert path.read_text() == "mine"


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressInUse, match=r"Cannot listen on 203\.0\.113\.1 port 0"):
        bind_sockets(ServerConfig(host="203.0.113.1", port=0))


def test_a_folder_in_place_of_a_socket_is_refused_with_the_right_option(tmp_path: Path) -> None:
    with pytest.raises(AddressInUse, match=r"no socket\. Choose another --uds\."):
        bind_sockets(ServerConfig(uds=str(tmp_path)))


def test_a_taken_unix_socket_is_refused_with_the_right_option(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(tmp_path / "s"))
        taken.listen()
        with pytest.raises(AddressInUse, match="another --uds"):
            bind_sockets(ServerConfig(uds=str(tmp_path / "s")))


def test_a_taken_ipv6_port_is_refused_as_well() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUse):
            bind_sockets(ServerConfig(port=port))


def test_chosen_paths_leave_no_line_in_the_access_log() -> None:
    def keeps(path: str) -> bool:
        record = logging.LogRecord("uvicorn.access", 20, "", 0, "%s %s %s", ("client", "GET", path), None)
        return AccessLines(("/health",)).filter(record)

    assert not keeps("/health")
    assert not keeps("/health?probe=1")
    assert keeps("/healthy")
    assert keeps("/v1/embeddings")
