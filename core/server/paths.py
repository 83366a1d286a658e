"""Which paths are no load, and the path of a request without the proxy's prefix."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["LIGHT_PATHS", "UnderRootPath", "route_path"]

#: Never refused while draining, and not counted as load. Who may call them is another matter: see `auth`.
LIGHT_PATHS = frozenset(
    {"/health", "/ready", "/ping", "/version", "/metrics", "/load", "/openapi.json", "/docs", "/v1/models", "/models"}
    | {"/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"}
)


def route_path(scope: Scope) -> str:
    """Return the path as the routes know it, whether or not the proxy has cut `root_path` off."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path


class UnderRootPath:
    """Tell the routes and the documentation under which prefix a proxy publishes them."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if self._root_path:
            scope["root_path"] = self._root_path
        await self._app(scope, receive, send)
