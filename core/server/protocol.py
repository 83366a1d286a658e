"""The h11 protocol of uvicorn, with bounds in time and errors in the envelope where no request could be parsed."""

from __future__ import annotations

import asyncio
import http
import logging
import sys
import uuid
from functools import partial
from urllib.parse import unquote

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from cenote.config.server import ServerConfig
from cenote.server.api_error import ApiError
from cenote.server.corked import Corked
from cenote.server.envelopes import ErrorWriter
from cenote.server.plain import PlainCycle, PlainRequest, read_plain

__all__ = ["make_protocol"]

_log = logging.getLogger(__name__)
#: Seconds for which a client that was refused may go on sending.
_LINGER_SECONDS = 2.0


def make_protocol(config: ServerConfig) -> type[asyncio.Protocol]:
    """Return a protocol class for `uvicorn.Config(http=...)`, bound to these options."""
    return type("CenoteH11Protocol", (_BoundedProtocol,), {"server_config": config})


class _BoundedProtocol(H11Protocol):
    """Bound the time in which a client must finish what it sends while no answer is being made.

    That is the request line with its headers, and what is left of a body after the answer (413, say) has gone out.
    """

    server_config: ServerConfig
    _patience: asyncio.TimerHandle | None = None
    _refused = False
    #: What came behind a plain request that is being answered.
    _later = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = Corked(transport, self.loop)  # type: ignore[assignment]
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if isinstance(self.cycle, PlainCycle) and self.cycle.is_plain and not self.cycle.response_complete:
            self._later += data
            self.flow.pause_reading()
            return
        request = read_plain(data, self.server_config.h11_max_incomplete_event_size) if self._is_idle() else None
        if request is None:
            super().data_received(data)
            self._watch()
            return
        self._unset_keepalive_if_required()
        self._stop_watching()
        self._answer(request, data)

    def _is_idle(self) -> bool:
        """Tell whether h11 waits for a request of which it has seen nothing yet."""
        conn = self.conn
        return conn.their_state is h11.IDLE and conn.our_state is h11.IDLE and conn.trailing_data == (b"", False)

    def _answer(self, request: PlainRequest, data: bytes) -> None:
        """Have the app answer a request that h11 has not read."""
        raw_path, _, query_string = request.target.partition(b"?")
        self.headers = request.headers
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,  # type: ignore[typeddict-item]
            "method": request.method,
            "root_path": self.root_path,
            "path": self.root_path + unquote(raw_path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + raw_path,
            "query_string": query_string,
            "headers": request.headers,
            "state": self.app_state.copy(),
        }
        self.cycle = cycle = PlainCycle(
            scope=self.scope,
            conn=self.conn,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            on_response=self.on_response_complete,
        )
        cycle.to_h11 = partial(self._read_again, data)
        cycle.body, cycle.more_body = bytearray(request.body), False
        cycle.message_event.set()
        task = self.loop.create_task(cycle.run_asgi(self.app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _read_again(self, data: bytes) -> None:
        """Let h11 read a request that is being answered, and whatever came behind it."""
        self.conn.receive_data(data + self._later)
        self._later = b""
        while type(self.conn.next_event()) is not h11.EndOfMessage:
            pass

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._later and not self.transport.is_closing():
            data, self._later = self._later, b""
            self.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def _watch(self) -> None:
        # The timer of idle kept-alive connections is uvicorn's own; the next byte stops it, and starts this one.
        answered = self.cycle is not None and self.cycle.response_complete
        if self.conn.their_state is h11.IDLE or (answered and self.conn.their_state is h11.SEND_BODY):
            if self._patience is None:
                self._patience = self.loop.call_later(self.server_config.header_timeout, self._give_up)
        else:
            self._stop_watching()

    def _stop_watching(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: an upgrade is an offer that HTTP lets a server ignore. Uvicorn's hint is to install more."""

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not a request. Called by uvicorn while it handles h11's error."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE) or (self.cycle and self.cycle.response_started):
            self.transport.close()
            return
        error, request_id = self._error(sys.exc_info()[1], msg), uuid.uuid4().hex
        _log.info("request %s: %d %s", request_id, error.status_code, error.detail)
        response, reason = ErrorWriter(self.server_config).response(error), http.HTTPStatus(error.status_code).phrase
        headers = [*response.raw_headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=response.status_code, headers=headers, reason=reason.encode()),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        # To close with bytes unread would reset the connection, and the client might lose the answer.
        self._refused = True
        if self.transport.can_write_eof():  # TLS cannot
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self._give_up)

    def _error(self, cause: BaseException | None, message: str) -> ApiError:
        if isinstance(cause, h11.RemoteProtocolError) and cause.error_status_hint == 431:
            limit = self.server_config.h11_max_incomplete_event_size
            return ApiError(
                431, "Request Header Fields Too Large", f"Request line and headers may have at most {limit} bytes."
            )
        return ApiError(400, "Bad Request", message)
