"""Acme's routes: how alike two texts are."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from cenote.server.route_context import RouteContext

__all__ = ["routes"]


class Pair(BaseModel):
    """Two texts."""

    left: str
    right: str


class Alike(BaseModel):
    """How alike they are: 1 is the same direction."""

    model: str
    similarity: float


def routes(context: RouteContext) -> APIRouter:
    """Return the routes; called once, when a server starts that was told `--routes acme`."""
    router = APIRouter(prefix="/acme", tags=["acme"])

    @router.post("/alike")
    async def alike(request: Request, body: Pair) -> Alike:
        """Compare two texts."""
        left, right = await context.run(request, [body.left, body.right], task="embed")
        return Alike(model=context.models[0].name, similarity=float(left.outputs.data @ right.outputs.data))

    return router
