"""Hooks: what many plugins may answer, called one by one, each guarded."""

from cenote.hooks.events import BatchDone, Event, ModelLoaded, RequestDone, ServerStarted, ServerStopping
from cenote.hooks.spec import hookimpl

__all__ = ["BatchDone", "Event", "ModelLoaded", "RequestDone", "ServerStarted", "ServerStopping", "hookimpl"]
