"""The h11 protocol of uvicorn, with bounds in time and errors in the envelope where no request could be parsed."""

from __future__ import annotations

import asyncio
import sys

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from cenote.config.server import ServerConfig
from cenote.server.errors import ApiError, error_response

__all__ = ["make_protocol"]


def make_protocol(config: ServerConfig) -> type[asyncio.Protocol]:
    """Return a protocol class for `uvicorn.Config(http=...)`, bound to these options."""
    return type("CenoteH11Protocol", (_BoundedProtocol,), {"server_config": config})


class _BoundedProtocol(H11Protocol):
    """Close connections whose request line and headers do not arrive in time; answer garbage in the envelope."""

    server_config: ServerConfig
    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def _watch_headers(self) -> None:
        # IDLE: h11 waits for a request. The timer of idle kept-alive connections is uvicorn's own, and the first
        # byte of the next request stops it; from there on this one counts.
        if self.conn.their_state is not h11.IDLE:
            self._stop_watching()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(self.server_config.header_timeout, self._give_up)

    def _stop_watching(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _give_up(self) -> None:
        self._header_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not a request. Called by uvicorn while it handles h11's error."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == 431:
            limit = self.server_config.h11_max_incomplete_event_size
            api_error = ApiError(431, "Request Header Fields Too Large", f"Headers may have at most {limit} bytes.")
        else:
            api_error = ApiError(400, "Bad Request", msg)
        response = error_response(api_error, self.server_config)
        headers = [*response.raw_headers, (b"connection", b"close")]
        events = (
            h11.Response(status_code=response.status_code, headers=headers),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        )
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
