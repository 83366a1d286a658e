"""The HTTP server: an ASGI app over engines, one file per dialect or concern."""

from cenote.server.app import build_app
from cenote.server.run import Server, check_options, run_server
from cenote.server.sockets import AddressInUse, bind_sockets

__all__ = ["AddressInUse", "Server", "bind_sockets", "build_app", "check_options", "run_server"]
