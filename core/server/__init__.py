"""The HTTP server: an ASGI app over engines, one file per dialect or concern."""

from cenote.server.app import build_app
from cenote.server.run import AddressInUse, Server, bind_sockets, run_server

__all__ = ["AddressInUse", "Server", "bind_sockets", "build_app", "run_server"]
