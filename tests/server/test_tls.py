"""TLS with real certificates: encrypted answers, clients' certificates, files that change, and start errors."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from cenote.config.server import ServerConfig
from cenote.errors import InvalidRequest
from cenote.server.banner import server_url
from cenote.server.sockets import bind_sockets
from cenote.server.tls import tls_of

URL = "/v1/embeddings"
PASSWORD = "hunter2"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def write_pair(authority: trustme.CA, folder: Path, name: str = "127.0.0.1") -> dict[str, str]:
    """Write a new certificate and its key, and return the options that name them."""
    issued = authority.issue_cert(name)
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    return {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}


def trusting(authority: trustme.CA, own: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """Return a client's context that trusts an authority and shows a certificate of its own, if any."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if own is not None:
        own.configure_cert(context)
    return context


def serial_of(url: str) -> int:
    """Return the serial number of the certificate that a new connection is shown."""
    host, _, port = url.removeprefix("https://").partition(":")
    shown = ssl.get_server_certificate((host, int(port)))
    from cryptography.x509 import load_pem_x509_certificate

    return load_pem_x509_certificate(shown.encode()).serial_number


def test_answers_are_encrypted_and_plain_http_is_not_answered(
    start_server: Any, authority: trustme.CA, tmp_path: Path
) -> None:
    with start_server(**write_pair(authority, tmp_path), api_keys="k") as running:
        assert running.url.startswith("https://127.0.0.1:")
        headers = {"Authorization": "Bearer k"}
        with httpx.Client(base_url=running.url, verify=trusting(authority), headers=headers) as own:
            assert own.get("/health").status_code == 200
            assert own.post(URL, json={"input": "x"}).status_code == 200
            assert own.post(URL, json={"input": "x"}, headers={"Authorization": ""}).status_code == 401
        with pytest.raises(httpx.ConnectError, match=r"self-signed|unable to get local issuer"):
            httpx.get(running.url + "/health")
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(running.url.replace("https", "http") + "/health")


def test_old_versions_of_tls_are_refused(start_server: Any, authority: trustme.CA, tmp_path: Path) -> None:
    old = trusting(authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with start_server(**write_pair(authority, tmp_path)) as running, pytest.raises(httpx.ConnectError):
        httpx.get(running.url + "/health", verify=old)


def test_certificates_of_clients_are_required_where_asked_for(
    start_server: Any, authority: trustme.CA, tmp_path: Path
) -> None:
    clients, strangers = trustme.CA(), trustme.CA()
    clients.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    options = {**write_pair(authority, tmp_path), "ssl_ca_certs": str(tmp_path / "clients.pem"), "ssl_cert_reqs": 2}
    with start_server(**options) as running:
        known = trusting(authority, clients.issue_cert("somebody@example.org"))
        assert httpx.get(running.url + "/health", verify=known).status_code == 200
        for own in (None, strangers.issue_cert("stranger@example.org")):
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
                httpx.get(running.url + "/health", verify=trusting(authority, own))


def test_certificates_of_clients_are_checked_if_they_are_sent(
    start_server: Any, authority: trustme.CA, tmp_path: Path
) -> None:
    clients = trustme.CA()
    clients.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    options = {**write_pair(authority, tmp_path), "ssl_ca_certs": str(tmp_path / "clients.pem"), "ssl_cert_reqs": 1}
    with start_server(**options) as running:
        for own in (None, clients.issue_cert("somebody@example.org")):
            assert httpx.get(running.url + "/health", verify=trusting(authority, own)).status_code == 200
        stranger = trusting(authority, trustme.CA().issue_cert("stranger@example.org"))
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
            httpx.get(running.url + "/health", verify=stranger)


def test_new_files_are_taken_by_new_connections_and_open_ones_go_on(
    start_server: Any, authority: trustme.CA, tmp_path: Path, until: Any
) -> None:
    options = write_pair(authority, tmp_path)
    with (
        start_server(**options, enable_ssl_refresh=True) as running,
        httpx.Client(base_url=running.url, verify=trusting(authority)) as open_one,
    ):
        assert open_one.get("/health").status_code == 200
        first = serial_of(running.url)
        write_pair(authority, tmp_path)
        until(lambda: serial_of(running.url) != first)
        assert open_one.get("/health").status_code == 200


def test_an_authority_that_is_taken_away_is_no_longer_trusted(
    start_server: Any, authority: trustme.CA, tmp_path: Path, until: Any
) -> None:
    before, after, file = trustme.CA(), trustme.CA(), tmp_path / "clients.pem"
    before.cert_pem.write_to_path(str(file))
    options = {**write_pair(authority, tmp_path), "ssl_ca_certs": str(file), "ssl_cert_reqs": 2}
    with start_server(**options, enable_ssl_refresh=True) as running:
        old = trusting(authority, before.issue_cert("old@example.org"))
        new = trusting(authority, after.issue_cert("new@example.org"))
        assert httpx.get(running.url + "/health", verify=old).status_code == 200
        after.cert_pem.write_to_path(str(file))

        def is_let_in(own: ssl.SSLContext) -> bool:
            try:
                return httpx.get(running.url + "/health", verify=own).status_code == 200
            except httpx.TransportError:
                return False

        until(lambda: is_let_in(new))
        assert not is_let_in(old)


def test_files_that_do_not_fit_leave_the_old_ones_in_use_until_they_do(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = tls_of(ServerConfig(**write_pair(authority, tmp_path), enable_ssl_refresh=True))
    assert tls is not None
    first = tls._current
    key = tmp_path / "key.pem"
    key.write_text("half a ke")
    caplog.set_level("INFO", "cenote.server.tls")
    tls.refresh()
    tls.refresh()
    assert tls._current is first
    key.unlink()
    tls.refresh()
    assert tls._current is first
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    write_pair(authority, tmp_path)
    tls.refresh()
    assert tls._current is not first


def test_without_refresh_files_may_change_unseen(start_server: Any, authority: trustme.CA, tmp_path: Path) -> None:
    with start_server(**write_pair(authority, tmp_path)) as running:
        first = serial_of(running.url)
        write_pair(authority, tmp_path)
        assert running.server._tls is not None
        assert serial_of(running.url) == first


def encrypted(key: Path) -> None:
    """Encrypt a key file in its place."""
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    scheme = serialization.BestAvailableEncryption(PASSWORD.encode())
    form = serialization.PrivateFormat.PKCS8
    key.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, form, scheme))


def test_the_password_of_a_key_comes_from_the_environment(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = write_pair(authority, tmp_path)
    encrypted(tmp_path / "key.pem")
    with pytest.raises(InvalidRequest, match="needs a password from CENOTE_SSL_KEYFILE_PASSWORD, and it is not set"):
        tls_of(ServerConfig(**options))
    monkeypatch.setenv("CENOTE_SSL_KEYFILE_PASSWORD", "wrong")
    with pytest.raises(InvalidRequest, match="and the one in it is wrong") as caught:
        tls_of(ServerConfig(**options))
    assert "'wrong'" not in str(caught.value)
    monkeypatch.setenv("CENOTE_SSL_KEYFILE_PASSWORD", PASSWORD)
    assert tls_of(ServerConfig(**options)) is not None
    assert PASSWORD not in repr(ServerConfig(**options))


def test_one_file_may_hold_certificate_and_key(authority: trustme.CA, tmp_path: Path) -> None:
    write_pair(authority, tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "key.pem").read_bytes() + (tmp_path / "cert.pem").read_bytes())
    assert tls_of(ServerConfig(ssl_certfile=str(both))) is not None


def test_options_that_do_not_fit_are_refused_at_the_start(authority: trustme.CA, tmp_path: Path) -> None:
    pair = write_pair(authority, tmp_path)
    (tmp_path / "other").mkdir()
    other = write_pair(authority, tmp_path / "other")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    missing = str(tmp_path / "missing.pem")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({**pair, "ssl_keyfile": missing}, "--ssl-keyfile .*missing.pem: no such file"),
        ({**pair, "ssl_certfile": missing}, "--ssl-certfile .*missing.pem: no such file"),
        ({**pair, "ssl_certfile": str(tmp_path)}, "is a directory"),
        ({**pair, "ssl_keyfile": other["ssl_keyfile"]}, "does not belong to the certificate"),
        ({**pair, "ssl_keyfile": str(nonsense)}, "both in PEM format"),
        ({"ssl_certfile": pair["ssl_certfile"]}, "or name the key with --ssl-keyfile"),
        ({"ssl_keyfile": pair["ssl_keyfile"]}, "add --ssl-certfile"),
        ({"enable_ssl_refresh": True}, "--enable-ssl-refresh is given without a certificate"),
        ({**pair, "ssl_cert_reqs": 2}, "--ssl-ca-certs"),
        ({**pair, "ssl_ca_certs": str(nonsense)}, "certificates in PEM format"),
        ({**pair, "ssl_ca_certs": missing}, "--ssl-ca-certs .*missing.pem: no such file"),
        ({**pair, "ssl_ciphers": "NO-SUCH-CIPHER"}, "names no cipher"),
    ]
    for options, text in wrong:
        with pytest.raises(InvalidRequest, match=text):
            tls_of(ServerConfig(**options))
    for reqs in (-1, 3):
        with pytest.raises(InvalidRequest, match="ssl_cert_reqs"):
            ServerConfig.from_options(**pair, ssl_cert_reqs=reqs)


def test_a_key_that_may_not_be_read_is_refused_with_its_name(tmp_path: Path, authority: trustme.CA) -> None:
    pair = write_pair(authority, tmp_path)
    (tmp_path / "key.pem").unlink()
    os.symlink(tmp_path / "nowhere", tmp_path / "key.pem")
    with pytest.raises(InvalidRequest, match=r"--ssl-keyfile .*key\.pem"):
        tls_of(ServerConfig(**pair))


def test_the_url_says_https(authority: trustme.CA, tmp_path: Path) -> None:
    config = ServerConfig(host="127.0.0.1", port=0, **write_pair(authority, tmp_path))
    [sock] = bind_sockets(config)
    with sock:
        assert server_url(config, [sock]) == f"https://127.0.0.1:{sock.getsockname()[1]}"
    assert server_url(ServerConfig(uds="/tmp/s", **write_pair(authority, tmp_path)), []) == "https://localhost"


def test_bytes_that_are_no_request_are_answered_and_leave_no_stack_in_the_log(
    start_server: Any, authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with start_server(**write_pair(authority, tmp_path)) as running:
        with (
            socket.create_connection(("127.0.0.1", running.port), timeout=30) as bare,
            trusting(authority).wrap_socket(bare, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(b"\x16\x03\x01\r\n\r\n")
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        assert received.startswith(b"HTTP/1.1 400 ")
    assert not [record for record in caplog.records if record.name == "asyncio"]
