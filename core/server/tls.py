"""TLS: certificates checked before anything slow is done, and read again when they change."""

from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path
from typing import Any

from cenote.config.server import ServerConfig
from cenote.errors import InvalidRequest

__all__ = ["ServerTls", "tls_of"]

_log = logging.getLogger(__name__)
_FILES = ("ssl_keyfile", "ssl_certfile", "ssl_ca_certs")


def tls_of(config: ServerConfig) -> ServerTls | None:
    """Return the TLS context that the options ask for; None is plain HTTP.

    Raises:
        InvalidRequest: the options do not go together, a file is missing or unreadable, or they do not fit each other.
    """
    if config.ssl_certfile is None:
        for name in ("ssl_keyfile", "ssl_ca_certs", "ssl_ciphers", "ssl_cert_reqs", "enable_ssl_refresh"):
            if getattr(config, name):
                flag = "--" + name.replace("_", "-")
                raise InvalidRequest(f"{flag} is given without a certificate; add --ssl-certfile.", param=name)
        return None
    return ServerTls(config)


class ServerTls(ssl.SSLContext):
    """A server's TLS context that can take new files while it serves; open connections keep what they began with.

    Every connection is wrapped by a complete context that was made from the files as they are now. Changing one
    context in place would not do: certificates of clients' authorities can be added to it, never removed.
    """

    def __new__(cls, config: ServerConfig) -> ServerTls:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._seen = self._states()
        self._current = _load(config)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Wrap a new connection; asyncio calls this for each one."""
        return self._current.wrap_bio(*args, **kwargs)

    def refresh(self) -> None:
        """Read the files again where one of them has changed. What does not fit is logged, and the old ones stay."""
        states = self._states()
        if states == self._seen:
            return
        self._seen = states
        try:
            self._current = _load(self._config)
        except InvalidRequest as exc:
            _log.error("TLS files have changed and cannot be used, the old ones stay: %s", exc)
        else:
            _log.info("TLS files have changed and were read again")

    def _states(self) -> list[tuple[int, int, int] | None]:
        return [_state(path) for name in _FILES if (path := getattr(self._config, name)) is not None]


def _state(path: str) -> tuple[int, int, int] | None:
    """Return what differs once a file or what its links lead to is replaced; None where it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _load(config: ServerConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_certificate(context, config)
    if config.ssl_ca_certs is not None:
        _load_authorities(context, config.ssl_ca_certs)
    elif config.ssl_cert_reqs:
        text = "--ssl-cert-reqs asks for certificates of clients; name who may sign them with --ssl-ca-certs."
        raise InvalidRequest(text, param="ssl_ca_certs")
    context.verify_mode = ssl.VerifyMode(config.ssl_cert_reqs)
    if config.ssl_ciphers is not None:
        try:
            context.set_ciphers(config.ssl_ciphers)
        except ssl.SSLError as exc:
            text = f"--ssl-ciphers {config.ssl_ciphers!r} names no cipher that OpenSSL has; see 'openssl ciphers'."
            raise InvalidRequest(text, param="ssl_ciphers") from exc
    return context


def _load_certificate(context: ssl.SSLContext, config: ServerConfig) -> None:
    certificate, key = config.ssl_certfile, config.ssl_keyfile or config.ssl_certfile
    assert certificate is not None
    assert key is not None
    _read("ssl_certfile", certificate)
    _read("ssl_keyfile", key)
    asked = False

    def password() -> str:
        # Without this, OpenSSL would ask on the terminal.
        nonlocal asked
        asked = True
        return config.ssl_keyfile_password or ""

    try:
        context.load_cert_chain(certificate, key, password=password)
    except ssl.SSLError as exc:
        raise InvalidRequest(_reason(exc, certificate, key, asked, config), param="ssl_keyfile") from exc


def _reason(exc: ssl.SSLError, certificate: str, key: str, asked: bool, config: ServerConfig) -> str:
    if exc.reason == "KEY_VALUES_MISMATCH":
        return f"The key in {key} does not belong to the certificate in {certificate}."
    if asked:
        given = "the one in it is wrong" if config.ssl_keyfile_password else "it is not set"
        return f"The key in {key} needs a password from CENOTE_SSL_KEYFILE_PASSWORD, and {given}."
    if key == certificate:
        return f"{certificate} must hold a certificate and its key in PEM format; or name the key with --ssl-keyfile."
    return f"{certificate} must hold a certificate, and {key} its key, both in PEM format."


def _load_authorities(context: ssl.SSLContext, path: str) -> None:
    _read("ssl_ca_certs", path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as exc:
        raise InvalidRequest(f"{path} must hold certificates in PEM format.", param="ssl_ca_certs") from exc


def _read(name: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as exc:
        flag = "--" + name.replace("_", "-")
        raise InvalidRequest(f"{flag} {path}: {(exc.strerror or str(exc)).lower()}.", param=name) from exc
